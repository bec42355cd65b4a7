"""The simulated days: many of them, or one with its story.  They need no cloud, only the checkout."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TERM", "TMPDIR", "VIRTUAL_ENV")


def simulate(options: argparse.Namespace) -> int:
    """Play seeded days with faults everywhere, and hold the invariants against each."""
    given = ["--days", options.days, "--seed", options.seed, "--jobs", options.jobs]
    return _played("simulate", *given, *_shared(options))


def replay(options: argparse.Namespace) -> int:
    """Play one seed again, and tell what became of the money."""
    given = ["--seed", options.seed, "--only", options.only]
    return _played("replay", *given, *(["--shrink"] if options.shrink else []), *_shared(options))


def _shared(options: argparse.Namespace) -> list[object]:
    weather = ["--weather", options.weather] if options.weather else []
    return ["--repaying", options.repaying, *weather]


def _played(command: str, *given: object) -> int:
    """Run in a process of its own, which knows nothing of this stage's settings: it is its own."""
    words = [sys.executable, "-m", "tests.simulation", command, *map(str, given)]
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return subprocess.run(words, cwd=ROOT, env=environment, check=False).returncode
