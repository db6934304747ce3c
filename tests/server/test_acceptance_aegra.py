"""This project's ``langgraph.json``, unchanged, on Aegra. How to run it: see ``tests/server/aegra.py``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from moa_graph.models.simulation import Profile
from moa_graph.presets import preset_names
from moa_graph.server.simulator import RunningSimulator, running_simulator
from tests.server.aegra import AegraServer, aegra, aegra_command
from tests.server.databases import postgresql, redis
from tests.server.langgraph_dev import until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(400)]

QUESTION: Any = {"messages": [{"role": "user", "content": "What is 17 * 24 + 3?"}]}
SECOND_QUESTION: Any = {"messages": [{"role": "user", "content": "What is 2 + 40?"}]}

PROFILES = {
    "hangs-once": Profile.model_validate({"name": "hangs-once", "faults": [{"kind": "hang", "first": 1}]}),
    "sleeper": Profile.model_validate({"name": "sleeper", "faults": [{"kind": "hang"}]}),
}

RECOVERS = {
    "REDIS_BROKER_ENABLED": "true",
    "LEASE_DURATION_SECONDS": "7",
    "HEARTBEAT_INTERVAL_SECONDS": "3",
    "REAPER_INTERVAL_SECONDS": "1",
    "AEGRA_CHECKPOINT_DURABILITY": "sync",
}
"""Aegra takes a dead worker's runs over with Redis alone; here within seconds rather than a minute."""


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    aegra_command()
    with postgresql() as address:
        yield address


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator(PROFILES) as running:
        yield running


def mixture_at(directory: Path, simulator: RunningSimulator, *slots: str) -> str:
    """The path of a mixture whose first layer asks ``slots``."""
    names = {*slots, "instant"}
    models = {name: {"model": f"openai:{name}", "base_url": simulator.base_url, "max_tokens": 200} for name in names}
    stages = [{"propose": {"slots": list(slots)}}, {"aggregate": {"slot": "instant"}}]
    mixture = directory / "mixture.json"
    mixture.write_text(json.dumps({"name": "mine", "models": models, "stages": stages}))
    return str(mixture)


@pytest.fixture(scope="module")
def server(
    database: str, simulator: RunningSimulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AegraServer]:
    directory = tmp_path_factory.mktemp("aegra")
    environment = {"DATABASE_URL": database, "MOA_MIXTURE": mixture_at(directory, simulator, "swift", "sleeper")}
    with aegra(aegra_command(), directory, environment) as running:
        yield running


@pytest.fixture
async def client(server: AegraServer) -> AsyncIterator[LangGraphClient]:
    async with get_client(url=server.url) as connected:
        yield connected


async def thread_of(client: LangGraphClient) -> str:
    return (await client.threads.create())["thread_id"]


ALONE: Any = {"proposers": ["swift"]}
"""Options of a run that doesn't wait for the slot that sleeps."""


async def test_every_graph_is_an_assistant_named_by_its_id(client: LangGraphClient, server: AegraServer) -> None:
    print(f"started in {server.seconds_to_start:.1f} s")  # noqa: T201
    assistants = await client.assistants.search(limit=100)
    assert {one["graph_id"] for one in assistants} == {*preset_names(), "custom"}
    assert all(one["name"] == one["graph_id"] for one in assistants)
    described = {one["graph_id"]: one["description"] for one in assistants}
    assert described["moa-turbo"] == "Four strong models that are served today, in two layers."


async def test_runs_streams_and_threads(client: LangGraphClient) -> None:
    thread = await thread_of(client)
    first: Any = await client.runs.wait(thread, "custom", input=QUESTION, context=ALONE)
    assert first["messages"][-1]["content"].endswith("Answer: 411")

    parts = client.runs.stream(
        thread, "custom", input=SECOND_QUESTION, context=ALONE, stream_mode=["messages-tuple", "custom", "updates"]
    )
    told = [(part.event, part.data) async for part in parts]
    tokens = [data[0] for event, data in told if event == "messages"]
    assert len(tokens) > 1
    assert "".join(token["content"] for token in tokens if token["type"] == "AIMessageChunk").endswith("Answer: 42")
    assert len({token["id"] for token in tokens}) == 1
    assert [data["type"] for event, data in told if event == "custom"][-1] == "run_finished"
    assert {"prepare", "layer_1/swift", "aggregate", "finish"} <= {
        node for event, data in told if event == "updates" for node in data
    }

    state: Any = await client.threads.get_state(thread)
    assert [message["type"] for message in state["values"]["messages"]] == ["human", "ai", "human", "ai"]
    history: Any = await client.threads.get_history(thread)
    assert ["layer_1/join"] in [step["next"] for step in history]


async def test_the_current_protocol_tells_the_answer_token_by_token(client: LangGraphClient) -> None:
    told: list[Any] = []
    async with client.threads.stream(assistant_id="custom") as thread:
        await thread.run.start(input=QUESTION, config={"configurable": {"moa": ALONE}})
        async for event in thread.subscribe(["messages"]):
            data: Any = event
            told.append(data["params"]["data"])
            if told[-1]["event"] == "message-finish":
                break
    deltas = [one["delta"]["text"] for one in told if one["event"] == "content-block-delta"]
    assert len(deltas) > 1
    assert "".join(deltas).endswith("Answer: 411")


