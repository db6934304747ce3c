"""What a call may ask of a mixture, besides the conversation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from moa_graph.description import ModelSettings
from moa_graph.errors import MixtureError, OptionsError
from moa_graph.graph import MoaGraph
from moa_graph.options import AnswerSettings, Options
from moa_graph.response_format import ResponseFormat

__all__ = ["by_our_names", "read_call", "refuse_if_nothing_writes", "writer_settings"]

TOOL_SETTINGS = ("tool_choice", "strict", "parallel_tool_calls")

PARAMETERS = {
    "temperature": "temperature",
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "top_p": "top_p",
    "seed": "seed",
    "reasoning": "reasoning",
    "reasoning_effort": "reasoning",
}
"""What a call may set for the model that writes the answer, and the matching field of ``ModelSettings``."""

TIMEOUTS = ("timeout", "request_timeout")

FIELDS = {name: field for name, field in PARAMETERS.items() if name != field} | {"request_timeout": "timeout"}
"""Other chat models' names for our fields."""

KNOWN = {*TOOL_SETTINGS, *PARAMETERS, *TIMEOUTS, "max_retries", "model", "response_format", "tools"}

MEANINGLESS = {"stream", "stream_usage"}
"""Told by LangChain to models that need it: a mixture streams where it is read as a stream, and counts always."""


def read_call(
    asked: Mapping[str, Any], options: Options, usual: AnswerSettings, graph: MoaGraph
) -> tuple[Options, AnswerSettings]:
    """What a call asks: the options of its run, and what holds for the answer.

    Args:
        asked: The call's keywords.
        options: Those of every call of the chat model.
        usual: What holds for every call of the chat model.
        graph: The mixture's graph.

    Raises:
        OptionsError: It can't be asked of a mixture.
        MixtureError: It can't be asked of this one.
    """
    given = {name: value for name, value in asked.items() if value is not None and name not in MEANINGLESS}
    if unknown := sorted(set(given) - KNOWN):
        raise OptionsError(
            f"{', '.join(unknown)}: ChatMoA doesn't take this in a call: set it in the mixture's slots. "
            f"A call may set stop, {', '.join(sorted(KNOWN))}."
        )
    tools, response_format = given.get("tools") or (), given.get("response_format")
    if tools or response_format is not None:
        refuse_if_nothing_writes(graph)
    settings = replace(
        writer_settings(given, usual, graph),
        tools=tuple(tools),
        tool_settings={name: given[name] for name in TOOL_SETTINGS if name in given and tools},
        response_format=None
        if response_format is None
        else ResponseFormat.of(response_format, strict=bool(given.get("strict"))),
    )
    return _with_writer(options, given.get("model"), graph), settings


def by_our_names(given: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a chat model, those in other chat models' words by ours.

    Raises:
        OptionsError: One is given in two words.
    """
    if twice := [f"{name} and {field}" for name, field in FIELDS.items() if name in given and field in given]:
        raise OptionsError(f"{', '.join(twice)}: these mean the same: give only one of them")
    return {FIELDS.get(name, name): value for name, value in given.items()}


def writer_settings(given: Mapping[str, Any], usual: AnswerSettings, graph: MoaGraph) -> AnswerSettings:
    """``usual`` with the parameters that are given for the model which writes the answer.

    Args:
        given: Keywords of a call, or fields of the chat model, without those that are None.
        usual: What holds where nothing is given.
        graph: The mixture's graph.

    Raises:
        OptionsError: A parameter is out of its bounds.
        MixtureError: No model writes the answer.
    """
    parameters = {field: _plain(name, given[name]) for name, field in PARAMETERS.items() if name in given}
    timeout = next((given[name] for name in TIMEOUTS if name in given), None)
    retries = given.get("max_retries")
    if not parameters and timeout is None and retries is None:
        return usual
    refuse_if_nothing_writes(graph, ", ".join(name for name in given if name in KNOWN))
    _check(parameters)
    if timeout is not None and (not isinstance(timeout, int | float) or not timeout > 0):
        raise OptionsError(f"timeout: {timeout!r} must be a number of seconds above 0")
    if retries is not None and (not isinstance(retries, int) or retries < 0):
        raise OptionsError(f"max_retries: {retries!r} must be a whole number, 0 or more")
    return replace(
        usual,
        parameters={**usual.parameters, **parameters},
        timeout=usual.timeout if timeout is None else float(timeout),
        tries=usual.tries if retries is None else retries + 1,
    )


def _plain(name: str, value: Any) -> Any:
    """OpenAI's ``{"effort": ...}`` as the effort."""
    return value["effort"] if name == "reasoning" and isinstance(value, Mapping) and "effort" in value else value


def _check(parameters: Mapping[str, Any]) -> None:
    try:
        ModelSettings(model="of the answer", **parameters)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False))
        raise OptionsError("; ".join(problems)) from None


def _with_writer(options: Options, model: Any, graph: MoaGraph) -> Options:
    """The options with another of the mixture's models to write the answer, where a call names one."""
    if model is None or model == graph.mixture.name:
        return options
    if model not in graph.plan.members:
        raise OptionsError(
            f"model: {model!r} isn't a model of {graph.mixture.name}, which has {', '.join(graph.plan.members)}. The "
            "that a call names writes the answer"
        )
    refuse_if_nothing_writes(graph, "model")
    return options.model_copy(update={"aggregator": model})


def refuse_if_nothing_writes(graph: MoaGraph, asked: str | None = None) -> None:
    """Raises MixtureError where no model writes the answer in its own words.

    Args:
        graph: The mixture's graph.
        asked: What that model would be given; by default, tools or a response format.
    """
    name = graph.mixture.name
    for last in (path.last for path in graph.plan.paths({})):
        if last.stage.writes:
            continue
        if asked is not None:
            raise MixtureError(
                f"{asked}: the last stage of {name} is of kind {last.stage.kind}, in which no model writes the answer: "
                "set it in the mixture's slots"
            )
        raise MixtureError(
            f"{name}: its last stage, {last.name}, chooses an answer without writing one, so it can neither call "
            "tools nor follow a response format: add an aggregate stage after it"
        )
