"""Equal calls in flight at once are one call, whoever comes, goes or fails."""

from __future__ import annotations

import asyncio
import contextvars
import gc
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moa_graph.store import CallIdentity, Entry, MemoryBackend, Mode, Store, Usage

USAGE: Usage = {"input": 0, "output": 0, "cached": 0}
Outcome = Literal["whole", "partial", "error"]


async def settle() -> None:
    """Lets everything run until it waits for something."""
    for _ in range(20):
        await asyncio.sleep(0)


@dataclass
class Model:
    """Answers when told to, with the number of the call."""

    begun: int = 0
    cancelled: list[int] = field(default_factory=list)
    waiting: dict[str, asyncio.Future[Outcome]] = field(default_factory=dict)

    def call(self, key: str) -> Callable[[], Any]:
        async def call() -> tuple[int, Entry | None]:
            assert key not in self.waiting, "two equal calls are in flight"
            self.begun += 1
            number = self.begun
            self.waiting[key] = asyncio.get_running_loop().create_future()
            try:
                outcome = await self.waiting[key]
            except asyncio.CancelledError:
                self.cancelled.append(number)
                raise
            finally:
                del self.waiting[key]
            if outcome == "error":
                raise ConnectionError(number)
            text = str(number)
            entry = Entry(text=text, message={"content": text}, usage=USAGE, model="sim:a", created=0.0)
            return number, entry if outcome == "whole" else None

        return call

    def finish(self, key: str, outcome: Outcome = "whole") -> None:
        self.waiting[key].set_result(outcome)


class Callers:
    """Callers of one store, each a task."""

    def __init__(self, mode: Mode = "cache") -> None:
        self.model = Model()
        self.store = Store(MemoryBackend(), mode)
        self.tasks: list[asyncio.Task[tuple[int, bool]]] = []

    def ask(self, key: str = "a") -> asyncio.Task[tuple[int, bool]]:
        identity = CallIdentity(model=key, stage="layer_1", slot=key, messages=[])
        asking = self.store.once(identity, self.model.call(key), lambda entry: int(entry["text"]))
        self.tasks.append(asyncio.create_task(asking, name=key))
        return self.tasks[-1]

    def assert_nothing_is_left(self) -> None:
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert not self.model.waiting


async def test_equal_calls_in_flight_are_one_call_and_one_pays() -> None:
    callers = Callers("record")
    tasks = [callers.ask() for _ in range(5)]
    await settle()
    callers.model.finish("a")
    assert await asyncio.gather(*tasks) == [(1, False), *[(1, True)] * 4]
    assert callers.model.begun == 1
    callers.assert_nothing_is_left()


async def test_different_calls_are_made_side_by_side() -> None:
    callers = Callers()
    first, second = callers.ask("a"), callers.ask("b")
    await settle()
    callers.model.finish("b")
    assert await second == (2, False)
    callers.model.finish("a")
    assert await first == (1, False)


async def test_off_shares_nothing() -> None:
    both = asyncio.Barrier(2)
    store = Store(MemoryBackend(), "off")
    identity = CallIdentity(model="sim:a", stage="layer_1", slot="a", messages=[])

    async def call() -> tuple[str, None]:
        await both.wait()
        return "", None

    asking = (store.once(identity, call, lambda _: "") for _ in range(2))
    assert await asyncio.gather(*asking) == [("", False), ("", False)]


async def test_a_reply_that_is_not_stored_is_shared_too() -> None:
    callers = Callers()
    tasks = [callers.ask() for _ in range(2)]
    await settle()
    callers.model.finish("a", "partial")
    assert await asyncio.gather(*tasks) == [(1, False), (1, True)]
    again = callers.ask()
    await settle()
    callers.model.finish("a")
    assert await again == (2, False)


