"""How a call is told from every other in the store, and what of it is stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage

from moa_graph.calls.failures import usage_of
from moa_graph.calls.mend import Attempt
from moa_graph.calls.request import AnswerRequest
from moa_graph.errors import MixtureError
from moa_graph.models.catalogue import Member
from moa_graph.state import Call
from moa_graph.store import CallIdentity, Entry, Store, entry_of, message_of, message_record
from moa_graph.views import Prompt

__all__ = ["EqualCalls", "found", "through"]

CONTENT_SHOWN = 16
"""Characters of a hash that a ledger keeps: enough to tell the calls of one turn apart."""


class EqualCalls:
    """Numbers the equal calls of one turn, so that each has an entry of its own.

    Numbers go by the configured order and never by who came first: they count on from the stages before, then over the
    slots' own models, then over their fallbacks and hedges. So a run that is repeated, resumed or replayed has the
    same ones.

    Args:
        before: The calls of the stages before.
    """

    def __init__(self, before: Iterable[Call]) -> None:
        self._next: dict[str, int] = {}
        self._given: dict[tuple[str, int, str], int] = {}
        for call in before:
            content, _, number = call.get("equal", "").rpartition("#")
            if content:
                self._next[content] = max(self._next.get(content, 0), int(number) + 1)

    def numbered(self, requests: Sequence[AnswerRequest]) -> list[AnswerRequest]:
        """The requests, each with a number for every model that it may ask. Asked again, they have the same ones."""
        asked = [request.everyone for request in requests]
        numbers: list[list[str]] = [[] for _ in requests]
        for place in range(max(map(len, asked), default=0)):
            for request, members, equal in zip(requests, asked, numbers, strict=True):
                if place < len(members):
                    equal.append(self._number(request, members[place], place))
        return [replace(request, equal=tuple(equal)) for request, equal in zip(requests, numbers, strict=True)]

    def _number(self, request: AnswerRequest, member: Member, place: int) -> str:
        try:
            content = identity_of(request, member.for_sample(request.sample), request.prompt).content[:CONTENT_SHOWN]
        except MixtureError:
            return ""  # it can't be stored, and the call itself will say why
        given = (request.record, place, content)
        if given not in self._given:
            self._given[given] = self._next.get(content, 0)
            self._next[content] = self._given[given] + 1
        return f"{content}#{self._given[given]}"


async def through(
    store: Store | None,
    request: AnswerRequest,
    attempt: Attempt,
    call: Callable[[], Awaitable[AIMessage]],
    is_whole: Callable[[AIMessage], bool],
) -> tuple[AIMessage, bool]:
    """The message that the store has for a call or that ``call`` gives, and whether it was there already.

    Args:
        store: Where to look and to put; None calls at once.
        request: What is asked.
        attempt: Which model is asked, with which prompt. The store knows the answer by what was asked at first, however
            often it had to be asked until it came.
        call: Asks the model.
        is_whole: Whether a message is a whole success, which alone is stored.
    """
    if store is None or store.mode == "off":
        return await call(), False

    async def fresh() -> tuple[AIMessage, Entry | None]:
        message = await call()
        if not is_whole(message):
            return message, None
        return message, entry_of(message, model=attempt.member.reference, usage=usage_of(message))

    return await store.once(_identity(request, attempt.first), fresh, message_of)


async def found(store: Store | None, request: AnswerRequest, attempt: Attempt) -> AIMessage | None:
    """The message that the store has for a call, where it may be taken instead of a new one."""
    entry = None if store is None else await store.find(_identity(request, attempt.first))
    return None if entry is None else message_of(entry)


def _identity(request: AnswerRequest, attempt: Attempt) -> CallIdentity:
    return identity_of(request, attempt.member, attempt.prompt, attempt.equal)


def identity_of(request: AnswerRequest, member: Member, prompt: Prompt, equal: str = "") -> CallIdentity:
    """What a store knows a call by.

    Args:
        request: What is asked.
        member: Who is asked.
        prompt: What is shown.
        equal: Which one it is among equal calls, as :class:`EqualCalls` writes it.
    """
    return CallIdentity(
        model=member.reference,
        messages=[message_record(message) for message in prompt.messages()],
        parameters={**_settings(member), **dict(request.parameters)},
        base_url=member.settings.base_url,
        tools=prompt.tools,
        response_format=request.response_format
        and {"name": request.response_format.name, "schema": request.response_format.schema},
        number=int(equal.rpartition("#")[2] or 0),
        stage=request.stage,
        slot=request.slot,
        sample=request.sample,
    )


def _settings(member: Member) -> dict[str, Any]:
    settings = member.settings
    names = ("temperature", "max_tokens", "top_p", "stop", "seed", "extra")
    given = {name: getattr(settings, name) for name in names}
    if settings.reasoning is not None:
        given["reasoning"] = settings.reasoning  # left out of what was stored before there was such a setting
    if isinstance(settings.model, BaseChatModel):
        own = settings.model._identifying_params  # noqa: SLF001  (LangChain has no public name for it)
        given["object"] = {name: str(value) for name, value in own.items()}
    return given
