"""What the runs over a socket share: the key in the environment, quick retries, and each SDK in turn."""

from __future__ import annotations

import pytest

from moa_graph.calls import retry
from tests.whole.mixtures_over_http import KEY, KEY_VARIABLE, SDKS


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.01)


@pytest.fixture(params=SDKS)
def sdk(request: pytest.FixtureRequest) -> str:
    return str(request.param)
