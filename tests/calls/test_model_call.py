"""Where nobody listens, a model is asked without LangChain's callbacks; all else that LangChain does is still done."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import AsyncCallbackHandler, get_usage_metadata_callback
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.tracers.context import collect_runs

from moa_graph import create_moa
from tests.models_for_tests import ScriptedModel, provider_error, scripted

QUESTION: Any = {"messages": [("user", "Why is the sky blue?")]}


def mixture(*proposers: BaseChatModel) -> Any:
    return create_moa(proposers=list(proposers), aggregator=scripted("writer"), layers=2).compile()


class Listener(AsyncCallbackHandler):
    def __init__(self) -> None:
        self.started: list[str] = []

    async def on_chat_model_start(self, serialized: dict[str, Any], messages: Any, **kwargs: Any) -> None:
        self.started.append(kwargs["name"])


@pytest.fixture
def starts_of_langchains_runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the models that were asked by ``agenerate``, replaced in the place where LangChain defines it."""
    asked: list[str] = []
    original = ScriptedModel._get_ls_params_with_defaults

    def counting(self: ScriptedModel, *arguments: Any, **settings: Any) -> Any:
        asked.append(self.model)
        return original(self, *arguments, **settings)

    monkeypatch.setattr(ScriptedModel, "_get_ls_params_with_defaults", counting)
    return asked


async def test_nothing_is_made_for_callbacks_that_nobody_listens_to(starts_of_langchains_runs: list[str]) -> None:
    await mixture(scripted("one"), scripted("two")).ainvoke(QUESTION)
    assert starts_of_langchains_runs == []


async def test_a_stream_that_is_watched_comes_through_langchain(starts_of_langchains_runs: list[str]) -> None:
    async for _ in mixture(scripted("one"), scripted("two")).astream(QUESTION, stream_mode="messages"):
        pass
    assert "writer" in starts_of_langchains_runs


async def test_a_callback_of_the_run_hears_of_every_call() -> None:
    listener = Listener()
    await mixture(scripted("one"), scripted("two")).ainvoke(QUESTION, {"callbacks": [listener]})
    assert sorted(listener.started) == ["aggregate", "layer_1/one", "layer_1/two"]


async def test_a_callback_of_the_model_hears_of_its_calls() -> None:
    listener = Listener()
    one = scripted("one")
    one.callbacks = [listener]
    await mixture(one, scripted("two")).ainvoke(QUESTION)
    assert listener.started == ["layer_1/one"]


async def test_usage_that_is_collected_around_a_run_is_that_of_the_report() -> None:
    with get_usage_metadata_callback() as collected:
        compiled = create_moa(proposers=["sim:one", "sim:two"], aggregator="sim:writer", layers=2).compile()
        state = await compiled.ainvoke(QUESTION)
    used = [usage["output_tokens"] for usage in collected.usage_metadata.values()]
    assert len(used) == 3
    assert sum(used) == state["report"]["usage"]["output"] > 0


@pytest.mark.usefixtures("capsys")
async def test_a_verbose_model_says_so(starts_of_langchains_runs: list[str]) -> None:
    one = scripted("one")
    one.verbose = True
    await mixture(one, scripted("two")).ainvoke(QUESTION)
    assert starts_of_langchains_runs == ["one"]


async def test_a_method_that_somebody_has_wrapped_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    original = BaseChatModel.agenerate

    @functools.wraps(original)
    async def instrumented(self: Any, *arguments: Any, **settings: Any) -> Any:
        seen.append(self.model)
        return await original(self, *arguments, **settings)

    monkeypatch.setattr(BaseChatModel, "agenerate", instrumented)
    await mixture(scripted("one"), scripted("two")).ainvoke(QUESTION)
    assert sorted(seen) == ["one", "two", "writer"]


class Counting(BaseRateLimiter):
    acquired = 0

    def acquire(self, *, blocking: bool = True) -> bool:
        raise NotImplementedError

    async def aacquire(self, *, blocking: bool = True) -> bool:
        self.acquired += 1
        return True


