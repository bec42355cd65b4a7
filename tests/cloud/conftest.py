"""A local cloud of the tests' own: other ports, another home, no matter what else runs."""

import os
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(item.path).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.cloud)
            # One cloud serves them all: they run one after the other, in one worker.
            item.add_marker(pytest.mark.xdist_group("cloud"))
            item.add_marker(pytest.mark.filterwarnings("ignore::ResourceWarning"))


@pytest.fixture(scope="module")
def cloud():
    """Start the local cloud on free ports, deploy, and take it down again."""
    before = dict(os.environ)
    from infra.local import cloud as local_cloud
    from infra.local import office

    os.environ["AFTERLOAN_PORT_BASE"] = str(local_cloud.reserve_base(9500))
    from infra.local.deployment import deploy_locally

    asked = office.local_cloud()
    running = local_cloud.up(asked.home, asked.ports)
    try:
        office.connect()
        _forget_what_was_wired()
        deploy_locally(running)
        yield running
    finally:
        local_cloud.down(asked.home)
        os.environ.clear()
        os.environ.update(before)
        _forget_what_was_wired()


def _forget_what_was_wired() -> None:
    from chalicelib import wiring, wiring_assistance, wiring_operations
    from chalicelib.settings import settings

    settings.cache_clear()
    for found in (
        value
        for each in (wiring, wiring_operations, wiring_assistance)
        for value in vars(each).values()
    ):
        if hasattr(found, "cache_clear"):
            found.cache_clear()
