"""The table that is printed: one line a measurement, always beside a peer of the same run."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.stopwatch import MILLION, Race

HEADINGS = ("", "ours", "peer", "ratio", "turns", "peer is")
RIGHT = frozenset((1, 2, 3))


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One measurement; `kept` says of a counted (never of a timed) one whether it is as promised."""

    what: str
    ours: str
    peer: str = ""
    ratio: float | None = None
    turns: str = ""
    peer_is: str = ""
    kept: bool | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        broken = "  <- BROKEN" if self.kept is False else ""
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        return (self.what, self.ours, self.peer, ratio, self.turns, self.peer_is + broken)


def timed(*, what: str, race: Race, peer_is: str, per: int = 1) -> Line:
    """Make the line of a race, in microseconds; `per` pieces were worked in one turn."""
    return Line(
        what=what,
        ours=f"{race.ours_seconds / per * MILLION:,.1f} us",
        peer=f"{race.peer_seconds / per * MILLION:,.1f} us",
        ratio=race.ratio,
        turns=f"{race.lowest:.2f}-{race.highest:.2f}",
        peer_is=peer_is,
    )


def counted(
    *, what: str, ours: float, peer: float, peer_is: str, promised: float | None = None
) -> Line:
    """Make the line of a count; it is kept if the ratio is exactly the promised one."""
    return Line(
        what=what,
        ours=figure(ours),
        peer=figure(peer),
        ratio=ours / peer if peer else None,
        peer_is=peer_is,
        kept=None if promised is None else ours == peer * promised,
    )


def figure(value: float) -> str:
    """Write a count; units come in halves.

    >>> figure(1234.0), figure(0.5)
    ('1,234', '0.5')
    """
    return f"{value:,.1f}".removesuffix(".0")


def render(title: str, lines: Sequence[Line]) -> str:
    """Write a section as plain text in columns."""
    rows = [(title, *HEADINGS[1:]), *(line.cells for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in RIGHT else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
