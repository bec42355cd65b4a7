"""What AWS's documentation says of the services we use, held against the local cloud.

The cases are those of tests/simulation/conformance.  They need no deployment: only MiniStack is
started, on a port of its own.
"""

import shutil
import time

import pytest

from infra.local import cloud as local_cloud
from infra.local.processes import Processes
from tests.simulation.conformance.backends import (
    LOCAL_CLOUD,
    REGION,
    Backend,
    all_case_modules,
    cases_of,
)

PORT_FROM = 9700


@pytest.fixture(scope="module")
def bare_cloud(tmp_path_factory):
    """Start MiniStack alone, open to everybody, and take it down again."""
    home = tmp_path_factory.mktemp("bare-cloud")
    ports = local_cloud.Ports.from_base(local_cloud.reserve_base(PORT_FROM))
    running = local_cloud.Cloud(home=home, ports=ports)
    program = next(
        program
        for program in local_cloud._programs(running, strict=False)
        if program.name == "cloud"
    )
    for folder in ("tmp", "ministack"):
        (home / folder).mkdir()
    processes = Processes(home=home)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_DEFAULT_REGION", REGION)
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        processes.start(
            program, port_setting=local_cloud.PORT_SETTING, seconds=local_cloud.START_SECONDS
        )
        try:
            yield Backend(name=LOCAL_CLOUD, endpoint=running.endpoint, sleep=time.sleep)
        finally:
            processes.stop(seconds=local_cloud.STOP_SECONDS)
            shutil.rmtree(home, ignore_errors=True)


@pytest.mark.parametrize("case", cases_of(*all_case_modules(), on=LOCAL_CLOUD))
def test_the_local_cloud_does_as_aws_says(case, bare_cloud):
    case(bare_cloud)