async def test_an_exception_reaches_every_caller_and_the_next_one_calls_anew() -> None:
    callers = Callers()
    tasks = [callers.ask() for _ in range(3)]
    await settle()
    callers.model.finish("a", "error")
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [ConnectionError] * 3
    again = callers.ask()
    await settle()
    callers.model.finish("a")
    assert await again == (2, False)
    callers.assert_nothing_is_left()


@pytest.mark.parametrize("gone", [[0], [1], [0, 1], [1, 2]], ids=str)
async def test_a_cancelled_caller_leaves_the_call_to_the_others(gone: list[int]) -> None:
    callers = Callers()
    tasks = [callers.ask() for _ in range(3)]
    await settle()
    for index in gone:
        tasks[index].cancel()
    await settle()
    assert [task.cancelled() for task in tasks] == [index in gone for index in range(3)]
    callers.model.finish("a")
    stayed = [await task for index, task in enumerate(tasks) if index not in gone]
    assert stayed == [(1, False), *[(1, True)] * (2 - len(gone))]
    assert (callers.model.begun, callers.model.cancelled) == (1, [])
    callers.assert_nothing_is_left()


async def test_when_no_caller_is_left_the_call_has_ended_before_the_last_returns() -> None:
    callers = Callers()
    tasks = [callers.ask() for _ in range(3)]
    await settle()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert callers.model.cancelled == [1]
    callers.assert_nothing_is_left()


class SlowToEnd:
    """A call that ends only when it may, however often it is cancelled."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.times_cancelled = 0

    async def __call__(self) -> tuple[str, None]:
        self.begun.set()
        while not self.may_end.is_set():
            try:
                await self.may_end.wait()
            except asyncio.CancelledError:
                self.times_cancelled += 1
        raise asyncio.CancelledError


async def test_a_call_is_waited_for_until_it_has_ended_and_hears_of_every_cancellation() -> None:
    call, store = SlowToEnd(), Store(MemoryBackend())
    identity = CallIdentity(model="sim:a", stage="layer_1", slot="a", messages=[])
    caller = asyncio.create_task(store.once(identity, call, lambda _: ""))
    await call.begun.wait()
    for times in (1, 2, 3):
        caller.cancel()
        await settle()
        assert call.times_cancelled == times
        assert not caller.done()
    call.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_nobody_waits_for_a_call_that_is_slow_to_end() -> None:
    slow, store = SlowToEnd(), Store(MemoryBackend())
    identity = CallIdentity(model="sim:a", stage="layer_1", slot="a", messages=[])

    async def quick() -> tuple[str, None]:
        return "quick", None

    caller = asyncio.create_task(store.once(identity, slow, lambda _: ""))
    await slow.begun.wait()
    caller.cancel()
    await settle()
    assert await store.once(identity, quick, lambda _: "") == ("quick", False)
    assert not caller.done()
    slow.may_end.set()
    await asyncio.wait([caller])
    assert caller.cancelled()


async def test_who_comes_while_a_call_is_being_cancelled_calls_anew() -> None:
    callers = Callers()
    first = callers.ask()
    await settle()
    first.cancel()
    second = callers.ask()
    await settle()
    assert first.cancelled()
    callers.model.finish("a")
    assert await second == (2, False)
    assert callers.model.cancelled == [1]


async def test_a_call_that_cancels_itself_is_taken_over_by_another_caller() -> None:
    callers = Callers()
    first, second = callers.ask(), callers.ask()
    await settle()
    callers.model.waiting["a"].cancel()
    await settle()
    assert first.cancelled()
    callers.model.finish("a")
    assert await second == (2, False)
    callers.assert_nothing_is_left()


async def test_a_timeout_around_the_only_caller_ends_the_call() -> None:
    callers = Callers()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await callers.ask()
    await settle()
    callers.assert_nothing_is_left()


async def test_a_call_runs_in_the_context_of_who_came_first() -> None:
    name = contextvars.ContextVar[str]("name")
    seen: list[str] = []
    go_on = asyncio.Event()
    store = Store(MemoryBackend())
    identity = CallIdentity(model="sim:a", stage="layer_1", slot="a", messages=[])

    async def call() -> tuple[str, None]:
        await go_on.wait()
        seen.append(name.get())
        return "", None

    async def ask(caller: str) -> None:
        name.set(caller)
        await store.once(identity, call, lambda _: "")

    tasks = [asyncio.create_task(ask(caller)) for caller in ("first", "second")]
    await settle()
    go_on.set()
    await asyncio.gather(*tasks)
    assert seen == ["first"]


def test_one_store_serves_several_event_loops_one_after_another() -> None:
    callers = Callers("record")

    async def run() -> tuple[int, bool]:
        task = callers.ask()
        await settle()
        callers.model.finish("a")
        return await task

    assert [asyncio.run(run()) for _ in range(2)] == [(1, False), (2, False)]


def test_a_run_that_is_torn_down_leaves_nothing_to_the_next_loop() -> None:
    callers = Callers("record")

    async def leave_a_call_in_flight() -> None:
        callers.ask()
        await settle()

    async def run() -> tuple[int, bool]:
        task = callers.ask()
        await settle()
        callers.model.finish("a")
        return await task

    asyncio.run(leave_a_call_in_flight())
    assert callers.model.cancelled == [1]
    assert asyncio.run(run()) == (2, False)


keys = st.sampled_from(["a", "b"])
outcomes = st.sampled_from(["whole", "partial", "error"])
steps = st.one_of(
    st.tuples(st.just("ask"), keys),
    st.tuples(st.just("cancel"), st.integers(0, 7)),
    st.tuples(st.just("finish"), keys, outcomes),
    st.tuples(st.just("tick")),
    st.tuples(st.just("settle")),
)


async def test_a_failure_that_comes_as_its_last_caller_leaves_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """asyncio would log it as never retrieved, in the provider's words."""
    callers = Callers()
    caller = callers.ask()
    await settle()
    callers.model.finish("a", "error")
    await asyncio.sleep(0)
    caller.cancel()
    await settle()
    assert caller.cancelled()
    del caller
    callers.tasks.clear()
    gc.collect()
    assert not caplog.records


