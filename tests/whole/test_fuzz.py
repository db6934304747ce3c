"""Whatever a model says, no run ends in a Python error, and no input takes more than 50 ms."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from typing import Any, cast

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_openai import ChatOpenAI

from moa_graph import create_moa
from moa_graph.calls.failures import classify, is_truncated, judge, usage_of
from moa_graph.calls.ledger import stated_cost
from moa_graph.calls.sound import reasoning_characters, sound
from moa_graph.calls.structured import read
from moa_graph.extract import extractor
from moa_graph.models.adapted import adapted
from moa_graph.models.catalogue import Catalogue
from moa_graph.response_format import ResponseFormat
from moa_graph.stages.judge import Comparison, Ranking
from moa_graph.visible import VisibleStream, answer_text, hidden_text, visible_text
from tests.models_for_tests import Asked, Reply, scripted
from tests.virtual_clock import run_virtual
from tests.whole.hostile import Hostile

LONGEST = 0.05
"""Seconds of processor time."""

FORMS = [ResponseFormat.of(Ranking), ResponseFormat.of(Comparison)]
EXTRACTORS = [extractor(name) for name in ("number", "choice", "exact", "json:confidence", "json:a")]
MEMBER = Catalogue({}).member(scripted("a"))


@functools.cache
def model() -> Any:
    return adapted(ChatOpenAI)(model="m", api_key="none")


def read_text(hostile: Hostile) -> None:
    text = hostile.text()
    visible_text(text)
    hidden_text(text)
    message = AIMessage(text)
    for response_format in FORMS:
        _, problem = read(message, response_format)
        assert problem is None or isinstance(problem, str)


def extract(hostile: Hostile) -> None:
    text = hostile.text()
    for one in EXTRACTORS:
        found = one(text)
        assert found is None or isinstance(found, str)


def stream(hostile: Hostile) -> None:
    text = hostile.text()[:20_000]
    showing, shown = VisibleStream(), ""
    fed = ""
    for piece in hostile.pieces(text):
        fed += piece
        added = showing.feed(piece)
        if added is None:
            showing, shown = VisibleStream(), ""
            added = showing.feed(fed)
        shown += added or ""
    last = showing.finish()
    if last is None:
        shown, showing = "", VisibleStream()
        last = (showing.feed(fed) or "") + (showing.finish() or "")
    assert shown + last == answer_text(text)


def read_message(hostile: Hostile) -> None:
    message = sound(AIMessage(hostile.text()[:5_000], response_metadata=hostile.metadata()))
    message.usage_metadata = hostile.usage()
    message.additional_kwargs["reasoning_content"] = hostile.value()
    judge(message)
    is_truncated(message)
    reasoning_characters(message)
    stated_cost(MEMBER, message)
    usage = usage_of(message)
    assert usage is None or all(count >= 0 for count in cast(dict[str, int], usage).values())


def read_answer(hostile: Hostile) -> None:
    """An answer is read, or is an error that is classified; one with a text and a choice is never lost."""
    body = json.loads(json.dumps(hostile.answer()))
    try:
        result = model()._create_chat_result(body)
    except Exception as error:
        classify(error)
        return
    message = sound(result.generations[0].message)
    judge(message)
    usage_of(message)
    assert isinstance(message.text, str)


def read_chunks(hostile: Hostile) -> None:
    whole: Any = None
    for chunk in hostile.chunks():
        converted = model()._convert_chunk_to_generation_chunk(chunk, AIMessageChunk, {})
        if converted is not None:
            whole = converted if whole is None else whole + converted
    if whole is not None:
        message = sound(whole.message)
        judge(message)
        usage_of(message)


KINDS: list[Callable[[Hostile], None]] = [read_text, extract, stream, read_message, read_answer, read_chunks]


def fuzz(kind: Callable[[Hostile], None], inputs: int, seed: int) -> None:
    slow = []
    for number in range(inputs):
        hostile = Hostile(seed + number)
        began = time.thread_time()
        kind(hostile)
        if time.thread_time() - began > LONGEST:
            slow.append(seed + number)
    # Once more, since the first time may have paid for a collection of garbage or a first import.
    for one in slow:
        hostile = Hostile(one)
        began = time.thread_time()
        kind(hostile)
        assert time.thread_time() - began <= LONGEST, f"{kind.__name__}, seed {one}"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_whatever_a_model_says_is_read(kind: Callable[[Hostile], None]) -> None:
    fuzz(kind, 150, seed=1)


def test_pieces_of_an_old_function_call_that_dont_fit_together_are_read() -> None:
    read_chunks(Hostile(6560))


@pytest.mark.acceptance
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_ten_thousand_things_of_each_kind_that_a_model_says_are_read(kind: Callable[[Hostile], None]) -> None:
    fuzz(kind, 10_000, seed=1_000)


def answered(seed: int, preset: int) -> None:
    """A run beside whose hostile model a sound one answers."""
    hostile = Hostile(seed)

    def say(_: Asked) -> Reply:
        return Reply(hostile.text()[:30_000], usage=(hostile.number(), hostile.number()))

    proposers = [scripted("hostile", say), scripted("sound", "Answer: 7"), scripted("other", "Answer: 7")]
    ends: list[Any] = [
        [{"vote": {}}],
        [{"stop": {"agreement": 0.6, "confidence": 0.5}}, {"aggregate": {"slot": scripted("writer")}}],
        [{"judge": {"slot": scripted("judge", say)}}],
        [{"judge": {"slot": scripted("judge", say), "compare": "pairs"}}],
        [
            {"propose": {"slots": proposers}},
            {"aggregate": {"slot": scripted("writer", say), "fallbacks": [proposers[1]]}},
        ],
        [{"score": {"slots": [scripted("judge", say)]}}, {"accept": {}}, {"aggregate": {"slot": scripted("writer")}}],
    ]
    stages = [{"propose": {"slots": proposers}}, *ends[preset % len(ends)]]

    async def run() -> Any:
        return (
            await create_moa({"stages": stages}).compile().ainvoke({"messages": [("user", hostile.text()[:500] + "?")]})
        )

    state = run_virtual(run)
    assert isinstance(state["messages"][-1].text, str)
    assert state["report"]["cost"] is None or state["report"]["cost"] >= 0
    json.dumps(state["report"], allow_nan=False)


@pytest.mark.parametrize("preset", range(6))
def test_a_hostile_model_ends_no_run(preset: int) -> None:
    for seed in range(4):
        answered(seed, preset)


@pytest.mark.acceptance
@pytest.mark.parametrize("preset", range(6))
def test_hostile_models_end_none_of_many_runs(preset: int) -> None:
    for seed in range(100, 200):
        answered(seed, preset)
