"""Copies of this process: each goes on from where all stands, tells what it found, and is gone.

The cheapest way to try the same moment twice is not to bring it about again, but to leave it to a
copy: the operating system copies nothing that is not written to.
"""

import gc
import os
import pickle
import traceback
from collections.abc import Callable
from contextlib import contextmanager, suppress
from typing import Any, NoReturn, TypeVar

Found = TypeVar("Found")


class BrokenCopyError(Exception):
    """A copy ended otherwise than by telling what it found."""


def apart(work: Callable[[], Found]) -> Found:
    """Do some work in a copy of this process.

    :raises BrokenCopyError: if the work failed.
    """
    copies = Copies()
    if copies.is_the_copy():
        copies.tell(work)
    found: Found = copies.told()[0]
    return found


class Copies:
    """The copies of one process, `most` of them at once; each tells one thing."""

    def __init__(self, *, most: int = 1) -> None:
        self._most = most
        self._at_work: list[tuple[int, int]] = []
        self._told: list[Any] = []
        self._pipe = -1

    @property
    def is_one(self) -> bool:
        """Whether this process is one of the copies."""
        return self._pipe >= 0

    def is_the_copy(self) -> bool:
        """Make a copy; True in it, False in the one that was copied."""
        while len(self._at_work) >= self._most:
            self._hear()
        reading, writing = os.pipe()
        if process := os.fork():
            os.close(writing)
            self._at_work.append((process, reading))
            return False
        os.close(reading)
        for _, other in self._at_work:
            os.close(other)
        self._pipe, self._at_work, self._told, self._most = writing, [], [], 1
        return True

    def tell(self, work: Callable[[], object]) -> NoReturn:
        """In a copy: do the last work, tell what it gives, and be gone."""
        try:
            said = pickle.dumps(("found", work()))
        except BaseException as error:  # noqa: BLE001  nobody above it may go on in a copy
            said = pickle.dumps(("failed", "".join(traceback.format_exception(error))))
        with suppress(OSError), os.fdopen(self._pipe, "wb") as pipe:
            pipe.write(said)
        os._exit(0)

    def told(self) -> list[Any]:
        """Wait for all copies, and give what they have told.

        :raises BrokenCopyError: if one has failed.
        """
        while self._at_work:
            self._hear()
        told, self._told = self._told, []
        return told

    def _hear(self) -> None:
        process, reading = self._at_work.pop(0)
        with os.fdopen(reading, "rb") as pipe:
            said = pipe.read()
        os.waitpid(process, 0)
        kind, found = pickle.loads(said) if said else ("failed", "it told nothing")  # noqa: S301  our own
        if kind == "failed":
            raise BrokenCopyError(found)
        self._told.append(found)


@contextmanager
def much_copied():
    """Have the garbage collector leave alone what is there: what it touches is copied."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
