"""The LangGraph server, started as a developer starts it and driven by its Python client."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from moa_graph.models.simulation import Profile
from moa_graph.presets import preset_names
from moa_graph.server.simulator import RunningSimulator, running_simulator
from tests.server.langgraph_dev import DevServer, langgraph_dev, until

pytestmark = pytest.mark.slow

QUESTION: Any = {"messages": [{"role": "user", "content": "What is 17 * 24 + 3?"}]}
SLEEPER = Profile.model_validate({"name": "sleeper", "faults": [{"kind": "hang"}]})


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator({"sleeper": SLEEPER}) as running:
        yield running


@pytest.fixture(scope="module")
def server(simulator: RunningSimulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    directory = tmp_path_factory.mktemp("dev")
    mixture = directory / "mixture.json"
    models = {
        name: {"model": f"openai:{name}", "base_url": simulator.base_url, "max_tokens": 200}
        for name in ("swift", "instant", "sleeper")
    }
    stages = [{"propose": {"slots": list(models), "quorum": 2}}, {"aggregate": {"slot": "instant"}}]
    mixture.write_text(json.dumps({"name": "mine", "models": models, "stages": stages, "budget": {"calls": 20}}))
    with langgraph_dev(directory, {"MOA_MIXTURE": str(mixture)}) as running:
        yield running


@pytest.fixture
async def client(server: DevServer) -> AsyncIterator[LangGraphClient]:
    async with get_client(url=server.url) as connected:
        yield connected


async def thread_of(client: LangGraphClient) -> str:
    thread = await client.threads.create()
    return thread["thread_id"]


async def assistant_of(client: LangGraphClient, graph_id: str) -> str:
    """The one that the server makes for each graph."""
    system: Any = {"created_by": "system"}
    return (await client.assistants.search(graph_id=graph_id, metadata=system))[0]["assistant_id"]


def said(state: Any) -> list[tuple[str, str]]:
    return [(message["type"], message["content"]) for message in state["messages"]]


def test_the_server_is_ready_within_seconds_and_without_keys(server: DevServer) -> None:
    assert server.seconds_to_start < 20  # about 3 on a quiet machine


async def test_each_preset_and_custom_is_an_assistant_with_its_description(client: LangGraphClient) -> None:
    made_by_the_server: Any = {"created_by": "system"}
    assistants = await client.assistants.search(metadata=made_by_the_server, limit=100)
    described = {assistant["graph_id"]: assistant["description"] for assistant in assistants}
    assert set(described) == {*preset_names(), "custom"}
    assert described["moa-turbo"] == "Four strong models that are served today, in two layers."


async def test_schemas_are_published_and_input_needs_only_messages(client: LangGraphClient) -> None:
    schemas: Any = await client.assistants.get_schemas(await assistant_of(client, "custom"))
    assert list(schemas["input_schema"]["properties"]) == ["messages"]
    assert set(schemas["output_schema"]["properties"]) == {"messages", "records", "report"}
    quorum = schemas["context_schema"]["properties"]["quorum"]
    assert quorum["title"] == "Quorum"
    assert quorum["description"].startswith("Live proposals that close a stage")
    assert quorum["anyOf"][0] == {"maximum": 3, "minimum": 1, "type": "integer"}
    models = schemas["context_schema"]["properties"]["aggregator"]["anyOf"][0]["enum"]
    assert models == ["swift", "instant", "sleeper"]


async def test_the_graph_is_drawn_with_a_node_for_each_layer_and_model(client: LangGraphClient) -> None:
    graph: Any = await client.assistants.get_graph(await assistant_of(client, "together-moa"))
    nodes = {node["id"] for node in graph["nodes"]}
    assert {"layer_1/qwen-110b", "layer_2/qwen-110b", "layer_2/dbrx", "layer_2/join", "aggregate", "finish"} <= nodes


async def test_an_assistants_options_hold(client: LangGraphClient) -> None:
    options: Any = {"aggregator": "swift", "proposers": ["instant"]}
    assistant = await client.assistants.create("custom", context=options, name="written by swift")
    output: Any = await client.runs.wait(None, assistant["assistant_id"], input=QUESTION)
    asked = [(record["stage"], record["model"]) for record in output["records"]]
    assert asked == [("layer_1", "openai:instant"), ("aggregate", "openai:swift")]


@pytest.mark.parametrize("options", [{"quorum": 9}, {"aggregator": "gpt"}, {"calls": 21}, {"deadline": "soon"}])
async def test_an_option_out_of_bounds_is_refused_by_name(client: LangGraphClient, options: Any) -> None:
    output: Any = await client.runs.wait(None, "custom", input=QUESTION, context=options, raise_error=False)
    assert next(iter(options)) in output["__error__"]["message"]


async def test_an_option_that_nobody_knows_has_no_effect(client: LangGraphClient) -> None:
    output: Any = await client.runs.wait(
        None, "custom", input=QUESTION, context={"model": "gpt", "base_url": "http://x"}
    )
    assert output["messages"][-1]["content"].endswith("Answer: 411")


async def test_a_run_without_keys_ends_with_an_error_that_says_how_to_try_it(client: LangGraphClient) -> None:
    output: Any = await client.runs.wait(None, "moa-turbo", input=QUESTION, raise_error=False)
    assert output["__error__"]["error"] == "MissingKey"
    assert "TOGETHER_API_KEY" in output["__error__"]["message"]
    assert "MOA_SIMULATE=1" in output["__error__"]["message"]


async def streamed(client: LangGraphClient, thread: Any, mode: Any) -> list[tuple[str, Any]]:
    parts = client.runs.stream(thread, "custom", input=QUESTION, stream_mode=mode)
    return [(part.event, part.data) async for part in parts]


async def test_values_end_with_the_answer_and_the_report(client: LangGraphClient) -> None:
    parts = await streamed(client, None, "values")
    assert parts[-1][1]["messages"][-1]["content"].endswith("Answer: 411")
    assert parts[-1][1]["report"]["calls"] == 4


async def test_updates_come_from_each_node(client: LangGraphClient) -> None:
    nodes = [node for event, data in await streamed(client, None, "updates") if event == "updates" for node in data]
    proposers = ["layer_1/swift", "layer_1/instant", "layer_1/sleeper"]
    assert sorted(nodes) == sorted(["prepare", *proposers, "layer_1/join", "aggregate", "finish"])


async def test_only_the_answers_tokens_are_streamed_under_the_final_messages_id(client: LangGraphClient) -> None:
    thread = await thread_of(client)
    tokens = [data[0] for event, data in await streamed(client, thread, "messages-tuple") if event == "messages"]
    answer = said(await state_of(client, thread))[-1]
    assert len(tokens) > 1
    assert "".join(token["content"] for token in tokens if token["type"] == "AIMessageChunk") == answer[1]
    assert len({token["id"] for token in tokens}) == 1


async def test_custom_events_are_those_of_the_library(client: LangGraphClient) -> None:
    types = Counter(data["type"] for event, data in await streamed(client, None, "custom") if event == "custom")
    assert types == {
        "run_started": 1,
        "call_started": 4,
        "call_finished": 4,
        "record_finished": 4,
        "stage_finished": 2,
        "run_finished": 1,
    }


async def test_langchain_events_name_the_model_runs(client: LangGraphClient) -> None:
    events = [data for event, data in await streamed(client, None, "events") if event == "events"]
    named = {event["name"] for event in events if event["event"] == "on_chat_model_start"}
    assert named == {"layer_1/swift", "layer_1/instant", "layer_1/sleeper", "aggregate"}


async def state_of(client: LangGraphClient, thread: str) -> Any:
    return (await client.threads.get_state(thread))["values"]


async def test_a_conversation_has_one_answer_a_turn(client: LangGraphClient) -> None:
    thread = await thread_of(client)
    await client.runs.wait(thread, "custom", input=QUESTION)
    again: Any = {"messages": [{"role": "user", "content": "What is 2 + 40?"}]}
    await client.runs.wait(thread, "custom", input=again)
    conversation = said(await state_of(client, thread))
    assert [kind for kind, _ in conversation] == ["human", "ai", "human", "ai"]
    assert conversation[-1][1].endswith("Answer: 42")


async def test_a_cancelled_run_closes_its_connections(client: LangGraphClient, simulator: RunningSimulator) -> None:
    async def sleeping(calls: int) -> bool:
        return bool(simulator.stats()["models"].get("sleeper", {"in_flight": 0})["in_flight"] == calls)

    thread = await thread_of(client)
    run = await client.runs.create(thread, "custom", input=QUESTION, context={"quorum": 3})
    await until(lambda: sleeping(1))
    await client.runs.cancel(thread, run["run_id"], wait=True)
    await until(lambda: sleeping(0))
    assert simulator.stats()["models"]["sleeper"]["completed"] == 0


async def test_a_turn_that_another_one_interrupts_keeps_the_users_question(
    client: LangGraphClient, simulator: RunningSimulator
) -> None:
    async def sleeping() -> bool:
        return bool(simulator.stats()["models"].get("sleeper", {"in_flight": 0})["in_flight"] == 1)

    thread = await thread_of(client)
    await client.runs.create(thread, "custom", input=QUESTION, context={"quorum": 3})
    await until(sleeping)
    again: Any = {"messages": [{"role": "user", "content": "What is 2 + 40?"}]}
    output: Any = await client.runs.wait(thread, "custom", input=again, multitask_strategy="interrupt")
    assert [kind for kind, _ in said(output)] == ["human", "human", "ai"]
    assert said(output)[0][1] == "What is 17 * 24 + 3?"
    assert output["messages"][-1]["content"].endswith("Answer: 42")


async def test_an_edited_proposal_is_what_a_fork_goes_on_with(client: LangGraphClient) -> None:
    thread = await thread_of(client)
    await client.runs.wait(thread, "custom", input=QUESTION)
    history: Any = await client.threads.get_history(thread)
    before_join = next(state for state in history if state["next"] == ["layer_1/join"])
    edited: Any = [
        {"id": record["id"], "text": "It is 1000.\n\nAnswer: 1000"}
        for record in before_join["values"]["records"]
        if record["status"] == "live"
    ]
    fork: Any = await client.threads.update_state(
        thread, {"records": edited}, as_node="layer_1/swift", checkpoint=before_join["checkpoint"]
    )
    output: Any = await client.runs.wait(thread, "custom", input=None, checkpoint=fork["checkpoint"])
    assert output["messages"][-1]["content"].endswith("Answer: 1000")
    assert len(said(output)) == 2


async def test_mcp_lists_the_graphs_and_a_call_answers(server: DevServer) -> None:
    async with httpx.AsyncClient(headers={"accept": "application/json, text/event-stream"}) as http:
        tools = await rpc(http, f"{server.url}/mcp", "tools/list", {})
        arguments = {"messages": "What is 17 * 24 + 3?"}
        answer = await rpc(http, f"{server.url}/mcp", "tools/call", {"name": "custom", "arguments": arguments})
    assert {tool["name"] for tool in tools["tools"]} >= {*preset_names(), "custom"}
    assert not answer.get("isError")
    assert "Answer: 411" in answer["content"][0]["text"]


async def test_a2a_answers(server: DevServer, client: LangGraphClient) -> None:
    assistant = await assistant_of(client, "custom")
    message = {"role": "user", "messageId": "1", "parts": [{"kind": "text", "text": "What is 17 * 24 + 3?"}]}
    async with httpx.AsyncClient() as http:
        answer = await rpc(http, f"{server.url}/a2a/{assistant}", "message/send", {"message": message})
    assert answer["status"]["state"] == "completed"
    assert answer["artifacts"][0]["parts"][0]["text"].endswith("Answer: 411")


def test_the_javascript_client_sees_the_same(server: DevServer) -> None:
    directory = Path(__file__).parent / "javascript"
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node isn't installed")
    if not (directory / "node_modules").is_dir():
        pytest.skip(f"LangGraph's JavaScript client isn't installed: npm ci --prefix {directory}")
    ran = subprocess.run(
        [node, "--test", "langgraph_dev.test.mjs"],
        cwd=directory,
        env={**os.environ, "SERVER_URL": server.url},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stdout


async def rpc(http: httpx.AsyncClient, url: str, method: str, params: dict[str, Any]) -> Any:
    response = await http.post(url, json={"jsonrpc": "2.0", "id": "1", "method": method, "params": params}, timeout=30)
    return response.raise_for_status().json()["result"]
