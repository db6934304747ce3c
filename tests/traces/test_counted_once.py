"""Tokens of a mixture as a chat model are counted once by every backend that adds up a trace's model runs."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.messages import HumanMessage
from langchain_core.outputs import LLMResult
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from moa_graph import ChatMoA
from tests.models_for_tests import scripted
from tests.traces.ingest import ingest

USED = {"input": 30, "output": 15}
"""Of three scripted models, each of which says that it used 10 and 5."""


def mixture() -> ChatMoA:
    return ChatMoA(proposers=[scripted("a"), scripted("b")], aggregator=scripted("w"), name="mine")


async def asked(config: Any = None) -> None:
    assert (await mixture().ainvoke("Why?", config)).usage_metadata is not None


async def asked_in_a_thread(config: Any = None) -> None:
    await asyncio.to_thread(mixture().invoke, "Why?", config)


async def streamed(config: Any = None) -> None:
    assert [chunk async for chunk in mixture().astream("Why?", config)]


async def streamed_in_a_thread(config: Any = None) -> None:
    await asyncio.to_thread(lambda: list(mixture().stream("Why?", config)))


async def in_an_agent(config: Any = None) -> None:
    agent: Any = create_agent(mixture(), [])
    await agent.ainvoke({"messages": [("user", "Why?")]}, config)


async def in_a_mixture(config: Any = None) -> None:
    outer = ChatMoA(proposers=[], aggregator=mixture(), layers=1, name="outer")
    await outer.ainvoke("Why?", config)


Asking = Callable[..., Coroutine[Any, Any, None]]

ways = pytest.mark.parametrize(
    "ask", [asked, asked_in_a_thread, streamed, streamed_in_a_thread, in_an_agent, in_a_mixture]
)


some_ways = pytest.mark.parametrize("ask", [asked, streamed_in_a_thread, in_an_agent])


def total(counted: list[dict[str, Any]]) -> dict[str, int]:
    return {
        "input": sum(one["input_tokens"] for one in counted),
        "output": sum(one["output_tokens"] for one in counted),
    }


@ways
async def test_langsmith_adds_up_the_models_runs_alone(ask: Asking) -> None:
    with ingest() as sent:
        with sent.tracing():
            await ask()
        metadata = [run["extra"]["metadata"] for run in sent.runs.values() if run["run_type"] == "llm"]
    counted = [one["usage_metadata"] for one in metadata if one.get("usage_metadata")]
    assert (len(counted), total(counted)) == (3, USED)


async def test_langsmith_counts_once_where_generate_is_called_directly() -> None:
    with ingest() as sent:
        with sent.tracing():
            await mixture().agenerate([[HumanMessage("Why?")]])
        metadata = [run["extra"]["metadata"] for run in sent.runs.values() if run["run_type"] == "llm"]
    assert total([one["usage_metadata"] for one in metadata if one.get("usage_metadata")]) == USED


@ways
async def test_whoever_counts_calls_sees_one_model_that_used_it_all(ask: Asking) -> None:
    counting = UsageMetadataCallbackHandler()
    await ask({"callbacks": [counting]})
    (name,) = counting.usage_metadata
    assert name in ("mine", "outer")
    assert total([dict(counting.usage_metadata[name])]) == USED


class Following(BaseCallbackHandler):
    """Puts runs together as Langfuse's handler does, which is no tracer of LangChain's."""

    def __init__(self) -> None:
        self.parents: dict[Any, Any] = {}
        self.counted: list[Any] = []

    def on_chain_start(self, *_: Any, run_id: Any, parent_run_id: Any = None, **__: Any) -> None:
        self.parents[run_id] = parent_run_id

    def on_chat_model_start(self, *_: Any, run_id: Any, parent_run_id: Any = None, **__: Any) -> None:
        self.parents[run_id] = parent_run_id

    def on_llm_end(self, response: LLMResult, **_: Any) -> None:
        message: Any = response.generations[0][0]
        if message.message.usage_metadata:
            self.counted.append(message.message.usage_metadata)


@ways
async def test_a_handler_that_follows_runs_sees_the_panels_calls_and_counts_them_once(ask: Asking) -> None:
    following = Following()
    await ask({"callbacks": [following]})
    assert (len(following.counted), total(following.counted)) == (3, USED)
    assert all(parent is None or parent in following.parents for parent in following.parents.values())
    assert list(following.parents.values()).count(None) == 1


@contextmanager
def spans_of(instrumentor: Any) -> Iterator[InMemorySpanExporter]:
    """What an instrument of LangChain sends while it is on."""
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor.instrument(tracer_provider=provider, skip_dep_check=True)
    try:
        yield exporter
    finally:
        instrumentor.uninstrument()
        provider.shutdown()


@pytest.fixture(scope="module")
def openinference() -> Iterator[InMemorySpanExporter]:
    package = pytest.importorskip(
        "openinference.instrumentation.langchain", reason="pip install openinference-instrumentation-langchain"
    )
    with spans_of(package.LangChainInstrumentor()) as exporter:
        yield exporter


@pytest.fixture(scope="module")
def traceloop() -> Iterator[InMemorySpanExporter]:
    package = pytest.importorskip(
        "opentelemetry.instrumentation.langchain", reason="pip install opentelemetry-instrumentation-langchain"
    )
    with spans_of(package.LangchainInstrumentor()) as exporter:
        yield exporter


def counted_in(exporter: InMemorySpanExporter, prompt: str, output: str) -> tuple[int, dict[str, int]]:
    told = [dict(span.attributes or {}) for span in exporter.get_finished_spans() if prompt in (span.attributes or {})]
    exporter.clear()
    return len(told), total([{"input_tokens": one[prompt], "output_tokens": one[output]} for one in told])


@some_ways
async def test_openinference_counts_once(ask: Asking, openinference: InMemorySpanExporter) -> None:
    await ask()
    assert counted_in(openinference, "llm.token_count.prompt", "llm.token_count.completion") == (3, USED)


@some_ways
async def test_traceloop_counts_once(ask: Asking, traceloop: InMemorySpanExporter) -> None:
    await ask()
    assert counted_in(traceloop, "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens") == (3, USED)


@some_ways
async def test_langfuse_sees_the_panels_calls_and_counts_them_once(
    ask: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("langfuse", reason="pip install langfuse")
    from langfuse import Langfuse
    from langfuse.langchain import CallbackHandler

    monkeypatch.setenv("LANGFUSE_TRACING_ENVIRONMENT", "tests")
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    public = f"pk-{os.urandom(4).hex()}"
    client = Langfuse(public_key=public, secret_key="sk", base_url="http://127.0.0.1:9", tracer_provider=provider)
    await ask({"callbacks": [CallbackHandler(public_key=public)]})
    attributes = [dict(span.attributes or {}) for span in exporter.get_finished_spans()]
    generations = [one for one in attributes if "langfuse.observation.usage_details" in one]
    client.shutdown()
    told = [json.loads(str(one["langfuse.observation.usage_details"])) for one in generations]
    assert {name: sum(one[name] for one in told) for name in ("input", "output")} == USED
    assert sorted(str(one["langfuse.observation.model.name"]) for one in generations) == ["a", "b", "w"]
