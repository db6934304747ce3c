"""A LangGraph server that is stopped and started again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from moa_graph.models.simulation import Profile
from moa_graph.server.simulator import RunningSimulator, running_simulator
from tests.server.langgraph_dev import langgraph_dev, until

pytestmark = pytest.mark.slow

QUESTION: Any = {"messages": [{"role": "user", "content": "What is 17 * 24 + 3?"}]}
SECOND_QUESTION: Any = {"messages": [{"role": "user", "content": "What is 2 + 40?"}]}
HANGS_ONCE = Profile.model_validate({"name": "hangs-once", "faults": [{"kind": "hang", "first": 1}]})


def mixture_of(simulator: RunningSimulator) -> dict[str, Any]:
    models = {
        name: {"model": f"openai:{name}", "base_url": simulator.base_url} for name in ("swift", "hangs-once", "instant")
    }
    slots = ["swift", "hangs-once"]
    return {"models": models, "stages": [{"propose": {"slots": slots}}, {"aggregate": {"slot": "instant"}}]}


def requests_of(simulator: RunningSimulator) -> dict[str, int]:
    return {model: tally["requests"] for model, tally in simulator.stats()["models"].items()}


async def test_a_stopped_server_goes_on_with_its_runs_and_threads(tmp_path: Path) -> None:
    with running_simulator({"hangs-once": HANGS_ONCE}) as simulator:
        mixture = tmp_path / "mixture.json"
        mixture.write_text(json.dumps(mixture_of(simulator)))
        environment = {"MOA_MIXTURE": str(mixture)}

        with langgraph_dev(tmp_path, environment) as server:
            async with get_client(url=server.url) as client:
                thread = (await client.threads.create())["thread_id"]
                run = await client.runs.create(thread, "custom", input=QUESTION)
                await until(lambda: hangs(simulator))
                await until(lambda: has_a_proposal(client, thread))

        with langgraph_dev(tmp_path, environment) as server:
            async with get_client(url=server.url) as client:
                first: Any = await client.runs.join(thread, run["run_id"])
                assert first["messages"][-1]["content"].endswith("Answer: 411")
                assert requests_of(simulator) == {"swift": 1, "hangs-once": 2, "instant": 1}

                second: Any = await client.runs.wait(thread, "custom", input=SECOND_QUESTION)
                assert [message["type"] for message in second["messages"]] == ["human", "ai", "human", "ai"]
                assert second["messages"][-1]["content"].endswith("Answer: 42")


async def hangs(simulator: RunningSimulator) -> bool:
    return requests_of(simulator) == {"swift": 1, "hangs-once": 1}


async def has_a_proposal(client: LangGraphClient, thread: str) -> bool:
    """Whether a task of the stage that is in flight has written its result."""
    state: Any = await client.threads.get_state(thread)
    return any(task["result"] for task in state["tasks"])
