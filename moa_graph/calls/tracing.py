"""How a run shows in LangSmith: what a node records, and one run for each model call.

LangChain's own tracer leaves the run of a cancelled call open for ever, knows only the prices that LangSmith knows, and
sends the model's headers and those of an error's response. :class:`CallTracer` stands in for it while a model is asked.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler, BaseCallbackManager
from langchain_core.callbacks.manager import handle_event
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tracers import context
from langchain_core.tracers._streaming import _StreamingCallbackHandler
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.langchain import LangChainTracer
from langchain_core.tracers.schemas import Run
from langgraph.types import TracePolicy, omit_payload
from langsmith import uuid7
from langsmith.utils import tracing_is_enabled

from moa_graph.calls.failures import usage_of
from moa_graph.calls.shown import CarefullyTold, carefully_told, shown
from moa_graph.calls.streams import StreamReader
from moa_graph.description import Price
from moa_graph.models.catalogue import Member
from moa_graph.models.prices import cost
from moa_graph.secrets import redact
from moa_graph.state import Call, Record, Usage
from moa_graph.views import cut_middle

__all__ = ["NODE_TRACES", "CallTracer", "describe_node", "model_run"]

CHARACTERS_IN_NODES = 200
"""Of a text that a node's run shows. The whole text stands in the model's run below it, and in the root's output."""


def _brief(update: Any) -> Any:
    """A node's update with the beginning and the end of its long texts."""
    records = update.get("records") if isinstance(update, dict) else None
    if not isinstance(records, list) or all(len(one["text"]) <= CHARACTERS_IN_NODES for one in records):
        return update
    if not tracing_is_enabled():  # asked last, since it takes the longest
        return update
    return {**update, "records": [{**one, "text": cut_middle(one["text"], CHARACTERS_IN_NODES)} for one in records]}


def _omitted(state: Any) -> Any:
    """Nothing of the state that a node is handed."""
    return omit_payload(state) if tracing_is_enabled() else state


NODE_TRACES = TracePolicy(process_inputs=_omitted, process_outputs=_brief)
"""Every node is handed the whole state: recorded at each, it would be most of a trace.

Only where LangSmith is on: LangGraph copies a run's callbacks twice for each payload that is changed.
"""


def describe_node(config: RunnableConfig, mixture: str, record: Record, calls: Sequence[Call]) -> None:
    """Gives the run of the node that asked for ``record`` what traces are searched by."""
    failures = {call["failure"]["kind"] for call in calls if call["failure"] is not None}
    hits = {"hit"} if any(call["hit"] for call in calls) else set()
    callbacks = config.get("callbacks")
    for tracer in getattr(callbacks, "handlers", ()):
        runs = tracer.run_map if isinstance(tracer, BaseTracer) else {}
        run = runs.get(str(getattr(callbacks, "parent_run_id", None)))
        if run is not None:
            run.add_tags(sorted({record["kind"], *failures, *hits}))
            run.add_metadata(
                {"mixture": mixture, "stage": record["stage"], "role": record["kind"], "slot": record["slot"]}
            )


@contextmanager
def model_run(config: dict[str, Any], member: Member, why_cancelled: Callable[[], str]) -> Iterator[dict[str, Any]]:
    """Has one call told to whoever listens: without secrets, and with an end, also where it is cancelled.

    Args:
        config: The arguments of ``agenerate`` that are about traces.
        member: Who is asked.
        why_cancelled: Says why, when the call is cancelled.
    """
    callbacks = config.get("callbacks")
    if not isinstance(callbacks, BaseCallbackManager):
        yield config
        return
    callbacks, run_id = callbacks.copy(), uuid7()
    with _taken_from_context(callbacks):
        careful = {id(one): _careful(one, member) for one in (*callbacks.handlers, *callbacks.inheritable_handlers)}
        callbacks.handlers = [careful[id(one)] for one in callbacks.handlers]
        callbacks.inheritable_handlers = [careful[id(one)] for one in callbacks.inheritable_handlers]
        try:
            yield {**config, "callbacks": callbacks, "run_id": run_id}
        except asyncio.CancelledError:
            _end(callbacks.handlers, RuntimeError(why_cancelled()), run_id)
            raise


