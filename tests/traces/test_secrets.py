"""Nothing secret or private reaches LangSmith, whether a graph, a chat model or an agent is traced."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tracers.context import collect_runs
from langchain_openai import ChatOpenAI
from langsmith import Client, tracing_context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import SecretStr

from moa_graph import ChatMoA, create_moa
from moa_graph.server.simulator import RunningSimulator, running_simulator
from tests.models_for_tests import Reply, scripted
from tests.traces.ingest import Ingest, ingest

KEY = "sk-key-of-the-provider-1234"
SECRETS = {
    "a key in the environment": KEY,
    "a key of a model object": "sk-key-of-an-object-5678",
    "a header": "value-of-a-private-header",
    "a header of a model object": "value-of-an-objects-header",
    "a password in a URL": "password-in-the-url",
    "a query": "value-of-a-private-query",
    "a query of a model object": "value-of-an-objects-query",
    "extra_body": "value-in-an-extra-body",
    "model_kwargs": "value-in-model-kwargs",
    "an organization": "org-that-is-private",
}
PRIVATE = "Answer as the private instruction of this firm says."
LISTENERS: list[BaseCallbackHandler] = []
"""Handlers of every run."""

QUESTION = "What is 17 * 24 + 3?"


def mixture(simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Secrets stand wherever the description of a model, or a model object, has a place for one."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with_password = simulator.base_url.replace("://", f"://user:{SECRETS['a password in a URL']}@")
    written = {
        "model": "openai:instant",
        "base_url": simulator.base_url,
        "key_variable": "OPENAI_API_KEY",
        "extra": {
            "default_headers": {"x-private": SECRETS["a header"]},
            "default_query": {"code": SECRETS["a query"]},
            "organization": SECRETS["an organization"],
            "extra_body": {"metadata": {"session": SECRETS["extra_body"]}},
        },
    }
    given = ChatOpenAI(
        model="instant",
        base_url=with_password,
        api_key=SecretStr(SECRETS["a key of a model object"]),
        default_headers={"x-private": SECRETS["a header of a model object"]},
        default_query={"code": SECRETS["a query of a model object"]},
        model_kwargs={"user": SECRETS["model_kwargs"]},
    )
    stages = [
        {"propose": {"slots": ["written", {"model": given, "role": PRIVATE}]}},
        {"aggregate": {"slot": "written", "instruction": f"{PRIVATE} The proposals:"}},
    ]
    return {"name": "private", "models": {"written": written}, "stages": stages}


async def the_graph(described: dict[str, Any]) -> None:
    await create_moa(described).compile().ainvoke({"messages": [("user", QUESTION)]}, {"callbacks": LISTENERS})


async def the_chat_model(described: dict[str, Any]) -> None:
    model = ChatMoA(described, temperature=0)
    await model.ainvoke(QUESTION)
    assert [chunk async for chunk in model.astream(QUESTION)]


async def the_chat_model_in_an_agent(described: dict[str, Any]) -> None:
    def add(a: int, b: int) -> int:
        """Adds."""
        return a + b

    agent: Any = create_agent(ChatMoA(described), [add])
    await agent.ainvoke({"messages": [("user", QUESTION)]}, {"callbacks": LISTENERS})


Traced = Callable[[dict[str, Any]], Coroutine[Any, Any, None]]

forms = pytest.mark.parametrize("form", [the_graph, the_chat_model, the_chat_model_in_an_agent])


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator() as running:
        yield running


@forms
async def test_no_secret_is_sent(form: Traced, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    described = mixture(simulator, monkeypatch)
    with ingest() as sent, sent.tracing():
        await form(described)
    assert len(sent.runs) >= 6
    assert [place for place, secret in SECRETS.items() if secret.encode() in sent.received] == []


@forms
async def test_where_inputs_and_outputs_are_hidden_no_instruction_is_sent(
    form: Traced, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = mixture(simulator, monkeypatch)
    with ingest() as sent:
        await _hidden(sent, form, described)
    assert len(sent.runs) >= 6
    assert PRIVATE.encode() not in sent.received


async def _hidden(sent: Ingest, form: Traced, described: dict[str, Any]) -> None:
    client = Client(api_url=sent.url, api_key="a key for LangSmith", hide_inputs=True, hide_outputs=True)
    with tracing_context(enabled=True, client=client, project_name="tests"):
        await form(described)
    client.flush()
    client.cleanup()


async def test_a_chat_models_runs_bear_no_description_in_their_metadata() -> None:
    described = {"name": "long", "stages": [{"aggregate": {"slot": "sim:instant", "instruction": PRIVATE * 500}}]}
    with ingest() as sent, sent.tracing():
        await ChatMoA(described).ainvoke(QUESTION)
    assert max(len(json.dumps(run["extra"]["metadata"])) for run in sent.runs.values()) < 4_000


class Listening(BaseCallbackHandler):
    """Writes down all that it is told, objects as they print."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def on_chain_start(self, *told: Any, **named: Any) -> None:
        self.told.append(repr((told, named)))

    on_chain_end = on_chain_error = on_chat_model_start = on_llm_end = on_llm_error = on_chain_start


@pytest.mark.parametrize("form", [the_graph, the_chat_model_in_an_agent])
async def test_no_secret_is_told_to_any_other_handler(
    form: Traced, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    described, listening = mixture(simulator, monkeypatch), Listening()
    monkeypatch.setattr(f"{__name__}.LISTENERS", [listening])
    with collect_runs() as collected:
        await form(described)
    told = "".join([*listening.told, *(repr(run.__dict__) for run in collected.traced_runs)])
    assert "instant" in told
    assert [place for place, secret in SECRETS.items() if secret in told] == []


@pytest.fixture(scope="module")
def openinference() -> Iterator[InMemorySpanExporter]:
    package = pytest.importorskip(
        "openinference.instrumentation.langchain", reason="pip install openinference-instrumentation-langchain"
    )
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = package.LangChainInstrumentor()
    instrumentor.instrument(tracer_provider=provider, skip_dep_check=True)
    yield exporter
    instrumentor.uninstrument()
    provider.shutdown()


async def test_no_secret_is_told_to_openinference(
    openinference: InMemorySpanExporter, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    await the_chat_model(mixture(simulator, monkeypatch))
    spans = "".join(span.to_json() for span in openinference.get_finished_spans())
    assert "llm.invocation_parameters" in spans
    assert [place for place, secret in SECRETS.items() if secret in spans] == []


async def test_a_call_that_is_cut_has_an_end_for_every_handler() -> None:
    ended: list[str] = []

    class Ends(BaseCallbackHandler):
        def on_chat_model_start(self, *_: Any, **__: Any) -> None:
            ended.append("begun")

        def on_llm_error(self, error: BaseException, **_: Any) -> None:
            ended.append(str(error))

        def on_llm_end(self, *_: Any, **__: Any) -> None:
            ended.append("ended")

    slow = scripted("slow", Reply("too late", delay=60))
    first = {"propose": {"slots": [slow, scripted("a")], "quorum": 1, "grace": 0}}
    stages = [first, {"aggregate": {"slot": scripted("w")}}]
    graph = create_moa({"stages": stages}).compile()
    await graph.ainvoke({"messages": [("user", "Why?")]}, {"callbacks": [Ends()]})
    assert sorted(ended) == ["begun", "begun", "begun", "cut: the quorum was reached", "ended", "ended"]
