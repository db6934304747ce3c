"""Tokens are counted once: who sees the models' own runs below a chat model is told no usage of the chat model's run.

A mixture as a chat model stands in a trace as a model's run with models' runs below it. Backends add up the tokens of
all of them. So to a handler that follows runs, the tokens are those of the runs below; to any other, such as one that
counts what a call used, the mixture is one model that used them all.
"""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackHandler, BaseCallbackManager, CallbackManager
from langchain_core.callbacks.base import Callbacks
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.tracers import BaseTracer
from langchain_core.tracers._streaming import _StreamingCallbackHandler
from langchain_core.tracers.root_listeners import AsyncRootListenersTracer, RootListenersTracer

from moa_graph.calls.stand_in import StandIn, Told, behind, stand_in

__all__ = ["counted_once", "follows_runs", "itself", "with_usage_below"]

FOLLOWED = ("on_chain_start", "on_llm_end")
"""What a handler takes in that puts runs together, rather than looking at each one alone."""


def follows_runs(handler: BaseCallbackHandler) -> bool:
    """Whether a handler puts runs together to a trace, so that it shall see those below the chat model's."""
    if isinstance(handler, _StreamingCallbackHandler | RootListenersTracer | AsyncRootListenersTracer):
        return False
    base = BaseCallbackHandler
    return isinstance(handler, BaseTracer) or all(
        inspect.unwrap(getattr(type(handler), name)) is not getattr(base, name) for name in FOLLOWED
    )


def counted_once(callbacks: Callbacks, *, asynchronous: bool) -> BaseCallbackManager:
    """The callbacks for the run of a chat model whose models' runs bear the tokens.

    Args:
        callbacks: As they were given.
        asynchronous: Whether the chat model is asked asynchronously.
    """
    kind = AsyncCallbackManager if asynchronous else CallbackManager
    return with_usage_below(kind.configure(callbacks))


def with_usage_below(manager: BaseCallbackManager) -> BaseCallbackManager:
    """A manager of the same handlers, in which those that follow runs are told no usage."""
    told = manager.copy()
    told.handlers = [_without_usage(one) for one in manager.handlers]
    told.inheritable_handlers = [_without_usage(one) for one in manager.inheritable_handlers]
    return told


def _told_without_usage(_: Any, told: tuple[Any, ...], named: dict[str, Any]) -> Told:
    """An answer without its usage, an error without its response's headers."""
    what, *rest = told
    about = {name: value for name, value in named.items() if name != "response"}
    return (_usage_left_out(what), *rest), about


class _SeesNoUsage(StandIn):
    """Stands in for a handler that is told of the end of the chat model's run without its usage."""

    ALTERED: ClassVar = {"on_llm_end": _told_without_usage, "on_llm_error": _told_without_usage}


def _without_usage(handler: BaseCallbackHandler) -> BaseCallbackHandler:
    """What stands in for a handler that sees the runs below and counts tokens there; any other handler itself."""
    if issubclass(type(handler), _SeesNoUsage) or not follows_runs(handler):
        return handler
    return stand_in(_SeesNoUsage, handler)


def itself(handler: BaseCallbackHandler) -> BaseCallbackHandler:
    """The handler for the runs below."""
    return behind(handler, _SeesNoUsage)


def _usage_left_out(response: LLMResult | BaseException) -> LLMResult | BaseException:
    if not isinstance(response, LLMResult):
        return response
    generations = [[_bare(one) for one in several] for several in response.generations]
    output = {name: value for name, value in (response.llm_output or {}).items() if name != "token_usage"}
    return response.model_copy(update={"generations": generations, "llm_output": output})


def _bare(generation: Any) -> Any:
    if not isinstance(generation, ChatGeneration) or getattr(generation.message, "usage_metadata", None) is None:
        return generation
    message = generation.message.model_copy(update={"usage_metadata": None})
    return generation.model_copy(update={"message": message})
