"""``moa doctor --probe``: one tiny request to each model, which tells more than any list."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from moa_graph.calls.budget import most_of_one_call
from moa_graph.calls.failures import Diagnosis, classify
from moa_graph.models.catalogue import Member

__all__ = ["Probed", "most_dollars", "probe", "probed_members"]

QUESTION = "Say OK."
MOST_TOKENS = 16
PATIENCE = 60.0
"""Seconds in which a model must answer."""


@dataclass(frozen=True)
class Probed:
    """What a model made of the request.

    Args:
        seconds: How long it took.
        failure: Why it gave no answer; None if it answered.
    """

    seconds: float
    failure: Diagnosis | None = None

    @property
    def told(self) -> str:
        """The truth in a few words."""
        return f"answers in {self.seconds:.1f} s" if self.failure is None else f"{self.failure.kind}"


def probed_members(members: Iterable[Member]) -> list[Member]:
    """The models that can be probed: each reference once, and only those that lack neither key nor package."""
    asked = {
        member.reference: member
        for member in members
        if member.provider not in ("sim", "recorded") and not (member.missing_key() or member.missing_package())
    }
    return [replace(member.asked_with({"max_tokens": MOST_TOKENS}), room=0) for member in asked.values()]


def most_dollars(members: Sequence[Member]) -> float | None:
    """What probing can cost at the very most; None where a price isn't known."""
    needs = [most_of_one_call(len(QUESTION) + 16, MOST_TOKENS, member.price) for member in members]
    known = all(member.price is not None for member in members)
    return sum(need["usd"] or 0.0 for need in needs) if known else None


async def probe(members: Sequence[Member]) -> dict[str, Probed]:
    """Asks each model, all side by side: reference to what came of it."""
    probed = await asyncio.gather(*map(_ask, members))
    return {member.reference: one for member, one in zip(members, probed, strict=True)}


async def _ask(member: Member) -> Probed:
    began = time.monotonic()
    failure = None
    try:
        async with asyncio.timeout(PATIENCE):
            await member.chat_model(streaming=False).model.ainvoke(QUESTION)
    except Exception as error:  # of whatever SDK is below: what it means is told in our words
        failure = classify(error, member.key_variable, member.secrets)
        if failure.refused_parameter is not None:
            failure = None  # it answered, and a run leaves the parameter out
    return Probed(time.monotonic() - began, failure)
