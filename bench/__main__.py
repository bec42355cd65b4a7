"""Measure, and print a table: python -m bench [section ...].  Writes nothing."""

import doctest
import sys
from time import perf_counter

sys.dont_write_bytecode = True

from bench import (  # noqa: E402  the line above comes first
    deductions,
    dues,
    engine,
    mornings,
    reconcile,
    reconciliations,
    repayments,
    schedules,
    simulated_days,
    table,
    tallies,
    units,
    vouchers,
)

SECTIONS = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        schedules,
        mornings,
        deductions,
        repayments,
        engine,
        tallies,
        reconciliations,
        reconcile,
        dues,
        vouchers,
        simulated_days,
    )
}


def main(wanted: list[str]) -> int:
    """Measure the wanted sections, all if none is named; 1 if a counted promise is broken."""
    if unknown := set(wanted) - SECTIONS.keys():
        print(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
        return 2
    for ruler in (units, table):
        doctest.testmod(ruler, raise_on_error=True)
    started = perf_counter()
    kept = True
    for name in wanted or SECTIONS:
        lines = list(SECTIONS[name].measure())
        print(table.render(SECTIONS[name].TITLE, lines), end="\n\n", flush=True)
        kept &= all(line.kept is not False for line in lines)
    print(f"{perf_counter() - started:.0f} s; ratio = ours / peer, turns = lowest-highest ratio")
    return 0 if kept else 1


sys.exit(main(sys.argv[1:]))