async def test_an_assistant_has_options_a_system_prompt_and_a_temperature(client: LangGraphClient) -> None:
    context: Any = {**ALONE, "system_prompt": "Be brief.", "temperature": 0.2}
    assistant = await client.assistants.create("custom", context=context, name="brief")
    output: Any = await client.runs.wait(None, assistant["assistant_id"], input=QUESTION)
    assert [record["slot"] for record in output["records"]] == ["swift", "instant"]
    assert [message["type"] for message in output["messages"]] == ["human", "ai"]
    refused: Any = await client.runs.wait(None, "custom", input=QUESTION, context={"quorum": 9}, raise_error=False)
    assert "quorum" in refused["__error__"]["message"]


async def test_a_cancelled_run_closes_its_connections(client: LangGraphClient, simulator: RunningSimulator) -> None:
    async def sleeping(calls: int) -> bool:
        return bool(simulator.stats()["models"].get("sleeper", {"in_flight": 0})["in_flight"] == calls)

    thread = await thread_of(client)
    run = await client.runs.create(thread, "custom", input=QUESTION)
    await until(lambda: sleeping(1))
    await client.runs.cancel(thread, run["run_id"], wait=True)
    await until(lambda: sleeping(0))
    again: Any = await client.runs.wait(thread, "custom", input=SECOND_QUESTION, context=ALONE)
    assert again["messages"][-1]["content"].endswith("Answer: 42")
    assert [one["content"] for one in again["messages"] if one["type"] == "human"] == [
        "What is 17 * 24 + 3?",
        "What is 2 + 40?",
    ]


async def test_an_edited_proposal_is_what_a_fork_goes_on_with(client: LangGraphClient) -> None:
    thread = await thread_of(client)
    await client.runs.wait(thread, "custom", input=QUESTION, context=ALONE)
    history: Any = await client.threads.get_history(thread)
    before_join = next(state for state in history if state["next"] == ["layer_1/join"])
    edited: Any = {"records": [{"id": "layer_1/swift#0", "text": "It is 1000.\n\nAnswer: 1000"}]}
    fork: Any = await client.threads.update_state(
        thread, edited, as_node="layer_1/swift", checkpoint=before_join["checkpoint"]
    )
    output: Any = await client.runs.wait(thread, "custom", input=None, checkpoint=fork["checkpoint"], context=ALONE)
    assert output["messages"][-1]["content"].endswith("Answer: 1000")


def requests_of(simulator: RunningSimulator) -> dict[str, int]:
    return {model: tally["requests"] for model, tally in simulator.stats()["models"].items()}


async def has_a_proposal(client: LangGraphClient, thread: str) -> bool:
    state: Any = await client.threads.get_state(thread)
    return any(task.get("result") for task in state["tasks"])


async def kill_in_the_middle(server: AegraServer, simulator: RunningSimulator) -> tuple[str, str]:
    """A thread and its run, of a server that was killed when one proposal had come and the other had not."""
    async with get_client(url=server.url) as client:
        thread = await thread_of(client)
        run = await client.runs.create(thread, "custom", input=QUESTION, durability="sync")
        async with asyncio.timeout(60):
            while requests_of(simulator) != {"swift": 1, "hangs-once": 1}:  # noqa: ASYNC110  (another process)
                await asyncio.sleep(0.05)
            await asyncio.sleep(1)  # until the proposal that came is in the database
    server.kill()
    return thread, run["run_id"]


async def test_a_run_ends_after_a_kill_and_no_finished_call_is_made_again(database: str, tmp_path: Path) -> None:
    with running_simulator(PROFILES) as simulator, redis() as broker:
        environment = {"DATABASE_URL": database, "REDIS_URL": broker, **RECOVERS}
        environment["MOA_MIXTURE"] = mixture_at(tmp_path, simulator, "swift", "hangs-once")
        with aegra(aegra_command(), tmp_path, environment) as server:
            thread, run = await kill_in_the_middle(server, simulator)
        with aegra(aegra_command(), tmp_path, environment) as server:
            async with get_client(url=server.url) as client:
                await until(lambda: _ended(client, thread, run))
                state: Any = await client.threads.get_state(thread)
                assert state["values"]["messages"][-1]["content"].endswith("Answer: 411")
                assert requests_of(simulator) == {"swift": 1, "hangs-once": 2, "instant": 1}
                again: Any = await client.runs.wait(thread, "custom", input=SECOND_QUESTION)
                assert again["messages"][-1]["content"].endswith("Answer: 42")


async def _ended(client: LangGraphClient, thread: str, run: str) -> bool:
    return bool((await client.runs.get(thread, run))["status"] == "success")


async def test_without_redis_the_thread_goes_on_when_it_is_asked_to(database: str, tmp_path: Path) -> None:
    with running_simulator(PROFILES) as simulator:
        environment = {"DATABASE_URL": database, "AEGRA_CHECKPOINT_DURABILITY": "sync"}
        environment["MOA_MIXTURE"] = mixture_at(tmp_path, simulator, "swift", "hangs-once")
        with aegra(aegra_command(), tmp_path, environment) as server:
            thread, _ = await kill_in_the_middle(server, simulator)
        with aegra(aegra_command(), tmp_path, environment) as server:
            async with get_client(url=server.url) as client:
                where_it_stands: Any = {"checkpoint_ns": ""}
                output: Any = await client.runs.wait(thread, "custom", checkpoint=where_it_stands)
                assert output["messages"][-1]["content"].endswith("Answer: 411")
                assert requests_of(simulator) == {"swift": 1, "hangs-once": 2, "instant": 1}
