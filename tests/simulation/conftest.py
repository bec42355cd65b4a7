"""One world for the tests of a module; while it is there, botocore and time belong to it."""

import pytest

from tests.simulation.catalogue import Catalogue
from tests.simulation.world import World


@pytest.fixture(scope="module")
def world():
    with World() as made:
        made.clear()
        yield made


@pytest.fixture(scope="module")
def catalogue(world):
    return Catalogue(world)
