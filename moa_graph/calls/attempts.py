"""One answer from a slot's models: fallbacks, retries and mended prompts, over single exchanges."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from moa_graph.calls.answering import Answering
from moa_graph.calls.budget import affordable_bytes
from moa_graph.calls.exchange import ExchangeOutcome, exchange, look_up, wait_before
from moa_graph.calls.failures import Diagnosis, judge
from moa_graph.calls.format_ladder import one_rung_down, rung_of
from moa_graph.calls.media import readable_by, without_media
from moa_graph.calls.mend import (
    Attempt,
    fits_at_all,
    fitted_to_window,
    mended,
    repaired,
    roomier,
    told_of_references,
    unstreamed,
)
from moa_graph.calls.reply import ModelReply, reply_in
from moa_graph.calls.round import CallTime, CallTimedOut, Closed
from moa_graph.calls.streams import AnswerStream, FirstTokens
from moa_graph.errors import StoreMiss
from moa_graph.models.catalogue import Member
from moa_graph.visible import answer_text

__all__ = ["first_live_reply", "stored_reply"]

NOTHING_WORKED = Diagnosis("bad_request", "no model to ask")


async def first_live_reply(answering: Answering) -> ModelReply:
    """The reply of the first member that gives one, or the last one's failure.

    Raises:
        StoreMiss: Replaying, and no member gave a reply while at least one was never recorded.
    """
    reply = ModelReply(answering.request.members[0], failure=NOTHING_WORKED)
    failed: list[str] = []
    missed: StoreMiss | None = None
    for place, member in enumerate(answering.request.members):
        try:
            reply = await _reply_of(answering, place)
        except StoreMiss as miss:
            missed = missed or miss
            failed.append(f"{member.name} isn't in the recording")
            continue
        if reply.failure is None:
            return replace(reply, notes=(*failed, *reply.notes)) if failed else reply
        failed.append(f"{member.name} failed ({reply.failure.kind}): {reply.failure.message}")
        answering.begin_again(failed[-1])
        if reply.failure.kind == "cut":
            break
    if missed is not None:
        raise missed
    return replace(reply, notes=(*failed[:-1], *reply.notes))


async def stored_reply(answering: Answering) -> ModelReply | None:
    """What the store has of the first member's reply; None where there is nothing, and the models are to be asked."""
    attempt = _first_attempt(answering, 0)
    message = await look_up(answering, attempt)
    reply = None if message is None else reply_in(message, answering.request, attempt.member, attempt.notes)
    return reply if reply is not None and reply.failure is None else None


async def _reply_of(answering: Answering, place: int) -> ModelReply:
    """One member's reply, asked for until there is one, nothing more can be tried, or the tries are used up."""
    request = answering.request
    if place == 0 and (brought := _brought_along(answering)) is not None:
        return brought
    attempt, time = _first_attempt(answering, place), answering.node.round.limit(request.timeout)
    if not fits_at_all(attempt.member, attempt.prompt):
        too_long = f"the conversation is too long for a window of {attempt.member.window} tokens"
        return ModelReply(attempt.member, failure=Diagnosis("context_overflow", too_long))
    tries, outcome = 0, ExchangeOutcome()
    while True:
        attempt = _within_grant(answering, attempt)
        outcome = await exchange(answering, attempt, time, tries, first=outcome.refused == "beside others")
        reply = _reply(answering, attempt, outcome)
        if reply.failure is None:
            return reply
        if (better := _better(answering, attempt, reply)) is not None:
            attempt = better
        else:
            tries += outcome.refused != "beside others"
            given_up = await _give_up(answering, reply.failure, outcome, tries, time)
            if given_up is not None:
                return _kept_partial(answering, attempt.member) or replace(reply, failure=given_up)
        answering.begin_again(reply.failure.message)


def _first_attempt(answering: Answering, place: int) -> Attempt:
    """How a member is asked at first: with its own settings for this sample, and what it can be shown.

    Args:
        answering: The answer that is asked for.
        place: The member's place among those of the request.
    """
    request = answering.request
    member = request.members[place].for_sample(request.sample)
    prompt, left_out = readable_by(member, request.prompt)
    equal = request.equal[place] if request.equal else ""
    rung = rung_of(member) if request.response_format is not None else None
    attempt = fitted_to_window(Attempt(member, prompt, left_out, equal=equal, rung=rung))
    attempt = _within_grant(answering, attempt)
    return attempt if attempt.asked_at_first is None else replace(attempt, asked_at_first=None)


