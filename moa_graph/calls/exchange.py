"""One request for an answer: paid from its grant, looked up in the store, let through its provider's gate, accounted.

What happened comes back as an :class:`ExchangeOutcome`. Whether to ask once more, and how, ``attempts.py`` decides.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from functools import partial
from typing import Literal

from langchain_core.messages import AIMessage
from langgraph.errors import GraphBubbleUp

from moa_graph.calls.answering import Answering
from moa_graph.calls.budget import NOTHING, ONE_CALL, most_of_one_call
from moa_graph.calls.failures import Diagnosis, classify, judge, usage_of
from moa_graph.calls.gate import ModelQueue, Ticket
from moa_graph.calls.ledger import OpenCall, stated_cost
from moa_graph.calls.limits import queue_of
from moa_graph.calls.mend import Attempt
from moa_graph.calls.model_call import message_of
from moa_graph.calls.reply import calls_tools
from moa_graph.calls.request import AnswerRequest
from moa_graph.calls.round import CallTime, CallTimedOut, Closed
from moa_graph.calls.sound import reasoning_characters
from moa_graph.calls.stored import found, through
from moa_graph.calls.structured import read
from moa_graph.errors import StoreMiss
from moa_graph.models.abilities import abilities_of
from moa_graph.state import Grant
from moa_graph.views import CHARACTERS_PER_TOKEN

__all__ = ["ExchangeOutcome", "exchange", "look_up", "wait_before"]

PATIENCE = 30
"""How many times its usual time an answer may take while something of it comes: half an hour of a slow local model."""

LONGEST_STREAM = 4_000_000
"""Characters, reasoning included, after which an answer that is streamed gets no more time."""

FIRST_WAIT = 0.5
LONGEST_WAIT = 8.0


@dataclass(frozen=True)
class ExchangeOutcome:
    """What came of one request.

    Args:
        message: A whole message.
        failure: Why there is none.
        refused: Of a 429, whether this call is to blame for it, or met it beside others that were too many.
        dropped: Parameters that the model wasn't told, since it refuses them.
    """

    message: AIMessage | None = None
    failure: Diagnosis | None = None
    refused: Literal["blamed", "beside others"] | None = None
    dropped: tuple[str, ...] = ()


async def exchange(
    answering: Answering, attempt: Attempt, time: CallTime, tries: int, *, first: bool
) -> ExchangeOutcome:
    """Makes one request and says what came of it.

    Args:
        answering: The answer that it is for.
        attempt: Who is asked, and with which prompt.
        time: The time that the model has.
        tries: Requests to this model that have failed.
        first: Whether it goes before all that wait at its provider's gate.

    Raises:
        StoreMiss: Replaying, and the call was never recorded.
    """
    return await _Exchange(answering, attempt, time, tries, first).outcome()


async def look_up(answering: Answering, attempt: Attempt) -> AIMessage | None:
    """The message that the store has for a call; None where there is none, and then nothing is spent or asked."""
    message = await found(answering.node.store, answering.request, attempt)
    if message is None or judge(message) is not None:
        return None
    call = answering.ledger.open(attempt.member, ONE_CALL, attempt.prompt, attempt.equal)
    answering.ledger.close(call, usage_of(message), None, hit=True)
    return message


def wait_before(tries: int, retry_after: float | None) -> float:
    """Seconds to wait before a request is made again.

    What the provider asks for is kept to. Otherwise the wait doubles each time, and chance takes up to half of it away,
    so that the slots of a stage don't come back all at once.

    Args:
        tries: Those that have failed.
        retry_after: Seconds that the provider asked to wait, if it did.
    """
    if retry_after is not None:
        return retry_after
    wait: float = min(FIRST_WAIT * 2 ** (tries - 1), LONGEST_WAIT)
    return wait * random.uniform(0.5, 1.0)


class _Exchange:
    """One request while it is made."""

    def __init__(self, answering: Answering, attempt: Attempt, time: CallTime, tries: int, first: bool) -> None:
        self.answering = answering
        self.attempt = attempt
        self.time = time
        self.tries = tries
        self.first = first
        streaming = answering.reader is not None and not attempt.unstreamed
        self.model, self.dropped = attempt.member.chat_model(streaming=streaming)
        self.queued = False
        self.need = self._need()
        self.sent: OpenCall | None = None
        self.refused: Literal["blamed", "beside others"] | None = None

    async def outcome(self) -> ExchangeOutcome:
        """Reserves what the request may use, makes it, and gives back what it didn't use."""
        balance, need, used = self.answering.balance, self.need, NOTHING
        if not balance.reserve(need):
            return ExchangeOutcome(failure=Diagnosis("over_budget", "the budget has nothing left for this answer"))
        try:
            message, hit, failure = await self._answer()
            used = self._note(need, message, failure, hit=hit)
        finally:
            balance.settle(need, used)
        return ExchangeOutcome(message if failure is None else None, failure, self.refused, self.dropped)

    def _need(self) -> Grant:
        if self.answering.balance.left is None:
            return ONE_CALL
        member = self.attempt.member
        return most_of_one_call(self.attempt.prompt.bytes, member.most_output, member.price)

    async def _answer(self) -> tuple[AIMessage | None, bool, Diagnosis | None]:
        """The model's message, whether it was stored, and what is wrong with it."""
        node, request, member = self.answering.node, self.answering.request, self.attempt.member
        try:
            async with self.time:
                message, hit = await through(node.store, request, self.attempt, self._send, self._is_whole)
        except (GraphBubbleUp, StoreMiss):
            raise
        except Closed as closed:
            return None, False, Diagnosis("cut", closed.reason)
        except CallTimedOut:
            return None, False, self._late()
        except Exception as error:
            return None, False, classify(error, member.key_variable, member.secrets)
        return message, hit, self._wrong_with(message)  # what another run's request gave is judged here too

    def _late(self) -> Diagnosis:
        timeout = self.answering.request.timeout
        if self.queued:
            return Diagnosis("rate_limited", f"rate limited: not sent within {timeout:g} s")
        return Diagnosis("timeout", f"no answer within {timeout:g} s: timeout (--timeout) gives a model more time")

    def _note(self, need: Grant, message: AIMessage | None, failure: Diagnosis | None, *, hit: bool) -> Grant:
        """Notes what the request has used in the ledger."""
        ledger, attempt = self.answering.ledger, self.attempt
        if self.sent is None:
            if message is None:
                return NOTHING  # no request went out
            # It came from the store, or from another run's request, which this one accounts for if that run was left.
            self.sent = ledger.open(attempt.member, need, attempt.prompt, attempt.equal)
        call = ledger.close(
            self.sent,
            usage_of(message) if message is not None else None,
            failure,
            hit=hit,
            written=self._written(message),
            cost=stated_cost(attempt.member, message),
        )
        return call["charged"]

    def _written(self, message: AIMessage | None) -> int:
        if message is None:
            return self.answering.written
        return len(message.text) + reasoning_characters(message)

    async def _send(self) -> AIMessage:
        """Through its provider's gate, and from there on in the ledger."""
        answering, attempt = self.answering, self.attempt
        queue = queue_of(attempt.member, answering.node.limits.get(attempt.member.provider))
        queue.check(self.time)
        self.queued = True
        ticket = await queue.enter(_tokens(attempt) if queue.counts_tokens else 0, first=self.first, clock=self.time)
        self.queued = False
        try:
            self.sent = answering.ledger.open(
                attempt.member, self.need, attempt.prompt, attempt.equal, _answers(answering.request, attempt)
            )
            answering.sent()
            number, reader, request = self.sent.attempt, answering.reader, answering.request
            if reader is not None and request.patient and request.timeout is not None:
                reader.noticed = partial(self._keep_going, request.timeout, _now() + PATIENCE * request.timeout)
            message = await message_of(
                self.model, attempt, request, answering.node, number, reader, self._why_cancelled
            )
        except Exception as error:
            self._tell_of_refusal(queue, ticket, classify(error))
            raise
        finally:
            queue.arrived(ticket)
            queue.leave()
        queue.went_well(ticket)
        return message

    def _keep_going(self, seconds: float, latest: float) -> None:
        """Gives an answer of which something has come more time, unless it seems to have no end."""
        now = _now()
        if now < latest and self.answering.written <= LONGEST_STREAM:
            self.time.keep_going(min(seconds, latest - now))

    def _tell_of_refusal(self, queue: ModelQueue, ticket: Ticket, failure: Diagnosis) -> None:
        """A 429 is for all calls to the model, and a try only of the call that is to blame for it."""
        if failure.is_throttled:
            wait = wait_before(self.tries + 1, failure.retry_after)
            blamed = queue.was_refused(ticket, wait, again=self.tries > 0, everywhere=failure.everywhere)
            self.refused = "blamed" if blamed else "beside others"

    def _is_whole(self, message: AIMessage) -> bool:
        request = self.answering.request
        if self._wrong_with(message) is not None:
            return False
        wanted = request.response_format
        return wanted is None or calls_tools(message, request) or read(message, wanted)[1] is None

    def _wrong_with(self, message: AIMessage) -> Diagnosis | None:
        """Why the message is no whole answer; None if it is one."""
        ended = message.response_metadata.get("finish_reason")
        if self.answering.streamed and not ended and abilities_of(self.model).says_why_it_ended:
            return Diagnosis("connection", "the answer's stream broke off", retryable=True)
        return judge(message)

    def _why_cancelled(self) -> str:
        """What the trace says of a request that was left."""
        if (reason := self.answering.node.round.reason) is not None:
            return f"cut: {reason}"
        return "timeout" if self.time.is_up else "the run was cancelled"


def _now() -> float:
    return asyncio.get_running_loop().time()


def _answers(request: AnswerRequest, attempt: Attempt) -> int:
    """How many answers one request asks for."""
    together = request.together
    return together.count if together is not None and together.asks(attempt.member) else 1


def _tokens(attempt: Attempt) -> int:
    """What a call is reckoned with where tokens a minute are limited."""
    return attempt.prompt.characters // CHARACTERS_PER_TOKEN + (attempt.member.most_output or 0)
