"""What is asked of a slot's models for one answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from langchain_core.messages import AIMessage

from moa_graph.models.catalogue import Member
from moa_graph.response_format import ResponseFormat
from moa_graph.views import Prompt

if TYPE_CHECKING:
    from moa_graph.calls.samples import Together

__all__ = ["AnswerRequest"]


@dataclass(frozen=True)
class AnswerRequest:
    """One answer to ask for.

    Args:
        record: Identity of the record that the answer becomes.
        kind: What the answer is: proposal, critique, synthesis, score, route.
        stage: Name of the stage.
        slot: Name of the slot.
        node: Name of the node, as the graph and the trace show it.
        sample: Number of the sample, from 0.
        about: Identity of the record that the answer is about, if it is about one.
        order: Place in the configured order: stage, slot, sample.
        members: The models to ask: the slot's own, then its fallbacks.
        prompt: What they are shown.
        tries: Most requests to one model, not counting one with a shortened prompt or fewer parameters.
        timeout: Seconds for one model's answer, retries included; None is no limit.
        patient: Whether the timeout begins anew at each token of an answer that is streamed, within bounds.
        partial: What becomes of an answer whose stream stops in the middle.
        answers: Whether this is the answer that the user sees being written.
        cap: Most characters of an answer that other models are shown.
        response_format: What a structured answer must fit; None for free text.
        closes: Whether it is the run's answer, whose tool calls are real, and whose response format is its only
            content; tool calls of any other are described in its text.
        parameters: Further parameters of the call: ``stop``, and how its tools are chosen.
        asked_before: Requests that this turn has made for the answer already, before it failed and was asked again.
        together: Other samples that the request asks for too.
        first_tokens: Tokens that are enough of it for the next stage to begin; None for the whole.
        live: Whether its text is told while it is written.
        hedge: The model that is asked as well when the answer is late; None waits for it.
        hedge_after: Seconds without an answer after which it is late.
        given: The answer, where another sample's request has brought it along.
        must_answer: Whether a failure is raised, as its provider's own error: nothing else can stand in for the answer.
        equal: For each model that may be asked, which one it is among the turn's equal calls; empty without a store.
    """

    record: str
    kind: str
    stage: str
    slot: str
    node: str
    sample: int
    order: tuple[int, int, int]
    members: tuple[Member, ...]
    prompt: Prompt
    tries: int = 3
    timeout: float | None = None
    patient: bool = False
    partial: Literal["retry", "keep"] = "retry"
    answers: bool = False
    cap: int = 100_000
    about: str | None = None
    response_format: ResponseFormat | None = None
    closes: bool = False
    parameters: tuple[tuple[str, Any], ...] = ()
    asked_before: int = 0
    together: Together | None = None
    first_tokens: int | None = None
    live: bool = False
    hedge: Member | None = None
    hedge_after: float = 0.0
    given: AIMessage | None = None
    must_answer: bool = False
    equal: tuple[str, ...] = ()

    @property
    def everyone(self) -> tuple[Member, ...]:
        """All models that may be asked: the slot's own, its fallbacks, its hedge."""
        return self.members if self.hedge is None else (*self.members, self.hedge)