def _brought_along(answering: Answering) -> ModelReply | None:
    """The answer that another sample's request has brought; None where there is none that can be used."""
    request = answering.request
    if request.given is None or judge(request.given) is not None:
        return None
    note = "it came with the first sample's request, which carries its cost"
    return reply_in(request.given, request, request.members[0], (note,))


def _reply(answering: Answering, attempt: Attempt, outcome: ExchangeOutcome) -> ModelReply:
    """What an outcome is worth as a reply."""
    member, reader = attempt.member, answering.reader
    if outcome.message is None:
        return ModelReply(member, attempt.notes, failure=outcome.failure)
    if reader is not None:
        reader.finish()
    notes = attempt.notes + tuple(f"{name} was left out: the model refuses it" for name in outcome.dropped)
    reply = reply_in(outcome.message, answering.request, member, notes)
    message_id = _message_id(answering)
    return reply if message_id is None else replace(reply, message_id=message_id)


async def _give_up(
    answering: Answering, failure: Diagnosis, outcome: ExchangeOutcome, tries: int, time: CallTime
) -> Diagnosis | None:
    """Waits until the next try is due. What to give up with, where there won't be one."""
    wait = wait_before(tries, failure.retry_after)
    if not failure.retryable or tries >= answering.request.tries or time.ends_within(wait):
        return failure
    if outcome.refused is not None:
        return None  # it waits at its provider's gate
    try:
        async with time:
            await asyncio.sleep(wait)
    except Closed as closed:
        return Diagnosis("cut", closed.reason)
    except CallTimedOut:
        return failure
    return None


def _better(answering: Answering, attempt: Attempt, reply: ModelReply) -> Attempt | None:
    """The attempt changed so that it may work; None where nothing can be changed."""
    failure = reply.failure
    assert failure is not None, "only a failed attempt is made better"
    limited = answering.balance.left is not None
    better = (
        without_media(attempt, failure)
        or one_rung_down(attempt, failure)
        or mended(attempt, failure, limited=limited)
        or roomier(attempt, failure, answering.balance.left)
        or repaired(attempt, reply.text, failure)
        or unstreamed(attempt, failure, streamed=answering.reader is not None)
    )
    together = answering.request.together
    if better is None and failure.kind == "bad_request" and together is not None and together.asks(attempt.member):
        together.give_up()
        better = attempt.changed("asked for one sample a request: several were refused")
    return better


def _within_grant(answering: Answering, attempt: Attempt) -> Attempt:
    """The closing answer's references are cut to what its grant pays for."""
    left, prompt, member = answering.balance.left, attempt.prompt, attempt.member
    if left is None or not prompt.references or not answering.request.answers:
        return attempt
    affordable = affordable_bytes(left, member.most_output, member.price)
    needed = prompt.bytes
    if affordable is None or needed <= affordable:
        return attempt
    shorter = prompt.fitted(prompt.characters * max(affordable, 0) // needed)
    return attempt.changed(told_of_references(prompt, shorter, "the budget"), prompt=shorter)


def _kept_partial(answering: Answering, member: Member) -> ModelReply | None:
    """What came of an answer whose stream stopped, where the slot or the next stage says to keep it."""
    reader, text = answering.reader, answer_text(answering.streamed)
    if reader is None or not text:
        return None
    if isinstance(reader, FirstTokens) and reader.enough:
        return ModelReply(member, ("the next stage began with this part of it",), text, truncated=True)
    if answering.request.partial == "retry":
        return None
    reader.finish()
    note = "the answer's stream broke off: this is the part that came"
    return ModelReply(member, (note,), text, message_id=_message_id(answering))


def _message_id(answering: Answering) -> str | None:
    """Under which the answer was streamed; None where nothing of it was."""
    reader = answering.reader
    return reader.message_id if isinstance(reader, AnswerStream) and reader.begun else None
