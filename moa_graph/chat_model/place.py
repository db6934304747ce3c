"""Where a chat model's run stands in a trace, so that the graph's runs stand below it.

LangChain tells ``_generate`` its run, but not ``_stream``. So every call is given a callback handler that notes the run
when it begins, in the context in which ``_stream`` is then entered.
"""

from __future__ import annotations

from contextvars import Context, ContextVar, copy_context
from typing import Any
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackHandler, BaseCallbackManager
from langchain_core.callbacks.manager import BaseRunManager
from langchain_core.runnables import RunnableConfig, ensure_config
from langchain_core.runnables.config import get_callback_manager_for_config, var_child_runnable_config
from langchain_core.tracers import context as tracing

from moa_graph.chat_model.token_usage import follows_runs, itself, with_usage_below

__all__ = ["below", "detached", "noting_its_run", "place_of"]

_PLACE: ContextVar[tuple[BaseCallbackManager | BaseRunManager, UUID] | None] = ContextVar("moa_place", default=None)


class _Noting(BaseCallbackHandler):
    """Notes the run that begins with it."""

    run_inline = True

    def __init__(self, manager: BaseCallbackManager) -> None:
        self._manager = manager

    def on_chat_model_start(self, serialized: Any, messages: Any, *, run_id: UUID, **_: Any) -> None:
        _PLACE.set((self._manager, run_id))


def noting_its_run(config: RunnableConfig | None) -> RunnableConfig:
    """``config`` with a handler that notes the run of the call that it is for."""
    config = ensure_config(config)
    manager = get_callback_manager_for_config(config)
    config["callbacks"] = noted = with_usage_below(manager)
    noted.add_handler(_Noting(manager), inherit=False)
    return config


def place_of(run: BaseRunManager | None) -> tuple[BaseCallbackManager | BaseRunManager, UUID] | None:
    """Where ``run`` stands, or the one that was noted last in this context."""
    return _PLACE.get() if run is None else (run, run.run_id)


def below(run: BaseRunManager | None = None) -> AsyncCallbackManager:
    """Callbacks for runs below ``run``, or below the one that was noted last in this context.

    Who follows runs sees those. Every other handler sees the mixture as the one chat model that it stands for, so that
    nothing counts its tokens twice or streams another model's.
    """
    place = place_of(run)
    if place is None:
        return AsyncCallbackManager([])
    manager, run_id = place
    kept = [itself(one) for one in manager.inheritable_handlers if follows_runs(one)]
    return AsyncCallbackManager(
        handlers=kept,
        inheritable_handlers=list(kept),
        parent_run_id=run_id,
        tags=list(manager.inheritable_tags),
        inheritable_tags=list(manager.inheritable_tags),
        metadata=dict(manager.inheritable_metadata),
        inheritable_metadata=dict(manager.inheritable_metadata),
    )


def detached() -> Context:
    """The present context, as if no graph were running: a run in it inherits neither savers nor streams.

    Nor the handlers that LangChain finds in context variables, such as those that count tokens: they see the one chat
    model. Tracers among them come by :func:`below`.
    """
    context = copy_context()
    context.run(var_child_runnable_config.set, None)
    for variable, *_ in getattr(tracing, "_configure_hooks", ()):
        if context.run(variable.get) is not None:
            context.run(variable.set, None)
    return context
