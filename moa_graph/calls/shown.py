"""What anybody who is told of a model's calls may see of it: no headers, addresses, queries, keys or bodies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler

from moa_graph.calls.stand_in import StandIn, Told, behind, stand_in
from moa_graph.secrets import redact, without_secrets

__all__ = ["CarefullyTold", "carefully_told", "shown"]

SHOWN_PARAMETERS = frozenset(
    {
        "_type",
        "advise",
        "content",
        "frequency_penalty",
        "logprobs",
        "max_completion_tokens",
        "max_output_tokens",
        "max_tokens",
        "mixture",
        "model",
        "model_name",
        "n",
        "num_ctx",
        "num_predict",
        "parallel_tool_calls",
        "presence_penalty",
        "reasoning",
        "reasoning_effort",
        "response_format",
        "seed",
        "service_tier",
        "stop",
        "stop_sequences",
        "stream",
        "strict",
        "temperature",
        "thinking",
        "thinking_budget",
        "tool_choice",
        "tools",
        "top_k",
        "top_logprobs",
        "top_p",
        "truncation",
        "verbosity",
    }
)
"""What is shown of how a model was asked. Anything else may be meant for its provider alone."""


def shown(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """``parameters`` without those that aren't known to be for everybody."""
    kept = {name: value for name, value in parameters.items() if name in SHOWN_PARAMETERS or name.startswith("ls_")}
    told: dict[str, Any] = without_secrets(kept)
    return told


def _shown_model(serialized: Mapping[str, Any] | None) -> dict[str, Any]:
    """A model as LangChain writes it down, by its class and the parameters that are shown."""
    written = {name: (serialized or {}).get(name) for name in ("lc", "type", "id", "name")}
    return {**written, "kwargs": shown((serialized or {}).get("kwargs") or {})}


def _shown_error(error: BaseException, secrets: Iterable[str]) -> BaseException:
    """``error``, or its words alone where they hold a key."""
    words = str(error)
    blanked = redact(words, secrets)
    return error if blanked == words else RuntimeError(f"{type(error).__name__}: {blanked}")


def _start(stands_in: Any, told: tuple[Any, ...], named: dict[str, Any]) -> Told:
    stands_in.open_runs.add(named["run_id"])
    serialized, *rest = told
    about: dict[str, Any] = {
        name: shown(named[name] or {}) for name in ("invocation_params", "options") if name in named
    }
    return (_shown_model(serialized), *rest), {**named, **about}


def _end(stands_in: Any, told: tuple[Any, ...], named: dict[str, Any]) -> Told:
    stands_in.open_runs.discard(named["run_id"])
    return told, named


def _error(stands_in: Any, told: tuple[Any, ...], named: dict[str, Any]) -> Told:
    """The error without the response that LangChain adds: it holds headers."""
    stands_in.open_runs.discard(named["run_id"])
    error, *rest = told
    about = {name: value for name, value in named.items() if name != "response"}
    return (_shown_error(error, stands_in.secrets), *rest), about


class CarefullyTold(StandIn):
    """Stands in for a handler during one call of a model.

    The call's parameters and the object that the model is hold headers, queries, bodies and addresses with passwords,
    and backends write down what they are told.
    """

    OWN = StandIn.OWN | {"open_runs", "secrets"}
    ALTERED: ClassVar = {
        "on_chat_model_start": _start,
        "on_llm_start": _start,
        "on_llm_end": _end,
        "on_llm_error": _error,
    }

    secrets: tuple[str, ...]
    open_runs: set[UUID]


def carefully_told(handler: BaseCallbackHandler, secrets: tuple[str, ...]) -> BaseCallbackHandler:
    """What stands in for a handler during one call.

    Args:
        handler: Who is told.
        secrets: Keys of the model that is asked.
    """
    if isinstance(handler, CarefullyTold):  # of the call of a mixture that is a model itself
        secrets += handler.secrets
    return stand_in(CarefullyTold, behind(handler, CarefullyTold), secrets=secrets, open_runs=set())
