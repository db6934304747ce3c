"""Chat models that have only sync methods keep nobody else's threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel, SimpleChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import PrivateAttr

from moa_graph import create_moa
from moa_graph.models.threaded import on_own_threads

QUESTION: Any = {"messages": [("user", "why?")]}


class SyncOnly(BaseChatModel):
    """Answers when it is let."""

    held: bool = False
    _open: threading.Event = PrivateAttr(default_factory=threading.Event)

    @property
    def _llm_type(self) -> str:
        return "sync-only"

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        if self.held:
            self._open.wait(30)
        return ChatResult(generations=[ChatGeneration(message=AIMessage("a sync answer"))])


class SyncStream(SyncOnly):
    def _stream(self, messages: list[BaseMessage], *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
        for piece in ("a ", "streamed ", "answer"):
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))


class Raises(SyncOnly):
    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        raise StopIteration("odd")


class Simple(SimpleChatModel):
    @property
    def _llm_type(self) -> str:
        return "simple"

    def _call(self, messages: list[BaseMessage], *_: Any, **__: Any) -> str:
        return "a simple answer"


async def test_models_that_hang_leave_the_default_executor_to_others() -> None:
    held = [SyncOnly(held=True) for _ in range(40)]
    graph = create_moa(proposers=[*held], aggregator=SyncOnly()).compile()
    run = asyncio.create_task(graph.ainvoke(QUESTION))
    await asyncio.sleep(0.3)
    assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), 5) == "free"
    for model in held:
        model._open.set()
    state = await asyncio.wait_for(run, 20)
    assert [record["status"] for record in state["records"]] == ["live"] * 41


async def test_they_answer_stream_and_fail_as_before() -> None:
    graph = create_moa(proposers=[Simple(), Raises(), SyncOnly()], aggregator=SyncStream()).compile()
    state = await graph.ainvoke(QUESTION)
    assert [record["status"] for record in state["records"]] == ["live", "failed", "live", "live"]
    parts: Any = graph.astream(QUESTION, stream_mode="messages")
    tokens = [message.text async for message, _ in parts if isinstance(message, AIMessageChunk)]
    assert "".join(tokens).startswith("a streamed answer")


def test_sync_runs_work_too() -> None:
    graph = create_moa(proposers=[Simple()], aggregator=SyncOnly()).compile()
    assert graph.invoke(QUESTION)["messages"][-1].text == "a sync answer"


async def test_a_model_has_so_many_threads_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moa_graph.models.threaded.AT_ONCE", 4)
    original = SyncOnly(held=True)
    model = on_own_threads(original)
    before = threading.active_count()
    calls = [asyncio.create_task(model.ainvoke("why?")) for _ in range(20)]
    await asyncio.sleep(0.2)
    assert threading.active_count() <= before + 4
    calls[-1].cancel()
    original._open.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [getattr(one, "text", None) for one in answers] == ["a sync answer"] * 19 + [None]
    assert type(original) is SyncOnly
