"""Many seeds, in one process or several; each process makes one world and plays them all in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context

import conftest  # noqa: F401  a process of the pool begins here: the stage of the tests first
from tests.simulation.catalogue import Catalogue
from tests.simulation.plan import CALM, STORM, USUAL, draw
from tests.simulation.seeds import Result, play
from tests.simulation.world import World

WEATHERS = {weather.name: weather for weather in (CALM, USUAL, STORM)}
CHUNK = 25


@dataclass(frozen=True)
class Chunk:
    """Some seeds for one process."""

    seeds: Sequence[int]
    repaying: float
    weather: str


def played(
    seeds: Sequence[int], *, repaying: float, weather: str, jobs: int
) -> Iterator[list[Result]]:
    """Play seeds, and give their results chunk by chunk, in their order."""
    chunks = [
        Chunk(seeds[at : at + CHUNK], repaying, weather) for at in range(0, len(seeds), CHUNK)
    ]
    if jobs == 1:
        yield from map(play_chunk, chunks)
        return
    with get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(play_chunk, chunks)


@cache
def a_world() -> tuple[World, Catalogue]:
    """Make the one world of this process; it lasts as long as the process."""
    world = World().__enter__()
    world.clear()
    return world, Catalogue(world)


def play_chunk(chunk: Chunk) -> list[Result]:
    world, catalogue = a_world()
    plans = (
        draw(seed, repaying=chunk.repaying, weather=WEATHERS.get(chunk.weather))
        for seed in chunk.seeds
    )
    # What no other process can read is left behind.
    return [replace(play(world, catalogue, plan), day=None, story=()) for plan in plans]
