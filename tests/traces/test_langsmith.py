"""What LangSmith is sent: a run for each node and each model call, and nothing that is secret."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from moa_graph import create_moa
from moa_graph.models.simulation import Profile
from moa_graph.server.simulator import RunningSimulator, running_simulator
from tests.models_for_tests import Reply, ScriptedModel, scripted
from tests.traces.ingest import Ingest, Run, ingest

KEY = "sk-key-of-the-provider-1234"
HEADER = "value-of-a-private-header"
VARIABLE = "value-of-a-variable"
SECRETS = (KEY, HEADER, VARIABLE, "a key for LangSmith")

SLOTS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")
STRUCK_ONCE: dict[str, dict[str, Any]] = {
    "beta": {"kind": "status", "status": 503, "retry_after": 0.01},
    "gamma": {"kind": "status", "status": 400, "message": f"Can't be done with {KEY}."},
    "delta": {"kind": "hang"},
}
QUESTION: Any = {"messages": [("user", "What is 17 * 24 + 3?")]}


@dataclass(frozen=True)
class Traced:
    sent: Ingest
    report: dict[str, Any]

    def runs(self, name: str, run_type: str) -> list[Run]:
        return self.sent.named(name, run_type)

    def metadata(self, run: Run) -> dict[str, Any]:
        found: dict[str, Any] = run["extra"]["metadata"]
        return found


@pytest.fixture(scope="module")
def traced() -> Iterator[Traced]:
    """Three layers of six: in the first one slot fails, one is tried again, one is cut and one is a hit."""
    profiles = {
        name: Profile.model_validate(
            {
                "name": name,
                "latency": {"first_token": 0, "sigma": 0, "tokens_a_second": None},
                "faults": [{**STRUCK_ONCE[name], "first": 1}] if name in STRUCK_ONCE else [],
            }
        )
        for name in SLOTS
    }
    with pytest.MonkeyPatch.context() as environment, running_simulator(profiles, KEY) as simulator, ingest() as sent:
        environment.setenv("OPENAI_API_KEY", KEY)
        environment.setenv("MOA_SOMETHING", VARIABLE)
        yield Traced(sent, asyncio.run(_run(simulator, sent))["report"])


async def _run(simulator: RunningSimulator, sent: Ingest) -> dict[str, Any]:
    graph = create_moa(_mixture(simulator), store=":memory:").compile()
    await graph.ainvoke(QUESTION, context={"proposers": ["epsilon"]})
    with sent.tracing():
        return await graph.ainvoke(QUESTION)


def _mixture(simulator: RunningSimulator) -> dict[str, Any]:
    model = {
        "base_url": simulator.base_url,
        "key_variable": "OPENAI_API_KEY",
        "max_tokens": 200,
        "price": {"input": 1.0, "output": 2.0},
        "extra": {"default_headers": {"x-private": HEADER}},
    }
    stages = [
        {"propose": {"slots": list(SLOTS), "quorum": 4}},
        {"propose": {"slots": list(SLOTS)}},
        {"aggregate": {"slot": "zeta"}},
    ]
    models = {name: {"model": f"openai:{name}", **model} for name in SLOTS}
    return {"name": "three-by-six", "models": models, "stages": stages}


def test_each_node_and_each_model_call_has_one_run(traced: Traced) -> None:
    layers = [f"layer_{layer}/{slot}" for layer in (1, 2) for slot in SLOTS]
    nodes = ["three-by-six", "prepare", *layers, "layer_1/join", "layer_2/join", "aggregate", "finish"]
    calls = Counter([*layers, "aggregate"])
    calls["layer_1/beta"] += 1
    del calls["layer_1/epsilon"]
    sent = Counter((run["name"], run["run_type"]) for run in traced.sent.runs.values())
    assert sent == Counter({(name, "chain"): 1 for name in nodes}) + Counter(
        {(name, "llm"): count for name, count in calls.items()}
    )


def test_model_runs_lie_below_their_nodes(traced: Traced) -> None:
    runs = traced.sent.runs
    for run in runs.values():
        if run["run_type"] == "llm":
            assert runs[run["parent_run_id"]]["name"] == run["name"]


def test_every_run_is_ended(traced: Traced) -> None:
    assert [run["name"] for run in traced.sent.runs.values() if "end_time" not in run] == []


def test_a_model_run_says_what_was_asked_and_in_which_place(traced: Traced) -> None:
    (run,) = traced.runs("layer_2/alpha", "llm")
    wanted = {
        "mixture": "three-by-six",
        "stage": "layer_2",
        "layer": 2,
        "role": "proposal",
        "slot": "alpha",
        "sample": 0,
        "model": "openai:alpha",
        "provider": "openai",
        "attempt": 1,
        "ls_provider": "openai",
        "ls_model_name": "alpha",
        "ls_temperature": 0.7,
    }
    assert wanted.items() <= traced.metadata(run).items()
    assert {"proposal", "openai"} <= set(run["tags"])
    assert run["inputs"]["messages"][0][-1]["kwargs"]["content"] == "What is 17 * 24 + 3?"
    assert run["outputs"]["generations"][0][0]["text"].endswith("Answer: 411")


def test_a_node_run_says_its_place_and_role(traced: Traced) -> None:
    (run,) = traced.runs("aggregate", "chain")
    wanted = {"mixture": "three-by-six", "stage": "aggregate", "role": "synthesis", "slot": "zeta"}
    assert wanted.items() <= traced.metadata(run).items()
    assert "synthesis" in run["tags"]


def test_a_retry_is_a_second_run(traced: Traced) -> None:
    first, second = traced.runs("layer_1/beta", "llm")
    assert "Error code: 503" in first["error"]
    assert second.get("error") is None
    assert [traced.metadata(run)["attempt"] for run in (first, second)] == [1, 2]
    assert "server" in traced.runs("layer_1/beta", "chain")[0]["tags"]


def test_a_failure_is_told_in_the_providers_words_without_keys(traced: Traced) -> None:
    (run,) = traced.runs("layer_1/gamma", "llm")
    assert "Can't be done with [redacted]." in run["error"]
    assert "bad_request" in traced.runs("layer_1/gamma", "chain")[0]["tags"]


def test_a_cut_call_says_why_it_ended(traced: Traced) -> None:
    (run,) = traced.runs("layer_1/delta", "llm")
    assert "cut: the quorum was reached" in run["error"]
    assert "cut" in traced.runs("layer_1/delta", "chain")[0]["tags"]


def test_a_hit_is_a_node_without_a_model_run(traced: Traced) -> None:
    (node,) = traced.runs("layer_1/epsilon", "chain")
    assert "hit" in node["tags"]
    assert node["outputs"]["ledger"][0]["hit"]
    assert traced.runs("layer_1/epsilon", "llm") == []


def test_usage_and_cost_add_up_to_the_report(traced: Traced) -> None:
    runs = traced.sent.runs.values()
    counted = [traced.metadata(run)["usage_metadata"] for run in runs if "usage_metadata" in traced.metadata(run)]
    ledger = [call for slot in SLOTS for call in traced.runs(f"layer_1/{slot}", "chain")[0]["outputs"]["ledger"]]
    cut, hit = (call for call in ledger if call["hit"] or call["estimated"])
    without_usage = Counter(cut["usage"]) + Counter(hit["usage"])
    assert len(counted) == 10
    assert sum(one["input_tokens"] for one in counted) + without_usage["input"] == traced.report["usage"]["input"]
    assert sum(one["output_tokens"] for one in counted) + without_usage["output"] == traced.report["usage"]["output"]
    assert sum(one["total_cost"] for one in counted) + cut["cost"] == pytest.approx(traced.report["cost"])
    assert all(one["input_cost"] + one["output_cost"] == pytest.approx(one["total_cost"]) for one in counted)


def test_nothing_secret_is_sent(traced: Traced) -> None:
    assert len(traced.sent.received) > 50_000
    assert [secret for secret in SECRETS if secret.encode() in traced.sent.received] == []


def two_models(*, first: Reply, **writer: Any) -> tuple[ScriptedModel, ScriptedModel]:
    return scripted("first", first), scripted("writer", Reply(**writer))


async def test_a_long_proposal_is_not_repeated_in_every_node() -> None:
    marker = "0123456789"
    first, writer = two_models(first=Reply("a" * 1000 + marker + "z" * 1000))
    graph = create_moa(proposers=[first], aggregator=writer).compile()
    with ingest() as sent:
        with sent.tracing():
            await graph.ainvoke(QUESTION)
        in_its_own_run, in_the_writers_prompt, in_the_graphs_output = 2, 1, 1  # LangChain writes an output twice
        assert json.dumps(sent.runs).count(marker) == in_its_own_run + in_the_writers_prompt + in_the_graphs_output


async def test_a_call_that_timed_out_says_so() -> None:
    first, writer = two_models(first=Reply(delay=30))
    other = scripted("other")
    graph = create_moa(proposers=[{"model": first, "timeout": 0.05, "tries": 1}, other], aggregator=writer).compile()
    with ingest() as sent:
        with sent.tracing():
            await graph.ainvoke(QUESTION)
        assert "timeout" in sent.named("layer_1/first", "llm")[0]["error"]


async def test_a_cancelled_run_leaves_no_run_open() -> None:
    first, writer = two_models(first=Reply(delay=30))
    graph = create_moa(proposers=[first], aggregator=writer).compile()
    with ingest() as sent:
        with sent.tracing():
            running = asyncio.create_task(graph.ainvoke(QUESTION))
            while not first.journal.in_flight:  # noqa: ASYNC110  (the model has no event for it)
                await asyncio.sleep(0)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
        (run,) = sent.named("layer_1/first", "llm")
        assert "the run was cancelled" in run["error"]
        assert [one["name"] for one in sent.runs.values() if "end_time" not in one] == []


async def test_a_streamed_answer_is_one_run_with_its_whole_text() -> None:
    first, writer = two_models(first=Reply(), text="a streamed answer")
    graph = create_moa(proposers=[first], aggregator=writer).compile()
    with ingest() as sent:
        with sent.tracing():
            tokens = [message async for message in graph.astream(QUESTION, stream_mode="messages")]
        (run,) = sent.named("aggregate", "llm")
    assert len(tokens) > 1
    assert run["outputs"]["generations"][0][0]["text"] == "a streamed answer"


def test_sync_runs_are_traced_alike() -> None:
    first, writer = two_models(first=Reply())
    graph = create_moa(proposers=[first], aggregator=writer, name="sync").compile()
    with ingest() as sent:
        with sent.tracing():
            graph.invoke(QUESTION)
        assert {run["name"] for run in sent.runs.values()} == {
            "sync",
            "prepare",
            "layer_1/first",
            "layer_1/join",
            "aggregate",
            "finish",
        }
        assert len(sent.named("layer_1/first", "llm")) == 1
