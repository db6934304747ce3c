"""What can be changed about a request so that its model may take it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from langchain_core.messages import AIMessage, HumanMessage

from moa_graph.calls.budget import Balance, most_of_one_call
from moa_graph.calls.failures import Diagnosis
from moa_graph.models.catalogue import Member
from moa_graph.models.reasoning import ROOM, less
from moa_graph.state import Grant
from moa_graph.views import CHARACTERS_PER_TOKEN, Prompt

__all__ = [
    "Attempt",
    "fits_at_all",
    "fitted_to_window",
    "mended",
    "repaired",
    "roomier",
    "told_of_references",
    "unstreamed",
]

CAREFUL_CHARACTERS_PER_TOKEN = 3
"""For fitting a prompt: fewer than English text has, so that one fit is mostly enough."""

ROOM_FOR_ANSWER = 1024
"""Tokens kept free for an answer without ``max_tokens``."""


@dataclass(frozen=True)
class Attempt:
    """How a member is asked: with which prompt, and what was changed to make it work.

    Args:
        member: Who is asked.
        prompt: What it is shown.
        notes: What was changed.
        shortened: Whether the prompt was, since the model had said that it was too long.
        repaired: Whether it was shown how its first answer fails its response format.
        roomier: Whether it was given more room to think, or told to think less.
        unstreamed: Whether it isn't streamed, since a stream held nothing.
        rung: How its response format is requested; None without one.
        equal: Which one it is among the turn's equal calls; empty without a store.
        asked_at_first: The attempt before all changes; None for that one itself.
    """

    member: Member
    prompt: Prompt
    notes: tuple[str, ...] = field(default=())
    shortened: bool = False
    repaired: bool = False
    roomier: bool = False
    unstreamed: bool = False
    rung: Literal["schema", "object", "tool", "words"] | None = None
    equal: str = ""
    asked_at_first: Attempt | None = None

    @property
    def first(self) -> Attempt:
        """The attempt before all changes, by which a store knows the answer, however it was come by."""
        return self.asked_at_first or self

    def changed(self, *notes: str, **changes: Any) -> Attempt:
        """This attempt with some fields changed, and what to say of that in the record."""
        return replace(self, notes=(*self.notes, *notes), asked_at_first=self.first, **changes)


def fitted_to_window(attempt: Attempt) -> Attempt:
    """The attempt with its prompt within the member's window, where that is known."""
    member = attempt.member
    if member.window is None or not attempt.prompt.references:
        return attempt
    room = max(member.window - (member.most_output or ROOM_FOR_ANSWER), member.window // 2)
    return _shortened(attempt, room * CAREFUL_CHARACTERS_PER_TOKEN)


def fits_at_all(member: Member, prompt: Prompt) -> bool:
    """Whether the shortest form of the prompt can be within the window, even if its tokens are unusually long."""
    if member.window is None:
        return True
    most = member.window * CHARACTERS_PER_TOKEN * 2
    return prompt.characters <= most or prompt.fitted(0).characters <= most


def mended(attempt: Attempt, diagnosis: Diagnosis, *, limited: bool) -> Attempt | None:
    """The attempt changed so that what was diagnosed doesn't happen again; None where nothing can be changed.

    Args:
        attempt: How the member was asked.
        diagnosis: What went wrong.
        limited: Whether the call is paid from a grant, which ``max_tokens`` bounds.
    """
    if diagnosis.kind == "context_overflow" and not attempt.shortened:
        known = (diagnosis.limit or 0) - (attempt.member.most_output or ROOM_FOR_ANSWER)
        half = attempt.prompt.characters // 2
        shorter = _shortened(attempt, min(half, known * CAREFUL_CHARACTERS_PER_TOKEN) if known > 0 else half)
        return replace(shorter, shortened=True) if shorter.prompt is not attempt.prompt else None
    parameter = diagnosis.refused_parameter
    if parameter is None or getattr(attempt.member.settings, parameter) is None:
        return None
    if parameter == "max_tokens" and limited:
        return None  # without it nothing bounds what the call may cost
    if parameter == "reasoning" and attempt.member.settings.reasoning == "off":
        note = "reasoning was set to low: the model refuses to do without"
        return attempt.changed(note, member=attempt.member.thinking("low", None if limited else ROOM["low"]))
    settings = attempt.member.settings.model_copy(update={parameter: None})
    note = f"{parameter} was dropped: the model refuses it"
    return attempt.changed(note, member=replace(attempt.member, settings=settings))


def repaired(attempt: Attempt, wrong: str, diagnosis: Diagnosis) -> Attempt | None:
    """The attempt with its malformed answer and what is wrong with it, once; None after that."""
    if diagnosis.kind != "malformed" or attempt.repaired or not wrong:
        return None
    turns = (
        AIMessage(wrong),
        HumanMessage(
            f"That doesn't fit the format that was asked for: {diagnosis.message}. Give the JSON object alone."
        ),
    )
    prompt = replace(attempt.prompt, correction=turns)
    note = "its first answer didn't fit the response format"
    return attempt.changed(note, prompt=prompt, repaired=True)


def roomier(attempt: Attempt, diagnosis: Diagnosis, left: Grant | None) -> Attempt | None:
    """The attempt with more room to think, or told to think less where it can't have any; None after one such change.

    Args:
        attempt: How the member was asked.
        diagnosis: What went wrong.
        left: What is left of the answer's grant; None where nothing limits it.
    """
    member = attempt.member
    if not diagnosis.out_of_room or attempt.roomier or member.most_output is None:
        return None
    more = member.with_more_room()
    need = most_of_one_call(attempt.prompt.bytes, more.most_output, member.price)
    if not member.capped and Balance(left).reserve(need):
        return attempt.changed("asked again with more room for its reasoning", member=more, roomier=True)
    lower = less(member.settings.reasoning)
    if lower is None or member.written is None:
        return None
    return attempt.changed(f"asked again with reasoning: {lower}", member=member.thinking(lower), roomier=True)


def told_of_references(before: Prompt, after: Prompt, what: str) -> str:
    """What is said of references that were cut or left out.

    Args:
        before: The prompt with all of them.
        after: What is left.
        what: What they had to fit.
    """
    if before.references and not after.references:
        return f"all {len(before.references)} references were left out to fit {what}"
    return f"references were shortened to fit {what}"


def unstreamed(attempt: Attempt, diagnosis: Diagnosis, *, streamed: bool) -> Attempt | None:
    """The attempt without streaming, once, after a stream that held nothing; None where that isn't what is wrong.

    Some servers tell a prompt that is too long by an empty stream, and say so only where nothing is streamed.

    Args:
        attempt: How the member was asked.
        diagnosis: What went wrong.
        streamed: Whether somebody reads along while the answer is streamed.
    """
    extra = attempt.member.settings.extra
    if (
        diagnosis.kind != "empty"
        or diagnosis.out_of_room
        or attempt.unstreamed
        or not (streamed or extra.get("streaming"))
    ):
        return None
    rest = {name: value for name, value in extra.items() if name != "streaming"}
    settings = attempt.member.settings.model_copy(update={"extra": rest})
    note = "its stream held nothing, so it was asked again without"
    return attempt.changed(note, member=replace(attempt.member, settings=settings), unstreamed=True)


def _shortened(attempt: Attempt, characters: int) -> Attempt:
    prompt = attempt.prompt.fitted(characters)
    if prompt is attempt.prompt or prompt == attempt.prompt:
        return attempt
    notes = []
    if prompt.references != attempt.prompt.references:
        notes.append(told_of_references(attempt.prompt, prompt, "the model's window"))
    if (prompt.conversation, prompt.history) != (attempt.prompt.conversation, attempt.prompt.history):
        notes.append("the oldest turns were left out to fit the model's window")
    return attempt.changed(*notes, prompt=prompt)
