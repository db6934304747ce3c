"""How an answer is given: which fault strikes, when the first token comes, and how fast the rest follows."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from moa_graph.models.simulation.conversation import SimulatedRequest, text_of
from moa_graph.models.simulation.engine import Completion, complete, count_tokens
from moa_graph.models.simulation.faults import (
    EmptyFault,
    Fault,
    LengthFault,
    RefusalFault,
    SimulatedFault,
    SlowFault,
    StatusFault,
    UnsupportedParameterFault,
    WordsFault,
)
from moa_graph.models.simulation.profile import Profile

__all__ = ["Performance", "perform", "pieces_of"]

REFUSAL = "I'm sorry, I can't help with that."

_PIECE = re.compile(r"\S+\s*|\s+")


@dataclass(frozen=True, slots=True)
class Performance:
    """How one request is met.

    Attributes:
        completions: The answers, one for each of the request's ``n``.
        fault: What goes wrong with the connection or the body, if anything.
        first_token: Seconds until the first token.
        seconds_a_token: Seconds from one token to the next.
    """

    completions: tuple[Completion, ...]
    fault: Fault | None
    first_token: float
    seconds_a_token: float

    @property
    def duration(self) -> float:
        """Seconds until the whole answer is there; several answers are written at the same time."""
        longest = max(completion.completion_tokens for completion in self.completions)
        return self.first_token + longest * self.seconds_a_token

    def seconds_for(self, piece: str) -> float:
        """Seconds that writing ``piece`` takes."""
        return count_tokens(piece) * self.seconds_a_token if self.seconds_a_token else 0.0


def perform(profile: Profile, request: SimulatedRequest, number: int, first_sample: int = 0) -> Performance:
    """How ``profile`` meets ``request``.

    Args:
        profile: Who answers.
        request: What is asked.
        number: Which request to this model it is, from 1: only faults depend on it.
        first_sample: Number of the first of the answers, from 0.

    Raises:
        SimulatedFault: The request is refused, by a fault or because it can't be met.
    """
    fault, slowness = _faults(profile, number)
    match fault:
        case StatusFault():
            raise SimulatedFault.of(fault, profile.name)
        case UnsupportedParameterFault(param=param):
            if getattr(request, param, None) is not None:
                raise _unsupported(param)
    samples = range(first_sample, first_sample + (request.n or 1))
    completions = tuple(_altered(complete(profile, request, sample), fault) for sample in samples)
    return Performance(completions, fault, *_pace(profile, request, first_sample, slowness))


def _faults(profile: Profile, number: int) -> tuple[Fault | None, float]:
    """The first fault that strikes, and by how much the slow ones stretch time."""
    striking = [fault for fault in profile.faults if fault.strikes(profile.seed, number)]
    slowness = 1.0
    for fault in striking:
        if isinstance(fault, SlowFault):
            slowness *= fault.factor
    return next((fault for fault in striking if not isinstance(fault, SlowFault)), None), slowness


def _unsupported(param: str) -> SimulatedFault:
    message = f"Unsupported parameter: '{param}' is not supported with this model."
    return SimulatedFault(400, message, code="unsupported_parameter", param=param)


def _altered(completion: Completion, fault: Fault | None) -> Completion:
    match fault:
        case EmptyFault():
            return Completion("", completion.prompt_tokens)
        case RefusalFault():
            spent = count_tokens(REFUSAL)
            return Completion(None, completion.prompt_tokens, spent, refusal=REFUSAL)
        case LengthFault():
            content = (completion.content or "")[: len(completion.content or "") // 2]
            spent = count_tokens(content)
            return replace(completion, content=content, completion_tokens=spent, finish_reason="length")
        case WordsFault(text=text, times=times):
            said = text * times
            return Completion(said, completion.prompt_tokens, count_tokens(said))
    return completion


def _pace(profile: Profile, request: SimulatedRequest, sample: int, slowness: float) -> tuple[float, float]:
    latency = profile.latency
    wait = latency.first_token
    if latency.sigma and wait:
        asked = text_of(request.messages[-1].get("content"))
        wait = request.draws(profile.seed, sample).log_normal(wait, latency.sigma, "first token", asked)
    rate = latency.tokens_a_second
    return wait * slowness, slowness / rate if rate else 0.0


def pieces_of(text: str) -> list[str]:
    """``text`` in the pieces that are streamed: words, each with the space after it."""
    return _PIECE.findall(text)
