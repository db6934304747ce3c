"""What a stage wants of a slot, written as a request to its models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from moa_graph.calls.prompts import SharedPrompts
from moa_graph.calls.request import AnswerRequest
from moa_graph.calls.structured import instruction_for
from moa_graph.models.catalogue import Member
from moa_graph.options import AnswerSettings
from moa_graph.response_format import ResponseFormat
from moa_graph.stage_kit.bound import BoundSlot, BoundStage
from moa_graph.tool_texts import without_tool_messages
from moa_graph.views import Prompt

if TYPE_CHECKING:
    from moa_graph.stage_kit.asking import ModelStage
    from moa_graph.stage_kit.run_context import RunContext

__all__ = ["Task", "answer_settings", "first_tokens", "request_for", "whole_prompt"]

SLOW_TOKENS_A_SECOND = 40
"""At which a slow model thinks."""

OWN_SERVERS_TIME = 600.0
"""Seconds for an answer of a server at an address of its own, which may hold a large model on a small machine."""


@dataclass(frozen=True)
class Task:
    """One answer that a slot is asked for.

    Args:
        sample: Its number among the slot's answers, from 0.
        prompt: What the model is shown.
        about: Identity of the record that the answer is about, if it is about one.
    """

    sample: int
    prompt: Prompt
    about: str | None = None


def request_for(
    stage: ModelStage,
    slot: BoundSlot,
    run: RunContext,
    task: Task,
    prompts: SharedPrompts,
    *,
    streamed: bool = True,
) -> AnswerRequest:
    """What a slot's models are asked for one answer.

    Args:
        stage: Who asks.
        slot: The slot.
        run: What there is to be shown.
        task: The answer.
        prompts: What the stage's other calls are shown.
        streamed: Whether the tokens may be the answer's.
    """
    closing = streamed and stage.answers and run.stage.is_last and stage.answer_model() is None
    settings, record = answer_settings(stage, run, closing=closing), slot.record_id(task.sample)
    members = run.stage.plan.members_of(slot, run.stage, run.options)
    stated = settings.timeout or slot.slot.timeout or (stage.timeout if "timeout" in stage.model_fields_set else None)
    return AnswerRequest(
        record=record,
        kind=stage.record_kind,
        stage=run.stage.name,
        slot=slot.name,
        node=slot.node,
        sample=task.sample,
        about=task.about,
        order=(run.stage.index, slot.index, task.sample),
        members=members,
        prompt=prompts.shared(whole_prompt(task.prompt, settings, run.stage)),
        tries=settings.tries or slot.slot.tries,
        timeout=stated or _usual_time(stage.timeout, members),
        patient=stated is None,
        partial=slot.slot.partial,
        answers=closing and settings.response_format is None,
        cap=stage.cap,
        response_format=settings.response_format,
        closes=closing,
        parameters=_parameters(settings),
        hedge=slot.hedge,
        hedge_after=slot.slot.hedge.after if slot.slot.hedge is not None else 0.0,
        must_answer=closing and settings.nothing_else_will_do,
        first_tokens=first_tokens(run.stage),
        live=run.options.answer.live,
        asked_before=run.requests_made[record],
    )


def answer_settings(stage: ModelStage, run: RunContext, *, closing: bool = True) -> AnswerSettings:
    """What of the caller's wishes the stage's models are told: all where they write the answer."""
    wishes, response_format = run.options.answer, stage.answer_model()
    if closing and stage.writes and run.stage.is_last:
        return wishes
    if stage.proposes and response_format is None and wishes.all_tools:
        return AnswerSettings(tools=wishes.tools)
    return AnswerSettings(response_format=None if response_format is None else ResponseFormat.of(response_format))


def whole_prompt(prompt: Prompt, settings: AnswerSettings, bound: BoundStage) -> Prompt:
    """What the model is shown, with the tools that it is offered and the response format that it is told."""
    if (line := _last_line(bound)) is not None:
        prompt = replace(prompt, role=f"{prompt.role}\n\n{line}" if prompt.role else line)
    if settings.tools:
        prompt = replace(prompt, tools=settings.tools)
    elif (told := without_tool_messages(prompt.conversation)) is not prompt.conversation:
        prompt = replace(prompt, conversation=told)
    if settings.response_format is not None:
        prompt = replace(
            prompt, format_instructions=instruction_for(settings.response_format, beside_tools=bool(settings.tools))
        )
    return prompt


def first_tokens(bound: BoundStage) -> int | None:
    """How many tokens of a proposal are enough for the next stage to begin; None for the whole."""
    following = bound.following
    return following[0].stage.begins_with() if bound.stage.proposes and len(following) == 1 else None


def _last_line(bound: BoundStage) -> str | None:
    """What a stage that comes later asks of this one's proposals, unless a model writes them anew before."""
    if not bound.stage.proposes:
        return None
    following = bound.following
    while len(following) == 1 and not following[0].stage.writes:
        if (line := following[0].stage.told_to_proposers()) is not None:
            return line
        following = following[0].following
    return None


def _parameters(settings: AnswerSettings) -> tuple[tuple[str, Any], ...]:
    stop = {"stop": list(settings.stop)} if settings.stop else {}
    return tuple({**settings.tool_settings, **stop}.items())


def _usual_time(timeout: float | None, members: Sequence[Member]) -> float | None:
    """A timeout that nobody has stated, with the time for models to think, or for a server of one's own."""
    if timeout is None:
        return None
    slow = any(member.settings.base_url for member in members)
    thinking = max(member.room for member in members) / SLOW_TOKENS_A_SECOND
    return max(timeout + thinking, OWN_SERVERS_TIME if slow else 0.0)
