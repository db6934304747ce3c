"""Several samples of one prompt in one request, where the provider takes ``n``: its prompt is billed once.

The first sample's request asks for all of them; the choices that come with it are the others' answers, which take no
request of their own. Usage and cost are the first one's. Whatever is missing or unusable is asked for singly.

Samples are asked for singly from the start where each has something of its own: a seed, a grant of a limited budget, or
an entry in a store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from langchain_core.messages import AIMessage
from langchain_core.messages.ai import add_usage
from langchain_core.outputs import ChatGeneration, LLMResult

from moa_graph.calls.failures import judge, usage_of
from moa_graph.calls.request import AnswerRequest
from moa_graph.calls.sound import sound
from moa_graph.models.abilities import abilities_of
from moa_graph.models.catalogue import Member
from moa_graph.models.clients import of_running_loop

__all__ = ["Together", "can_be_together"]


class Together:
    """The samples that one request asks for.

    Args:
        member: The model that is asked.
        count: How many there are.
    """

    def __init__(self, member: Member, count: int) -> None:
        self._member = member
        self._count = count
        self._spare: list[AIMessage] = []

    @property
    def count(self) -> int:
        """How many answers a request asks for."""
        return self._count

    def asks(self, member: Member) -> bool:
        """Whether a request to ``member`` asks for all; one to a fallback doesn't."""
        return self._count > 1 and member.reference == self._member.reference

    @property
    def parameters(self) -> dict[str, Any]:
        """What such a request says of it."""
        return {"n": self._count}

    def first_of(self, result: LLMResult) -> AIMessage:
        """The first sample with the usage of the whole request; the others are kept for :meth:`hand_out`.

        Choices that are no answers come last, so that those are asked for singly.
        """
        choices = [sound(cast(ChatGeneration, one).message) for one in result.generations[0]]
        first, *self._spare = sorted(choices, key=lambda message: judge(message) is not None)
        if len(self._spare) < self._count - 1:
            self.give_up()
        counted_once = "token_usage" in (result.llm_output or {})
        usage = first.usage_metadata if usage_of(first) else None
        for message in () if counted_once else self._spare:
            usage = add_usage(usage, message.usage_metadata if usage_of(message) else None)
        return first.model_copy(update={"usage_metadata": usage})

    def give_up(self) -> bool:
        """Asks for one sample a request from now on, here and in later runs; whether that is a change."""
        _takers_of_running_loop()[_server(self._member)] = False
        changed, self._count = self._count > 1, 1
        return changed

    def hand_out(self, requests: Sequence[AnswerRequest]) -> list[AnswerRequest]:
        """The requests of the other samples, each with its answer as far as answers came."""
        given = [*self._spare, *[None] * len(requests)]
        return [replace(request, given=message) for request, message in zip(requests, given, strict=False)]


def can_be_together(requests: Sequence[AnswerRequest], *, limited: bool, stored: bool) -> bool:
    """Whether one request may ask for what ``requests`` do. To be called inside the loop that they are made in.

    Args:
        requests: Those of one slot's samples.
        limited: Whether each has a grant of its own.
        stored: Whether each has an entry of its own in a store.
    """
    first, *others = requests
    member = first.members[0]
    if (
        not others
        or limited
        or stored
        or first.answers
        or first.first_tokens
        or first.hedge
        or first.response_format is not None
    ):
        return False
    alike = all((request.prompt, request.about) == (first.prompt, first.about) for request in others)
    if member.settings.seed is not None or not alike:
        return False
    model, _ = member.chat_model(streaming=False)
    return abilities_of(model).takes_n and _takers_of_running_loop().get(_server(member), True)


def _server(member: Member) -> tuple[str, str | None]:
    return member.reference, member.settings.base_url


def _takers_of_running_loop() -> dict[tuple[str, str | None], bool]:
    """Models that gave fewer answers than they were asked for, or refused to give several."""
    return of_running_loop().once("takers of n", dict)
