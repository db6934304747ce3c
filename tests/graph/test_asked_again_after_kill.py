"""A run that is killed at any moment, and whose question is then asked again rather than resumed.

What a checkpointer holds after each of its writes is what a kill at that moment leaves. So each of those moments is
tried, on the virtual clock, without killing anything.
"""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from moa_graph import create_moa
from tests.models_for_tests import ScriptedModel, scripted

CONFIG: Any = {"configurable": {"thread_id": "one"}}
QUESTION: Any = {"messages": [("system", "Be brief."), ("user", "a question")]}
NAMES = ("first", "second", "writer")


class Recorder(InMemorySaver):
    """Keeps a copy of everything it holds after each write."""

    def __init__(self) -> None:
        super().__init__()
        self.moments: list[Recorder] = []

    def put(self, *args: Any, **kwargs: Any) -> Any:
        put = super().put(*args, **kwargs)
        self._note()
        return put

    def put_writes(self, *args: Any, **kwargs: Any) -> None:
        super().put_writes(*args, **kwargs)
        self._note()

    def at(self, moment: int) -> Recorder:
        """A saver as this one was then."""
        then = Recorder()
        kept = self.moments[moment]
        then.storage, then.writes, then.blobs = copy.deepcopy((kept.storage, kept.writes, kept.blobs))
        return then

    def paid(self) -> set[str]:
        """The slots of the thread's last turn whose answers it holds."""
        return {
            record["slot"]
            for saved in self.list(CONFIG)
            for _, channel, value in saved.pending_writes or ()
            if channel == "records" and isinstance(value, list)
            for record in value
            if record["status"] == "live"
        }

    def _note(self) -> None:
        moment = Recorder()
        moment.storage, moment.writes, moment.blobs = copy.deepcopy((self.storage, self.writes, self.blobs))
        self.moments.append(moment)


def models() -> dict[str, ScriptedModel]:
    return {name: scripted(name, f"{name}'s answer") for name in NAMES}


async def ask(saver: Recorder, durability: Any, times: int = 1) -> tuple[Any, Counter[str]]:
    """The state after the question was asked so many times, and how often each model was."""
    asked = models()
    graph = create_moa(
        {
            "stages": [
                {"propose": {"slots": [asked["first"], asked["second"]]}},
                {"aggregate": {"slot": asked["writer"]}},
            ]
        }
    ).compile(checkpointer=saver)
    state: Any = None
    for _ in range(times):
        state = await graph.ainvoke(QUESTION, CONFIG, durability=durability)
    return state, Counter({name: len(model.journal.asked) for name, model in asked.items()})


def said(state: Any) -> list[str]:
    return [message.type for message in state["messages"]]


@pytest.mark.virtual_clock
@pytest.mark.parametrize("durability", ["sync", "async"])
async def test_it_stands_in_the_thread_once_and_what_was_paid_is_kept(durability: str) -> None:
    whole = Recorder()
    await ask(whole, durability)
    for moment in range(len(whole.moments) - 1):
        killed = whole.at(moment)
        paid = killed.paid()
        state, asked = await ask(killed, durability)
        assert said(state) == ["system", "human", "ai"], moment
        assert not [name for name in paid if asked[name]], f"moment {moment}: paid for again"
        assert state["report"]["calls"] == len(NAMES), f"moment {moment}: the report counts every call that was kept"


@pytest.mark.virtual_clock
@pytest.mark.parametrize("durability", ["sync", "async"])
async def test_it_may_be_killed_again_and_again(durability: str) -> None:
    whole = Recorder()
    await ask(whole, durability)
    for moment in range(0, len(whole.moments) - 1, 3):
        killed = whole.at(moment)
        await ask(killed, durability)
        for later in range(0, len(killed.moments) - 1, 2):
            again = killed.at(later)
            paid = again.paid()
            state, asked = await ask(again, durability)
            assert said(state) == ["system", "human", "ai"], (moment, later)
            assert not [name for name in paid if asked[name]], f"moments {moment}, {later}: paid for again"


@pytest.mark.virtual_clock
async def test_a_second_turn_that_is_killed_is_asked_again_behind_the_first() -> None:
    first = Recorder()
    await ask(first, "sync")
    answered = len(first.moments)
    await ask(first, "sync")
    for moment in range(answered - 1, len(first.moments) - 1, 2):
        state, _ = await ask(first.at(moment), "sync")
        assert said(state) == ["system", "human", "ai", "system", "human", "ai"], moment


@pytest.mark.virtual_clock
async def test_a_question_given_twice_at_once_stays_as_it_was_given() -> None:
    graph = create_moa(proposers=[scripted("a")], aggregator=scripted("w")).compile(checkpointer=InMemorySaver())
    state = await graph.ainvoke({"messages": [("user", "go on"), ("user", "go on")]}, CONFIG)
    assert said(state) == ["human", "human", "ai"]


@pytest.mark.virtual_clock
async def test_another_question_after_a_kill_is_another_question() -> None:
    whole = Recorder()
    await ask(whole, "sync")
    for moment in range(len(whole.moments) - 1):
        asked = models()
        graph = create_moa(proposers=[asked["first"]], aggregator=asked["writer"])
        thread = graph.compile(checkpointer=whole.at(moment))
        state = await thread.ainvoke({"messages": [("user", "another question")]}, CONFIG)
        assert state["messages"][-2].text == "another question"
        assert len(asked["first"].journal.asked) == len(asked["writer"].journal.asked) == 1
