"""Runs that stop where an answer isn't stored yet, and record what they would have asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from langchain_core.messages import convert_to_messages
from langchain_openai.chat_models.base import BaseChatOpenAI
from langgraph.errors import GraphBubbleUp

from moa_graph.calls.format_ladder import highest_rung
from moa_graph.calls.model_call import TOOL_SETTINGS
from moa_graph.calls.structured import parameters_for, tool_parameters
from moa_graph.models.catalogue import Member
from moa_graph.response_format import ResponseFormat
from moa_graph.store import CallIdentity, Entry, Store

__all__ = ["DeferredCall", "DeferringStore", "PendingCall"]

T = TypeVar("T")

_SETTINGS = ("temperature", "max_tokens", "top_p", "stop", "seed")


class DeferredCall(GraphBubbleUp):
    """The call will be made by a job: the run has to be run again when its answer is there.

    LangGraph lets it through without stopping the nodes beside it, so a whole layer is deferred together.
    """


@dataclass(frozen=True)
class PendingCall:
    """A call that waits for a job.

    Args:
        key: What it is stored under.
        member: Who is asked.
        body: The request, as it would have been sent.
    """

    key: str
    member: Member
    body: Mapping[str, Any]


class DeferringStore(Store):
    """A store that leaves to a job every call that a job can make.

    Args:
        store: Holds the answers, and makes the other calls.
        members: The models of the mixture.
    """

    def __init__(self, store: Store, members: Iterable[Member]) -> None:
        super().__init__(store.backend, store.mode, ttl=store.ttl, missing=store.missing)
        self._store = store
        self._members = list(members)
        self.waiting: dict[str, PendingCall] = {}
        self.direct: set[str] = set()
        """Keys of calls that failed in jobs: they are made directly."""

    async def once(
        self,
        identity: CallIdentity,
        call: Callable[[], Awaitable[tuple[T, Entry | None]]],
        restore: Callable[[Entry], T],
    ) -> tuple[T, bool]:
        """The stored reply, or a call that no job can make.

        Raises:
            DeferredCall: A job will make the call.
        """
        entry = await self._stored(identity)
        if entry is not None:
            return restore(entry), True
        if identity.key not in self.direct and (waiting := self._waiting(identity)) is not None:
            self.waiting[identity.key] = waiting
            raise DeferredCall(identity.key)
        return await self._store.once(identity, call, restore)

    def _waiting(self, identity: CallIdentity) -> PendingCall | None:
        """The call as a line of a job; None where its provider takes no jobs that we know."""
        alike = [member for member in self._members if member.reference == identity.model]
        if not alike:
            return None
        given = {name: identity.parameters.get(name) for name in _SETTINGS}
        member = alike[0].asked_with({name: value for name, value in given.items() if value is not None})
        model = member.chat_model(streaming=False).model
        if not isinstance(model, BaseChatOpenAI):
            return None
        body = model._get_request_payload(  # noqa: SLF001  (the body that LangChain itself would send)
            convert_to_messages([dict(message) for message in identity.messages]), **_parameters(model, identity)
        )
        return PendingCall(identity.key, member, {name: value for name, value in body.items() if name != "stream"})


def _parameters(model: BaseChatOpenAI, identity: CallIdentity) -> dict[str, Any]:
    """What of a call isn't a setting of its model: tools, and the response format."""
    known = {*_SETTINGS, "extra", "object"}
    parameters = {name: value for name, value in identity.parameters.items() if name not in known and value is not None}
    tools: Sequence[Any] = identity.tools
    if tools:
        settings = {name: parameters.pop(name) for name in TOOL_SETTINGS if name in parameters}
        parameters |= tool_parameters(model, tuple(dict(tool) for tool in tools), settings)
    if identity.response_format is not None:
        response_format = ResponseFormat(identity.response_format["name"], identity.response_format["schema"])
        parameters |= parameters_for(model, response_format, highest_rung(model), beside_tools=bool(tools))
    return parameters
