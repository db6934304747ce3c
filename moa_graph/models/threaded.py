"""Chat models without an async method of their own, called on threads of their own.

LangChain calls them on the event loop's default executor, of a handful of threads, which the loop's name look-ups and
everybody's ``asyncio.to_thread`` share: a few models that hang would stop all of that. Methods with an underscore are
LangChain's hooks for chat models; which of them a class defines says what it can do.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from asyncio import AbstractEventLoop, Future
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from contextvars import copy_context
from functools import lru_cache, partial
from typing import Any, NamedTuple, TypeVar, cast

from langchain_core.language_models import BaseChatModel, SimpleChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

__all__ = ["on_own_threads"]

T = TypeVar("T")

AT_ONCE = 64
"""Calls to one model. A call that nobody waits for any more keeps its thread until the model answers."""


def on_own_threads(model: BaseChatModel) -> BaseChatModel:
    """``model`` itself, or where its class has only sync methods, a copy that is called on threads of its own."""
    kind = type(model)
    if kind._agenerate not in (BaseChatModel._agenerate, SimpleChatModel._agenerate):  # noqa: SLF001
        return model
    copied = model.model_copy()
    copied.__class__ = _threaded(kind)
    copied.__dict__["_threads"] = _Threads()
    return copied


@lru_cache(maxsize=256)
def _threaded(kind: type[BaseChatModel]) -> type[BaseChatModel]:
    only_sync = kind._astream is BaseChatModel._astream and kind._stream is not BaseChatModel._stream  # noqa: SLF001
    bases = (_Streams, _Generates, kind) if only_sync else (_Generates, kind)
    return cast(type[BaseChatModel], type(kind.__name__, bases, {"__module__": kind.__module__}))


class _Generates:
    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        model = cast(Any, self)
        told = run_manager.get_sync() if run_manager else None
        result: ChatResult = await _threads_of(self).call(
            partial(model._generate, messages, stop=stop, run_manager=told, **kwargs)  # noqa: SLF001
        )
        return result


class _Streams:
    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        model, threads = cast(Any, self), _threads_of(self)
        told = run_manager.get_sync() if run_manager else None
        chunks = model._stream(messages, stop=stop, run_manager=told, **kwargs)  # noqa: SLF001
        while (chunk := await threads.call(partial(next, chunks, None))) is not None:
            yield chunk


def _threads_of(model: object) -> _Threads:
    return cast(_Threads, vars(model)["_threads"])


class _ThreadCall(NamedTuple):
    loop: AbstractEventLoop
    result: Future[Any]
    work: Callable[[], Any]


class _Threads:
    """Threads that end with their work, and don't keep the process from ending."""

    def __init__(self) -> None:
        self.forget()
        _all.add(self)

    def forget(self) -> None:
        """A forked child has none of its parent's threads."""
        self._lock = threading.Lock()
        self._busy = 0
        self._queue: deque[_ThreadCall] = deque()

    async def call(self, function: Callable[[], T]) -> T:
        """What the function returns on one of the threads."""
        loop = asyncio.get_running_loop()
        job = _ThreadCall(loop, loop.create_future(), partial(copy_context().run, function))
        with self._lock:
            if self._busy == AT_ONCE:
                self._queue.append(job)
            else:
                self._busy += 1
                threading.Thread(target=self._work, args=(job,), name="moa-graph-model", daemon=True).start()
        return cast(T, await job.result)

    def _work(self, job: _ThreadCall | None) -> None:
        while job is not None:
            if not job.result.cancelled():
                _do(job)
            with self._lock:
                job = self._queue.popleft() if self._queue else None
                if job is None:
                    self._busy -= 1


def _do(job: _ThreadCall) -> None:
    result: Any = None
    error: BaseException | None = None
    try:
        result = job.work()
    except StopIteration as stop:  # which a future can't hold
        error = RuntimeError(f"the model raised {stop!r}")
    except BaseException as raised:
        error = raised
    with suppress(RuntimeError):  # the loop has ended, and nobody waits
        job.loop.call_soon_threadsafe(_settle, job.result, result, error)


def _settle(waiting: Future[Any], result: Any, error: BaseException | None) -> None:
    if waiting.done():
        return
    if error is not None:
        waiting.set_exception(error)
    else:
        waiting.set_result(result)


_all: weakref.WeakSet[_Threads] = weakref.WeakSet()


def _begin_anew_after_fork() -> None:
    for threads in list(_all):
        threads.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew_after_fork)