@contextmanager
def _taken_from_context(callbacks: BaseCallbackManager) -> Iterator[None]:
    """Has ``callbacks`` hold the handlers that wait in context variables: LangChain would add them beside stand-ins."""
    taken = []
    for variable, inheritable, *_ in getattr(context, "_configure_hooks", ()):
        if (handler := variable.get()) is not None:
            if not any(one is handler for one in callbacks.handlers):
                callbacks.add_handler(handler, inheritable)
            variable.set(None)
            taken.append((variable, handler))
    try:
        yield
    finally:
        for variable, handler in taken:
            variable.set(handler)


def _end(handlers: Sequence[BaseCallbackHandler], why: RuntimeError, run_id: UUID) -> None:
    """Tells those who haven't been told of a run's end; LangChain tells nobody of a cancelled call's."""
    for handler in handlers:
        if isinstance(handler, LangChainTracer) and str(run_id) in handler.run_map:
            handler.on_llm_error(why, run_id=run_id)
        elif isinstance(handler, CarefullyTold) and run_id in handler.open_runs:
            told: Any = handler
            if not inspect.iscoroutinefunction(told.on_llm_error):
                handle_event([told], "on_llm_error", "ignore_llm", why, run_id=run_id)


class CallTracer(LangChainTracer):
    """Sends the run of one model call to LangSmith: priced, without secrets, and always ended."""

    price: Price | None = None
    """None leaves it to LangSmith's own list."""

    secrets: tuple[str, ...] = ()

    @classmethod
    def instead_of(cls, tracer: LangChainTracer, price: Price | None, secrets: tuple[str, ...]) -> Self:
        """A tracer that goes on with the runs of ``tracer``."""
        careful = cls(
            example_id=tracer.example_id,
            project_name=tracer.project_name,
            client=tracer.client,
            tags=tracer.tags,
            metadata=tracer.tracing_metadata,
            address=tracer.address,
            run_map=tracer.run_map,
            order_map=tracer.order_map,
        )
        careful.price, careful.secrets = price, secrets
        return careful

    def copy_with_metadata_defaults(
        self, *, metadata: Mapping[str, str] | None = None, tags: list[str] | None = None
    ) -> LangChainTracer:
        """A copy that also tells how the model was set; LangChain asks for it before each call."""
        copied = super().copy_with_metadata_defaults(metadata=shown(metadata or {}), tags=tags)
        return self.instead_of(copied, self.price, self.secrets)

    def on_chat_model_start(
        self, serialized: dict[str, Any], messages: list[list[BaseMessage]], *, run_id: UUID, **kwargs: Any
    ) -> Run:
        """Opens the run, without the model object: it holds headers, and nothing that its parameters don't say."""
        parameters = shown(kwargs.pop("invocation_params", {}))
        return super().on_chat_model_start({}, messages, run_id=run_id, invocation_params=parameters, **kwargs)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> Run:
        """Ends the run with the error's words; its response would bring the headers."""
        kwargs.pop("response", None)
        words = str(error) if type(error) is RuntimeError else f"{type(error).__name__}: {error}"
        return super().on_llm_error(RuntimeError(redact(words, self.secrets)), run_id=run_id, **kwargs)

    def _on_llm_end(self, run: Run) -> None:
        """Puts the cost where LangSmith looks for it, beside the tokens."""
        for generations in (run.outputs or {}).get("generations", ()):
            for generation in generations:
                said = generation.get("message", {}).get("kwargs", {})
                if self.price is not None and said.get("usage_metadata"):
                    said["usage_metadata"] = {**said["usage_metadata"], **_costs(self.price, said["usage_metadata"])}
        super()._on_llm_end(run)


def _costs(price: Price, tokens: Any) -> dict[str, float | None]:
    """US dollars for the tokens of one call, under the names that LangSmith gives them."""
    usage: Usage | None = usage_of(AIMessage("", usage_metadata=tokens))
    if usage is None:
        return {}
    output: Usage = {"input": 0, "output": usage["output"], "cached": 0}
    prompt: Usage = {**usage, "output": 0}
    return {
        "input_cost": cost(price, prompt),
        "output_cost": cost(price, output),
        "total_cost": cost(price, usage),
    }


def _careful(handler: BaseCallbackHandler, member: Member) -> BaseCallbackHandler:
    """Who is told in the place of a handler. Streams are as they were: they tell of messages alone."""
    if type(handler) in (LangChainTracer, CallTracer):  # a CallTracer comes where a mixture's model is a mixture
        tracer: Any = handler
        return CallTracer.instead_of(tracer, member.price, member.secrets)
    if isinstance(handler, _StreamingCallbackHandler | StreamReader):
        return handler
    return carefully_told(handler, member.secrets)
