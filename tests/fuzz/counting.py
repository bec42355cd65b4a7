"""Many inputs, one after the other: each is named by a seed, and the outcomes are counted."""

import sys
from collections import Counter
from collections.abc import Callable
from time import perf_counter

STEPS = 10


def many(name: str, inputs: int, one: Callable[[str], str]) -> Counter[str]:
    """Try an input a seed; tell how far it is, what came of them, and how fast it went.

    A failure names its seed: `one(seed)` plays it again.
    """
    counted, began = Counter(), perf_counter()
    for number in range(inputs):
        seed = f"{name}/{number}"
        try:
            counted[one(seed)] += 1
        except BaseException as error:
            error.add_note(f"seed {seed!r}")
            raise
        if inputs >= 1000 and (number + 1) % (inputs // STEPS) == 0:
            told = f"\r{name}: {number + 1:,} of {inputs:,}"
            print(told, end="", file=sys.stderr, flush=True)  # noqa: T201
    rate = inputs / (perf_counter() - began)
    outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(counted.items()))
    print(f"\n{name}: {inputs:,} inputs: {outcomes}; {rate:,.0f} a second")  # noqa: T201
    return counted
