"""Requests and profiles that the tests of simulated models share."""

from __future__ import annotations

from typing import Any

from moa_graph.models.simulation import Completion, Profile, SimulatedRequest, complete
from moa_graph.views import fence

QUESTION = "What is 17 * 24 + 3?"


def instant(name: str = "tester", **fields: Any) -> Profile:
    """A profile that takes no time."""
    return Profile.model_validate({"name": name, "latency": {"first_token": 0, "tokens_a_second": None}, **fields})


def request(question: str = QUESTION, system: str | None = None, **fields: Any) -> SimulatedRequest:
    messages = [{"role": "user", "content": question}]
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    return SimulatedRequest.model_validate({"model": "tester", "messages": messages, **fields})


def shown(*references: str, question: str = QUESTION, **fields: Any) -> SimulatedRequest:
    """A request whose system message shows references."""
    return request(question, f"Synthesize these responses.\n\n{fence(references)}", **fields)


def answer_to(asked: SimulatedRequest, profile: Profile | None = None, sample: int = 0) -> Completion:
    return complete(profile or instant(), asked, sample)


def text_of(asked: SimulatedRequest, profile: Profile | None = None, sample: int = 0) -> str:
    content = answer_to(asked, profile, sample).content
    assert content is not None
    return content
