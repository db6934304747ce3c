"""Progress of the panel, told to whoever watches the agent that a mixture is the model of.

The mixture's own run is detached from the agent's. Its events go on to the agent's ``custom`` stream, and as custom
events named ``moa`` to who reads ``astream_events``, as AG-UI's adapter does.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackHandler, BaseCallbackManager
from langchain_core.callbacks.manager import BaseRunManager
from langchain_core.tracers._streaming import _StreamingCallbackHandler
from langgraph.config import get_stream_writer

from moa_graph.chat_model.place import place_of
from moa_graph.runs import Event, Outcome, RunItem, Token

__all__ = ["Watchers"]

NAME = "moa"


@dataclass(frozen=True)
class Watchers:
    """Who watches the run that a chat model is called in.

    Args:
        write: The agent's stream of custom events; None where nobody reads it.
        handlers: Those that pass custom events on.
        run: The chat model's run.
    """

    write: Callable[[Any], None] | None
    handlers: tuple[BaseCallbackHandler, ...]
    run: UUID | None

    @classmethod
    def of(cls, run_manager: BaseRunManager | None) -> Self:
        """Those of the calling context."""
        place = place_of(run_manager)
        manager: BaseCallbackManager | BaseRunManager | None = None if place is None else place[0]
        handlers = [one for one in getattr(manager, "handlers", ()) if _passes_on(one)]
        return cls(_outer_writer(), tuple(handlers), None if place is None else place[1])

    def __bool__(self) -> bool:
        return self.write is not None or bool(self.handlers)

    async def tell(self, event: Event) -> None:
        """Passes an event on. What is to be dropped is the chat model's own affair."""
        if event["type"] == "reset":
            return
        if self.write is not None:
            self.write(event)
        if self.handlers and self.run is not None:
            manager = AsyncCallbackManager(list(self.handlers))
            await manager.on_custom_event(NAME, event, run_id=self.run)

    async def told(self, parts: AsyncGenerator[RunItem, None]) -> Outcome:
        """The outcome of a run, whose events are passed on."""
        async with aclosing(parts):
            async for part in parts:
                if isinstance(part, Outcome):
                    return part
                if not isinstance(part, Token):
                    await self.tell(part)
        raise AssertionError("every run that doesn't fail ends with its outcome")


def _passes_on(handler: BaseCallbackHandler) -> bool:
    told = type(handler).on_custom_event is not BaseCallbackHandler.on_custom_event
    return told and isinstance(handler, _StreamingCallbackHandler)


def _outer_writer() -> Callable[[Any], None] | None:
    """The stream writer of the graph that is running; None outside of one, or where nobody reads it."""
    try:
        writer = get_stream_writer()
    except (RuntimeError, KeyError):
        return None
    if getattr(writer, "__name__", "") == "_no_op_stream_writer":
        return None
    context = copy_context()  # in which it looks up its graph
    return lambda event: context.run(writer, event)
