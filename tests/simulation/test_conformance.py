"""What AWS's documentation says of the services we use, held against the simulated ones and moto.

The same cases run on the local cloud in tests/cloud/test_conformance.py.
"""

import time
from dataclasses import dataclass

import pytest
from moto import mock_aws

from tests.simulation.aws.calls import answered_by
from tests.simulation.aws.region import simulated_services
from tests.simulation.conformance.backends import (
    FAKE,
    MOTO,
    REGION,
    Backend,
    all_case_modules,
    cases_of,
)

DEMANDED = 200
MODULES = all_case_modules()


@dataclass
class Clock:
    """The fake's time: it passes when a case says that it sleeps."""

    seconds: float

    def __call__(self) -> float:
        return self.seconds

    def passes(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture(scope="module")
def fake_cloud():
    clock = Clock(time.time())  # noqa: TID251  presigned addresses are judged by the wall clock
    return Backend(name=FAKE, sleep=clock.passes), simulated_services(clock)


@pytest.fixture(scope="module")
def moto_cloud():
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_DEFAULT_REGION", REGION)
        with mock_aws():
            yield Backend(name=MOTO, sleep=time.sleep)


@pytest.mark.parametrize("case", cases_of(*MODULES, on=FAKE))
def test_the_simulated_region_does_as_aws_says(case, fake_cloud):
    backend, services = fake_cloud
    with answered_by(services):
        case(backend)


@pytest.mark.parametrize("case", cases_of(*MODULES, on=MOTO))
def test_moto_does_as_aws_says(case, moto_cloud):
    case(moto_cloud)


def test_there_are_cases_enough():
    assert len(cases_of(*MODULES, on=FAKE)) >= DEMANDED


def test_nothing_is_simulated_otherwise_than_aws_says():
    """The fake is ours: where it is wrong it is mended, never marked."""
    assert [case.id for case in cases_of(*MODULES, on=FAKE) if case.marks] == []
