"""The one path that every model call takes, from the grant to the record.

Within the grant? Then the call, in its round; what can pass is tried again, what can be mended is mended, fallbacks
follow; every request is in the ledger, told as an event, and ends as a record. A model's failure never comes out as an
exception: only cancellation and LangGraph's own control flow pass through.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Literal

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langgraph.errors import GraphBubbleUp

from moa_graph.calls.account import Account
from moa_graph.calls.answer import AnswerStream
from moa_graph.calls.budget import NOTHING, ONE_CALL, affordable_bytes, bytes_of_prompt, most_of_one_call
from moa_graph.calls.events import RecordFinished
from moa_graph.calls.failures import Diagnosis, classify, judge, usage_of
from moa_graph.calls.first_tokens import FirstTokens
from moa_graph.calls.gate import Door, Ticket
from moa_graph.calls.hedge import hedged
from moa_graph.calls.ledger import Ledger, stated_cost, total
from moa_graph.calls.limits import door_of
from moa_graph.calls.media import readable_by
from moa_graph.calls.mend import Attempt, fits_at_all, fitted_to_window, mended, repaired
from moa_graph.calls.model_call import message_of
from moa_graph.calls.reply import Reply, calls_tools, reply_in
from moa_graph.calls.request import Request
from moa_graph.calls.retry import wait_before
from moa_graph.calls.round import CallTimedOut, Closed
from moa_graph.calls.stored import through
from moa_graph.calls.structured import read
from moa_graph.calls.surroundings import Surroundings
from moa_graph.calls.tracing import describe_node
from moa_graph.errors import StoreMiss
from moa_graph.models.catalogue import Member
from moa_graph.state import Call, Grant, Record
from moa_graph.views import CHARACTERS_PER_TOKEN, cut_middle, visible_text

__all__ = ["Surroundings", "ask"]

TOLD_OF_RECORDS = frozenset(RecordFinished.__annotations__) - {"type", "mixture"}

NOTHING_WORKED = Diagnosis("bad_request", "no model to ask")


async def ask(request: Request, around: Surroundings) -> tuple[Record, list[Call]]:
    """Asks for one answer, fallbacks and hedge included: a record, live or failed, and the calls that it took."""
    account = Account.of(request, around.grants)
    if request.hedge is None:
        record, calls = await _ask(request, around, account)
    else:
        record, calls = await hedged(request, request.hedge, around, account, _ask)
    describe_node(around.config, around.mixture, record, calls)
    told = {key: value for key, value in record.items() if key in TOLD_OF_RECORDS}
    around.write({"type": "record_finished", "mixture": around.mixture, **told})
    return record, calls


async def _ask(
    request: Request, around: Surroundings, account: Account, begin: Callable[[], None] | None = None
) -> tuple[Record, list[Call]]:
    started, clock = time.time(), asyncio.get_running_loop().time()
    asking = _Asking(request, around, account, begin)
    reply = await asking.first_live_reply()
    usage, cost = total(asking.ledger.calls)
    record: Record = {
        "id": request.record,
        "kind": request.kind,
        "stage": request.stage,
        "slot": request.slot,
        "sample": request.sample,
        "order": list(request.order),
        "model": reply.member.reference,
        "status": "failed" if reply.failure else "live",
        "text": cut_middle(reply.text, request.cap),
        "failure": reply.failure.record() if reply.failure else None,
        "notes": list(reply.notes),
        "usage": usage,
        "cost": cost,
        "started": started,
        "seconds": asyncio.get_running_loop().time() - clock,
    }
    if request.about is not None:
        record["about"] = request.about
    if reply.data is not None:
        record["data"] = reply.data
    if reply.tool_calls:
        record["tool_calls"] = list(reply.tool_calls)
    if reply.truncated:
        record["truncated"] = True
    if isinstance(asking.answer, AnswerStream) and asking.answer.begun:
        record["message_id"] = asking.answer.message_id
    return record, asking.ledger.calls


class _Asking:
    """One answer being asked for."""

    def __init__(
        self, request: Request, around: Surroundings, account: Account, begin: Callable[[], None] | None
    ) -> None:
        self.request = request
        self.around = around
        self.ledger = Ledger(request, around.mixture, around.write, account.numbers)
        self.purse = account.purse
        self.answer = self._stream(begin)
        self.tries = 0
        self.queued = False
        self.refused: Literal["blamed", "beside others"] | None = None

    def _stream(self, begin: Callable[[], None] | None) -> AnswerStream | FirstTokens | None:
        """What reads along while the answer is streamed; None for one that comes whole."""
        request, around = self.request, self.around
        if request.answers:
            return AnswerStream(around.mixture, request.stage, around.write, begin)
        if request.first_tokens is None:
            return None
        return FirstTokens(request.first_tokens, partial(around.round.count_beginning, request.record))

    async def first_live_reply(self) -> Reply:
        """The reply of the first member that gives one, or the last one's failure."""
        reply = Reply(self.request.members[0], failure=NOTHING_WORKED)
        failed: list[str] = []
        missed: StoreMiss | None = None
        equals = self.request.equal or ("",) * len(self.request.members)
        for member, equal in zip(self.request.members, equals, strict=False):
            try:
                reply = await self._reply_of(member, equal)
            except StoreMiss as miss:
                missed = missed or miss
                failed.append(f"{member.name} isn't in the recording")
                continue
            if reply.failure is None:
                return replace(reply, notes=(*failed, *reply.notes)) if failed else reply
            failed.append(f"{member.name} failed ({reply.failure.kind}): {reply.failure.message}")
            self._begin_again(failed[-1])
            if reply.failure.kind == "cut":
                break
        if missed is not None:
            raise missed
        return replace(reply, notes=(*failed[:-1], *reply.notes))

    async def _reply_of(self, member: Member, equal: str) -> Reply:
        """One member's reply within its timeout, as long as the round is open."""
        self.queued = False
        if member is self.request.members[0] and (brought := self._brought_along(member)) is not None:
            return brought
        try:
            async with self.around.round.limit(self.request.timeout) as self.time:
                member = member.for_sample(self.request.sample)
                prompt, left_out = readable_by(member, self.request.prompt)
                attempt = fitted_to_window(member, prompt, left_out)
                return await self._attempts(replace(attempt, equal=equal) if equal else attempt)
        except Closed as closed:
            failure = Diagnosis("cut", closed.reason)
        except CallTimedOut:
            failure = Diagnosis("timeout", f"no answer within {self.request.timeout:g} s")
            if self.queued:
                failure = Diagnosis("rate_limited", f"refused for now: not sent within {self.request.timeout:g} s")
        self.ledger.abandon(failure.record(), self.answer.text if self.answer is not None else "")
        return self._kept_partial(member) or Reply(member, failure=failure)

    def _brought_along(self, member: Member) -> Reply | None:
        """The answer that another sample's request has brought; None where there is none that can be used."""
        message = self.request.given
        if message is None or judge(message) is not None:
            return None
        note = "it came with the first sample's request, which bears its cost"
        return reply_in(message, self.request, member, (note,))

    async def _attempts(self, attempt: Attempt) -> Reply:
        """Asks until there is an answer, nothing more can be tried, or the tries are used up."""
        if not fits_at_all(attempt.member, attempt.prompt):
            too_long = f"the conversation is too long for a window of {attempt.member.window} tokens"
            return Reply(attempt.member, failure=Diagnosis("context_overflow", too_long))
        self.asked = self._within_grant(attempt)
        self.tries = 0
        while True:
            reply = await self._one_call(attempt)
            if reply.failure is None:
                return reply
            better = self._better(attempt, reply.text, reply.failure)
            if better is not None:
                attempt = better
            else:
                self.tries += self.refused != "beside others"
                wait = wait_before(self.tries, reply.failure.retry_after, random.random())
                if not reply.failure.retryable or self.tries >= self.request.tries or self.time.ends_within(wait):
                    return self._kept_partial(attempt.member) or reply
                if self.refused is None:
                    await asyncio.sleep(wait)  # one that was refused waits at its provider's gate
            self._begin_again(reply.failure.message)

    def _better(self, attempt: Attempt, text: str, failure: Diagnosis) -> Attempt | None:
        """The attempt changed so that it may work; None where nothing can be changed."""
        limited = self.purse.left is not None
        return (
            mended(attempt, failure, limited=limited)
            or repaired(attempt, text, failure)
            or self._one_at_a_time(attempt, failure)
        )

    def _one_at_a_time(self, attempt: Attempt, failure: Diagnosis) -> Attempt | None:
        """The attempt for one sample alone, where one for several was refused."""
        together = self.request.together
        if failure.kind != "bad_request" or together is None or not together.asks(attempt.member):
            return None
        together.give_up()
        return replace(attempt, notes=(*attempt.notes, "asked for one sample a request: several were refused"))

    async def _one_call(self, attempt: Attempt) -> Reply:
        """One request: paid from the grant, made, noted in the ledger and judged."""
        attempt = self._within_grant(attempt)
        need = self._need_of(attempt)
        if not self.purse.take(need):
            failure = Diagnosis("over_budget", "the budget has no more for this answer")
            return Reply(attempt.member, attempt.notes, failure=failure)
        model, dropped = attempt.member.chat_model(streaming=self.answer is not None)
        notes = attempt.notes + tuple(f"{name} was left out: the model refuses it" for name in dropped)
        try:
            message, hit, problem = await self._request(attempt, model, need)
        except (StoreMiss, asyncio.CancelledError):
            if not self.ledger.is_open:
                self.purse.settle(need, NOTHING)  # no request went out
            raise
        if message is not None and not self.ledger.is_open:  # it came from the store, or from another run's request
            hit = True
            self.ledger.open(attempt.member, need, attempt.prompt, attempt.equal)
        if self.ledger.is_open:
            self._settle(attempt, need, message, problem, hit=hit)
        else:
            self.purse.settle(need, NOTHING)  # no request went out
        if problem is not None or message is None:
            return Reply(attempt.member, notes, failure=problem)
        if self.answer is not None:
            self.answer.finish()
        return reply_in(message, self.request, attempt.member, notes)

    def _settle(
        self, attempt: Attempt, need: Grant, message: AIMessage | None, problem: Diagnosis | None, *, hit: bool
    ) -> None:
        """Notes what the request has used, and returns the rest of what was set aside for it."""
        call = self.ledger.end(
            usage_of(message) if message else None,
            problem.record() if problem is not None else None,
            hit=hit,
            begun=problem is not None and problem.begun,
            partial=self.answer.text if self.answer is not None else "",
            cost=stated_cost(attempt.member, message),
        )
        self.purse.settle(need, call["charged"])

    async def _request(
        self, attempt: Attempt, model: BaseChatModel, need: Grant
    ) -> tuple[AIMessage | None, bool, Diagnosis | None]:
        """The model's message, whether it was stored, and what is wrong with it."""

        async def call() -> AIMessage:
            return await self._send(attempt, model, need)

        def problem_of(message: AIMessage) -> Diagnosis | None:
            return self._stopped_in_the_middle(message, model) or judge(message)

        def is_whole(message: AIMessage) -> bool:
            return problem_of(message) is None and self._fits_schema(message)

        try:
            message, hit = await through(self.around.store, self.request, self.asked, call, is_whole)
        except (GraphBubbleUp, StoreMiss):
            raise
        except Exception as error:
            return None, False, classify(error, attempt.member.key_variable, attempt.member.secrets)
        return message, hit, problem_of(message)  # what another run's request gave is judged here too

    async def _send(self, attempt: Attempt, model: BaseChatModel, need: Grant) -> AIMessage:
        """One request: through its provider's gate, and from there on in the ledger."""
        door = door_of(attempt.member, self.around.limits.get(attempt.member.provider))
        door.check(self.time)
        tokens = _expected_tokens(attempt) if door.counts_tokens else 0
        self.queued = True
        ticket = await door.enter(tokens, first=self.refused == "beside others", clock=self.time)
        self.refused = None
        self.queued = False
        try:
            self.ledger.open(attempt.member, need, attempt.prompt, attempt.equal)
            self.around.round.note_request()
            number, reader = self.ledger.attempt, self.answer
            message = await message_of(model, attempt, self.request, self.around, number, reader, self._why_cancelled)
        except Exception as error:
            self._tell_of_refusal(door, ticket, classify(error))
            raise
        finally:
            door.leave()
        door.went_well(ticket)
        return message

    def _tell_of_refusal(self, door: Door, ticket: Ticket, failure: Diagnosis) -> None:
        """A 429 is for all calls to the model, and a try only of the call that is to blame for it."""
        if failure.is_throttled:
            wait = wait_before(self.tries + 1, failure.retry_after, random.random())
            blamed = door.was_refused(ticket, wait, again=self.tries > 0, everywhere=failure.everywhere)
            self.refused = "blamed" if blamed else "beside others"

    def _fits_schema(self, message: AIMessage) -> bool:
        schema = self.request.schema
        return schema is None or calls_tools(message, self.request) or read(message, schema)[1] is None

    def _stopped_in_the_middle(self, message: AIMessage, model: BaseChatModel) -> Diagnosis | None:
        """OpenAI's protocol always gives a reason for an answer's end; a stream without one was broken off."""
        if self.answer is None or not self.answer.text or message.response_metadata.get("finish_reason"):
            return None
        if any(base.__name__ == "BaseChatOpenAI" for base in type(model).__mro__):
            return Diagnosis("connection", "the answer's stream stopped in the middle", retryable=True)
        return None

    def _within_grant(self, attempt: Attempt) -> Attempt:
        """The closing answer's references are cut to what its grant pays for."""
        if self.purse.left is None or not attempt.prompt.references or not self.request.answers:
            return attempt
        settings, prompt = attempt.member.settings, attempt.prompt
        affordable = affordable_bytes(self.purse.left, settings.max_tokens, attempt.member.price)
        needed = bytes_of_prompt(prompt)
        if affordable is None or needed <= affordable:
            return attempt
        shorter = prompt.fitted(prompt.characters * max(affordable, 0) // needed)
        return replace(attempt, prompt=shorter, notes=(*attempt.notes, "references were shortened to fit the budget"))

    def _need_of(self, attempt: Attempt) -> Grant:
        if self.purse.left is None:
            return ONE_CALL
        settings = attempt.member.settings
        return most_of_one_call(bytes_of_prompt(attempt.prompt), settings.max_tokens, attempt.member.price)

    def _kept_partial(self, member: Member) -> Reply | None:
        """What came of an answer whose stream stopped, where the slot or the next stage says to keep it."""
        text = visible_text(self.answer.text) if self.answer is not None else ""
        if self.answer is None or not text:
            return None
        if isinstance(self.answer, FirstTokens) and self.answer.enough:
            return Reply(member, ("the next stage began with this part of it",), text, truncated=True)
        if self.request.partial == "retry":
            return None
        self.answer.finish()
        return Reply(member, ("the answer's stream stopped in the middle: this is the part that came",), text)

    def _begin_again(self, reason: str) -> None:
        if self.answer is not None:
            self.answer.begin_again(reason)

    def _why_cancelled(self) -> str:
        """What the trace says of a request that was left."""
        if self.around.round.reason is not None:
            return f"cut: {self.around.round.reason}"
        return "timeout" if self.time.scope.expired() else "the run was cancelled"


def _expected_tokens(attempt: Attempt) -> int:
    """What a call is reckoned with where tokens a minute are limited."""
    return attempt.prompt.characters // CHARACTERS_PER_TOKEN + (attempt.member.settings.max_tokens or 0)