@given(st.lists(steps, max_size=40), st.sampled_from(["cache", "record"]))
def test_the_laws_hold_under_any_schedule(schedule: list[tuple[Any, ...]], mode: Mode) -> None:
    asyncio.run(follow(schedule, mode))


async def follow(schedule: list[tuple[Any, ...]], mode: Mode) -> None:
    callers = Callers(mode)
    cancelled: set[asyncio.Task[Any]] = set()
    for step in schedule:
        match step:
            case ("ask", key):
                callers.ask(key)
            case ("cancel", index) if index < len(callers.tasks):
                if callers.tasks[index].cancel():
                    cancelled.add(callers.tasks[index])
            case ("finish", key, outcome) if key in callers.model.waiting:
                if not callers.model.waiting[key].done():
                    callers.model.finish(key, outcome)
            case ("tick",):
                await asyncio.sleep(0)
            case ("settle",):
                await settle()
                assert_each_call_is_waited_for(callers)
    await settle()
    for key in list(callers.model.waiting):
        callers.model.finish(key)
    await settle()
    callers.assert_nothing_is_left()
    assert {task for task in callers.tasks if task.cancelled()} == cancelled
    assert_each_call_is_paid_for_once(callers, exactly=mode == "record")


def assert_each_call_is_waited_for(callers: Callers) -> None:
    assert set(callers.model.waiting) == {task.get_name() for task in callers.tasks if not task.done()}


def assert_each_call_is_paid_for_once(callers: Callers, exactly: bool) -> None:
    """In a cache, who comes later may find what nobody paid for: its only caller left at the last moment."""
    replies = [task.result() for task in callers.tasks if not task.cancelled() and not task.exception()]
    payers = Counter(number for number, hit in replies if not hit)
    assert set(payers.values()) <= {1}
    if exactly:
        assert set(payers) == {number for number, _ in replies}
