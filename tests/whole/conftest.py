"""What the runs over a socket share: the module's models behind one, the key, quick retries, and each SDK in turn."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from moa_graph.calls import exchange
from moa_graph.server.simulator import RunningSimulator, running_simulator
from tests.server.simulator_clients import until
from tests.whole.mixtures_over_http import KEY, KEY_VARIABLE, SDKS

PATIENCE = 5.0
"""Seconds until a simulator must have seen that its clients have closed their connections."""


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.setattr(exchange, "FIRST_WAIT", 0.01)


@pytest.fixture(params=SDKS)
def sdk(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest) -> Iterator[RunningSimulator]:
    """The models in ``PROFILES`` of the test's module. In the end every connection must be closed."""
    profiles = {profile.name: profile for profile in request.module.PROFILES}
    with running_simulator(profiles, key=KEY, strict=True) as simulator:
        yield simulator
        give_up = time.monotonic() + PATIENCE
        while simulator.stats()["connections"]["open"] and time.monotonic() < give_up:
            time.sleep(0.01)  # a client has closed its sockets, and the server's thread has yet to see it
        assert simulator.stats()["connections"]["open"] == 0


@pytest.fixture
async def simulator(running: RunningSimulator) -> RunningSimulator:
    """The server, once the connections of the test before are closed, counting anew."""
    await until(lambda: running.stats()["connections"]["open"] == 0)
    running.reset()
    return running
