"""What was paid for is found again by what was asked, wherever in a mixture it is asked."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from moa_graph import create_moa
from moa_graph.errors import StoreMiss
from moa_graph.store import MemoryBackend, Store
from tests.models_for_tests import ScriptedModel, provider_error, scripted

pytestmark = pytest.mark.virtual_clock

QUESTION: Any = {"messages": [("user", "a question")]}


def counting(name: str) -> ScriptedModel:
    """A model that never gives the same answer twice."""
    return scripted(name, *(f"{name} {number}" for number in range(20)))


async def run(stages: list[Any], backend: MemoryBackend, mode: Any = "cache", **more: Any) -> dict[str, Any]:
    graph = create_moa({"name": more.pop("name", "a"), "stages": stages, **more}, store=Store(backend, mode))
    return dict(await graph.compile().ainvoke(QUESTION, output_keys=["records", "report", "ledger"]))


def proposals(state: dict[str, Any]) -> list[str]:
    return [record["text"] for record in state["records"] if record["kind"] == "proposal"]


def propose(*slots: Any, **more: Any) -> dict[str, Any]:
    return {"propose": {"slots": list(slots), **more}}


def aggregate(slot: Any) -> dict[str, Any]:
    return {"aggregate": {"slot": slot}}


async def test_renamed_slots_and_stages_of_another_mixture_find_their_calls() -> None:
    backend, a, b, writer = MemoryBackend(), counting("a"), counting("b"), counting("writer")
    first = await run([propose(a, b), aggregate(writer)], backend)
    renamed = [propose({"name": "x", "model": a}, {"name": "y", "model": b}, name="panel"), aggregate(writer)]
    second = await run(renamed, backend, "replay", name="another")
    assert proposals(first) == proposals(second) == ["a 0", "b 0"]
    assert (second["report"]["calls"], second["report"]["hits"]) == (0, 3)


async def test_moved_slots_find_their_calls() -> None:
    backend, a, b, writer = MemoryBackend(), counting("a"), counting("b"), counting("writer")
    await run([propose(a, b), aggregate(writer)], backend)
    moved = await run([propose(b, a), aggregate(writer)], backend)
    assert proposals(moved) == ["b 0", "a 0"]
    assert [len(model.journal.asked) for model in (a, b, writer)] == [1, 1, 2]  # its references came in another order


async def test_a_tuning_run_with_fewer_samples_pays_for_the_aggregator_alone() -> None:
    backend, a, writer = MemoryBackend(), counting("a"), counting("writer")
    await run([propose({"model": a, "samples": 4}), aggregate(writer)], backend)
    fewer = await run([propose({"model": a, "samples": 3}), aggregate(writer)], backend)
    assert proposals(fewer) == ["a 0", "a 1", "a 2"]
    assert [len(model.journal.asked) for model in (a, writer)] == [4, 2]


async def test_samples_of_one_slot_are_the_equal_calls_of_several() -> None:
    backend, a, writer = MemoryBackend(), counting("a"), counting("writer")
    await run([propose({"model": a, "samples": 3}), aggregate(writer)], backend)
    slots = await run([propose(a, a, a), aggregate(writer)], backend, "replay")
    assert proposals(slots) == ["a 0", "a 1", "a 2"]


async def test_equal_slots_have_an_answer_each_and_a_replay_gives_it_back() -> None:
    backend, a, writer = MemoryBackend(), counting("a"), counting("writer")
    stages = [propose(a, {"model": a, "samples": 2}), aggregate(writer)]
    recorded, replayed = await run(stages, backend, "record"), await run(stages, backend, "replay")
    assert proposals(recorded) == proposals(replayed) == ["a 0", "a 1", "a 2"]


async def test_equal_calls_of_two_stages_have_an_answer_each() -> None:
    backend, a, writer = MemoryBackend(), counting("a"), counting("writer")
    stages = [propose(a), propose(a, view="none"), aggregate(writer)]
    recorded, replayed = await run(stages, backend, "cache"), await run(stages, backend, "replay")
    assert proposals(recorded) == proposals(replayed) == ["a 0", "a 1"]


async def test_a_fallback_that_is_a_slot_too_has_an_answer_of_its_own() -> None:
    backend, a, writer = MemoryBackend(), counting("a"), counting("writer")
    broken = scripted("broken", provider_error(400))
    stages = [propose({"model": broken, "fallbacks": [a]}, a), aggregate(writer)]
    recorded, replayed = await run(stages, backend, "record"), await run(stages, backend, "replay")
    assert proposals(recorded) == proposals(replayed)
    assert sorted(proposals(recorded)) == ["a 0", "a 1"]
    alone = await run([propose(a), aggregate(counting("other"))], backend)
    assert proposals(alone) == proposals(recorded)[1:]  # a slot's own call comes before a fallback's


async def test_another_role_parameter_or_tool_is_another_call() -> None:
    backend, a, writer = MemoryBackend(), counting("a"), counting("writer")
    await run([propose({"model": a, "role": "a critic"}), aggregate(writer)], backend)
    await run([propose(a), aggregate(writer)], backend)
    await run([propose({"model": a, "temperature": 0.1}), aggregate(writer)], backend)
    assert [asked.number for asked in a.journal.asked] == [0, 1, 2]


class Colour(BaseModel):
    """A colour."""

    colour: str


class Shade(BaseModel):
    """A colour, described in a form of another name."""

    colour: str


async def test_a_form_is_part_of_what_is_asked() -> None:
    from moa_graph.options import AnswerSettings
    from moa_graph.response_format import ResponseFormat

    backend, writer = MemoryBackend(), scripted("writer", '{"colour": "red"}')
    graph = create_moa({"name": "a", "stages": [aggregate(writer)]}, store=Store(backend))
    for response_format, asked in ((Colour, 1), (Colour, 1), (Shade, 2)):
        options = graph.plan.options().with_answer(AnswerSettings(response_format=ResponseFormat.of(response_format)))
        await graph.compile().ainvoke(QUESTION, context=options)
        assert len(writer.journal.asked) == asked


async def test_a_changed_question_is_a_miss_that_names_the_place() -> None:
    backend, a = MemoryBackend(), counting("a")
    await run([aggregate(a)], backend, "record")
    with pytest.raises(StoreMiss, match="stage panel, slot a"):
        await run([propose({"model": a, "role": "new"}, name="panel"), aggregate(a)], backend, "replay")


async def test_without_a_store_no_call_bears_a_number() -> None:
    graph = create_moa({"name": "a", "stages": [aggregate(counting("a"))]})
    state = await graph.compile().ainvoke(QUESTION, output_keys=["ledger"])
    assert "equal" not in state["ledger"][0]