async def test_a_models_own_rate_limiter_is_kept_to() -> None:
    limiter = Counting()
    one = scripted("one")
    one.rate_limiter = limiter
    compiled = mixture(one, scripted("two"))
    await compiled.ainvoke(QUESTION)
    await compiled.ainvoke(QUESTION)
    assert limiter.acquired == 2


@pytest.fixture
def cache() -> Iterator[InMemoryCache]:
    cache = InMemoryCache()
    set_llm_cache(cache)
    yield cache
    set_llm_cache(None)


@pytest.mark.usefixtures("cache")
async def test_langchains_cache_is_looked_up() -> None:
    one, two = scripted("one"), scripted("two", "not cached")
    two.cache = False
    compiled = mixture(one, two)
    await compiled.ainvoke(QUESTION)
    await compiled.ainvoke(QUESTION)
    assert (len(one.journal.asked), len(two.journal.asked)) == (1, 2)


async def test_content_in_blocks_is_brought_into_langchains_form() -> None:
    image = {"type": "image", "source_type": "base64", "mime_type": "image/png", "data": "AAAA"}
    one = scripted("one")
    message = ("user", [{"type": "text", "text": "What is this?"}, image])
    await mixture(one, scripted("two")).ainvoke({"messages": [message]})
    (shown,) = one.journal.asked[0].messages
    assert shown.content[1] == {"type": "image", "base64": "AAAA", "mime_type": "image/png"}


async def test_a_failure_is_told_in_the_same_words_whether_or_not_somebody_listens() -> None:
    def failing() -> Any:
        return mixture(scripted("one", provider_error(400, "no such thing")), scripted("two"))

    alone = await failing().ainvoke(QUESTION)
    watched = await failing().ainvoke(QUESTION, {"callbacks": [Listener()]})
    assert alone["records"][0]["failure"] == {"kind": "bad_request", "message": "HTTP 400: no such thing"}
    assert watched["records"][0]["failure"] == alone["records"][0]["failure"]


async def test_runs_that_are_collected_around_a_run_are_those_of_all_calls() -> None:
    with collect_runs() as collected:
        await mixture(scripted("one"), scripted("two")).ainvoke(QUESTION)
    assert sorted(run.name for run in collected.traced_runs if run.run_type == "llm") == [
        "aggregate",
        "layer_1/one",
        "layer_1/two",
    ]


class TellsItsManager(FakeListChatModel):
    """A model that tells its run manager of tokens without asking whether there is one, as LangChain's always is."""

    async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> ChatResult:
        await run_manager.on_llm_new_token("hello")
        return ChatResult(generations=[ChatGeneration(message=AIMessage("hello"))])


async def test_a_model_is_always_given_a_run_manager() -> None:
    state = await mixture(TellsItsManager(responses=["hello"]), scripted("two")).ainvoke(QUESTION)
    assert [record["status"] for record in state["records"]] == ["live"] * 3


@pytest.mark.usefixtures("cache")
async def test_an_answer_from_langchains_cache_without_usage_is_an_answer() -> None:
    compiled = mixture(FakeListChatModel(responses=["hello"]), scripted("two"))
    for _ in range(2):
        state = await compiled.ainvoke(QUESTION)
        assert state["records"][0]["text"] == "hello"


class CannotStream(FakeListChatModel):
    """A model that gives its answer whole, and takes no parameter."""

    async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None) -> ChatResult:  # type: ignore[override]
        return ChatResult(generations=[ChatGeneration(message=AIMessage("whole"))])

    _astream = BaseChatModel._astream
    _stream = BaseChatModel._stream


async def test_with_a_staircase_a_model_that_cannot_stream_is_waited_for() -> None:
    stages = [
        {"propose": {"slots": [CannotStream(responses=[]), scripted("two")]}},
        {"aggregate": {"slot": scripted("writer"), "staircase": {"tokens": 1}}},
    ]
    state = await create_moa({"stages": stages}).compile().ainvoke(QUESTION)
    assert [record["text"] for record in state["records"]][:2] == ["whole", "two's answer"]
