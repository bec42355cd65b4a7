"""What several tests of the doors share: keys and an issuer for all, a house for each."""

from types import SimpleNamespace

import pytest

from simulators import keys
from simulators.clock import wall_clock
from simulators.issuer import Issuer
from simulators.issuer_service import issuer_service
from simulators.server import SimulatorServer
from tests.entrypoints.house import ISSUER, open_house


@pytest.fixture(scope="session")
def key_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("platform-keys")
    keys.make(folder)
    return folder


@pytest.fixture(scope="session")
def issuing(tmp_path_factory):
    """Serve an issuer's public keys over HTTP; it signs whatever a test asks for."""
    directory = tmp_path_factory.mktemp("issuer-keys")
    issuer = Issuer(url=ISSUER, directory=directory, clock=wall_clock)
    with SimulatorServer(issuer_service(issuer), port=0) as server:
        yield SimpleNamespace(issuer=issuer, url=server.url)


@pytest.fixture
def house(key_folder, issuing, monkeypatch):
    with open_house(
        key_folder=key_folder,
        issuer=issuing.issuer,
        issuer_url=issuing.url,
        monkeypatch=monkeypatch,
    ) as made:
        yield made
