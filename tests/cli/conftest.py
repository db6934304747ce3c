"""What the tests of the command share: a way to run it, and mixtures whose models answer at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from moa_graph.cli import main
from moa_graph.models.simulation import Profile
from moa_graph.server.simulator import RunningSimulator, running_simulator

Moa = Callable[..., Result]
WriteMixture = Callable[..., str]


@pytest.fixture
def moa(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Moa:
    """Runs the command in this process, in an empty folder, away from this machine's local servers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("moa_graph.detection.SERVERS", {"Nobody": 1})
    return lambda *arguments, **settings: CliRunner().invoke(main, arguments, **settings)


@pytest.fixture
def instant(write_mixture: WriteMixture) -> str:
    """A file with a mixture of simulated models that take no time."""
    return write_mixture(dict.fromkeys(("first", "second", "writer"), "sim:instant"))


@pytest.fixture
def write_mixture(tmp_path: Path) -> WriteMixture:
    """Writes a mixture of two layers to a file: all models but the last propose, the last one writes."""

    def write(models: dict[str, Any], **fields: Any) -> str:
        *proposers, writer = models
        stages = [{"propose": {"slots": proposers}}, {"aggregate": {"slot": writer}}]
        path = tmp_path / "mixture.json"
        path.write_text(json.dumps({"name": "test-mixture", "models": models, "stages": stages, **fields}))
        return str(path)

    return write


@pytest.fixture
def served(write_mixture: WriteMixture) -> Iterator[Callable[..., tuple[str, RunningSimulator]]]:
    """Serves profiles by name over HTTP, and gives a mixture's file that asks them, and the server."""
    from contextlib import ExitStack

    with ExitStack() as at_the_end:

        def serve(**profiles: dict[str, Any]) -> tuple[str, RunningSimulator]:
            made = {
                name: Profile.model_validate({"name": name, "latency": INSTANT, **fields})
                for name, fields in profiles.items()
            }
            simulator = at_the_end.enter_context(running_simulator(made))
            models = {name: {"model": f"openai:{name}", "base_url": simulator.base_url} for name in made}
            return write_mixture(models), simulator

        yield serve


INSTANT = {"first_token": 0, "tokens_a_second": None, "sigma": 0}
