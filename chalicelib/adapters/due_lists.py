"""Due lists as JSON Lines in the exchange bucket: a file for each mode and shard, and a manifest."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from chalicelib.domain import funder
from chalicelib.domain.due_comparison import COMPARED
from chalicelib.domain.loan import Mode
from chalicelib.domain.money import Components, Money
from chalicelib.domain.run import Facts
from chalicelib.flows.ports import DueLine, ObjectStore

AMOUNTS = tuple(name for name in COMPARED if name != "due_on")
NOTHING: Mapping[str, int] = {"count": 0, "amount_fen": 0}


class UnservedModeError(ValueError):
    """A due of a mode that no list is kept for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class S3DueLists:
    """Keeps a list for each of `modes`, empty ones too: so a missing file is a list not written."""

    store: ObjectStore
    modes: tuple[str, ...] = (Mode.SELF_OPERATED.value,)

    def write(
        self, *, business_date: date, round_no: int, shard: int, lines: Iterable[DueLine]
    ) -> Sequence[DueLine]:
        by_mode: dict[str, list[str]] = {mode: [] for mode in self.modes}
        for line in lines:
            if line.mode not in by_mode:
                raise UnservedModeError(f"{line.loan_id}: {line.mode}")
            by_mode[line.mode].append(written(line) + "\n")
        for mode, texts in by_mode.items():
            key = _key(business_date, mode, round_no, f"shard-{shard}.jsonl")
            self.store.write_once(key, "".join(texts).encode())
        return tuple(self.read(business_date=business_date, round_no=round_no, shard=shard))

    def read(self, *, business_date: date, round_no: int, shard: int) -> Iterator[DueLine]:
        """Read a shard's list, mode by mode.

        :raises KeyError: at once, if one mode's file is missing: a list half written is none.
        """
        bodies = [
            self.store.read(_key(business_date, mode, round_no, f"shard-{shard}.jsonl"))
            for mode in self.modes
        ]
        return (line_of(text) for body in bodies for text in body.decode().splitlines())

    def write_manifest(
        self, *, business_date: date, round_no: int, parts: Mapping[int, Facts]
    ) -> None:
        for mode in self.modes:
            shards = {shard: parts[shard]["modes"].get(mode, NOTHING) for shard in sorted(parts)}
            manifest = {
                "business_date": business_date.isoformat(),
                "mode": mode,
                "round_no": round_no,
                "count": sum(tally["count"] for tally in shards.values()),
                "amount_fen": sum(tally["amount_fen"] for tally in shards.values()),
                "shards": {str(shard): dict(tally) for shard, tally in shards.items()},
            }
            key = _key(business_date, mode, round_no, "manifest.json")
            self.store.write(key, json.dumps(manifest, indent=1).encode() + b"\n")


def written(line: DueLine) -> str:
    """Write one line of a list, amounts in whole fen."""
    told = (
        {"funder_id": line.funder_id, "instalments": [_told(each) for each in line.instalments]}
        if line.funder_id
        else {}
    )
    return json.dumps(
        {
            "loan_id": line.loan_id,
            "borrower_id": line.borrower_id,
            "mode": line.mode,
            "product": line.product,
            "due_on": line.due_on.isoformat(),
            "dpd": line.dpd,
            "amount_fen": line.amount.fen,
            "principal_fen": line.components.principal.fen,
            "interest_fen": line.components.interest.fen,
            "penalty_fen": line.components.penalty.fen,
            **told,
        }
    )


def line_of(text: str) -> DueLine:
    """Read a line back."""
    told: dict[str, Any] = json.loads(text)
    return DueLine(
        loan_id=told["loan_id"],
        borrower_id=told["borrower_id"],
        mode=told["mode"],
        product=told["product"],
        due_on=date.fromisoformat(told["due_on"]),
        dpd=told["dpd"],
        amount=Money(told["amount_fen"]),
        components=Components(
            principal=Money(told["principal_fen"]),
            interest=Money(told["interest_fen"]),
            penalty=Money(told["penalty_fen"]),
        ),
        funder_id=told.get("funder_id", ""),
        instalments=tuple(
            _instalment_of(told["loan_id"], each) for each in told.get("instalments", ())
        ),
    )


def _told(line: funder.DueLine) -> Mapping[str, Any]:
    """Write what one instalment owes, both parties' parts beside the whole."""
    amounts = {f"{name}_fen": getattr(line, name).fen for name in AMOUNTS}
    return {"instalment_no": line.instalment_no, "due_on": line.due_on.isoformat(), **amounts}


def _instalment_of(loan_id: str, told: Mapping[str, Any]) -> funder.DueLine:
    return funder.DueLine(
        loan_id=loan_id,
        instalment_no=told["instalment_no"],
        due_on=date.fromisoformat(told["due_on"]),
        **{name: Money(told[f"{name}_fen"]) for name in AMOUNTS},
    )


def _key(business_date: date, mode: str, round_no: int, name: str) -> str:
    """Name a file; the first round's list is the due list itself.

    >>> _key(date(2026, 11, 24), "self_operated", 1, "shard-3.jsonl")
    'due-lists/20261124/self_operated/shard-3.jsonl'
    >>> _key(date(2026, 11, 24), "self_operated", 2, "shard-3.jsonl")
    'due-lists/20261124/self_operated/round-2/shard-3.jsonl'
    """
    folder = f"due-lists/{business_date:%Y%m%d}/{mode}"
    return f"{folder}/{name}" if round_no == 1 else f"{folder}/round-{round_no}/{name}"
