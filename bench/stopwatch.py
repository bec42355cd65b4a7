"""Time two rivals turn by turn, so that what else the machine does hits both alike."""

import gc
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter

MILLION = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Race:
    """Medians of several turns; `ratio` is ours / peer, the median of the turns' own ratios."""

    ours_seconds: float
    peer_seconds: float
    ratio: float
    lowest: float
    highest: float


def seconds(work: Callable[[], object], *, times: int = 1) -> float:
    """Time one piece of work, the mean of so many times."""
    gc.collect()
    started = perf_counter()
    for _ in range(times):
        work()
    return (perf_counter() - started) / times


def race(*, ours: Callable[[], float], peer: Callable[[], float], turns: int) -> Race:
    """Let both say their seconds, turn by turn; a first turn warms up and does not count."""
    ours(), peer()
    pairs = [(ours(), peer()) for _ in range(turns)]
    ratios = [mine / theirs for mine, theirs in pairs]
    return Race(
        ours_seconds=median(mine for mine, _ in pairs),
        peer_seconds=median(theirs for _, theirs in pairs),
        ratio=median(ratios),
        lowest=min(ratios),
        highest=max(ratios),
    )
