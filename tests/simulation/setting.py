"""The environment of the simulated stage, while it lasts."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from chalicelib.settings import settings


@contextmanager
def environment(given: Mapping[str, str]) -> Iterator[None]:
    """Set these, have the settings read anew, and put back what was there."""
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    settings.cache_clear()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        settings.cache_clear()
