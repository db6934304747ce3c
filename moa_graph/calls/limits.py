"""What a provider allows, as mixtures say it, and the gate that keeps to it for all runs of an event loop."""

from __future__ import annotations

import os
import weakref
from functools import cache

from langchain_core.language_models import BaseChatModel
from pydantic import Field, SecretStr

from moa_graph.calls.gate import Gate, ModelQueue
from moa_graph.description import Description
from moa_graph.models.catalogue import Member
from moa_graph.models.clients import of_running_loop
from moa_graph.models.objects import asks_through_openai_sdk

__all__ = ["Limits", "queue_of"]


class Limits(Description):
    """What one provider allows one key. What isn't given isn't limited, until the provider itself says 429."""

    concurrency: int | None = Field(default=None, ge=1, description="Calls in flight at once.")
    requests: int | None = Field(default=None, ge=1, description="Requests a minute.")
    tokens: int | None = Field(default=None, ge=1, description="Prompt and output tokens a minute, estimated.")


def queue_of(member: Member, limits: Limits | None) -> ModelQueue:
    """The queue that all calls of the running event loop to a member's model go through, in its provider's gate.

    Models of one provider, address and key share a gate. Where mixtures say different limits, the lowest hold. Whose
    models two chat model objects are isn't known, so each has a gate of its own.

    Args:
        member: Who is asked.
        limits: What the mixture says of the provider; None where it says nothing.
    """
    model = member.settings.model
    gate = _gate_of_object(model) if isinstance(model, BaseChatModel) else _gate_of_provider(member)
    if _opens_connections(member):
        gate.narrow(most_connections(), None, None)
    if limits is not None:
        gate.narrow(limits.concurrency, limits.requests, limits.tokens)
    return gate.queue(member.reference)


def _gate_of_provider(member: Member) -> Gate:
    key = SecretStr(os.environ.get(member.key_variable or "", ""))
    return of_running_loop().once(("gate", member.provider, member.settings.base_url, key), Gate)


def _gate_of_object(model: BaseChatModel) -> Gate:
    """The object's gate, forgotten with it, since another may come to stand where it stood in memory."""
    gates: dict[int, Gate] = of_running_loop().once("gates of objects", dict)
    if id(model) not in gates:
        gates[id(model)] = Gate()
        weakref.finalize(model, gates.pop, id(model), None).atexit = False
    return gates[id(model)]


def _opens_connections(member: Member) -> bool:
    """Whether each call takes a connection, as far as that is known."""
    model = member.settings.model
    if isinstance(model, BaseChatModel):
        return asks_through_openai_sdk(model)
    return member.provider not in ("sim", "recorded")


FEWEST_CONNECTIONS = 16
KEPT_DESCRIPTORS = 200
"""Files that the rest of the process may have open."""


@cache
def most_connections() -> int | None:
    """How many connections to one provider the process may open; None where the system sets no limit.

    Three providers at once are reckoned with. What waits for a connection would otherwise fail for want of one.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return None
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY:
        return None
    return max((allowed - KEPT_DESCRIPTORS) // 3, FEWEST_CONNECTIONS)
