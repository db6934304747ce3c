from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator

import anyio.to_thread
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

from tests.virtual_clock import PATIENCE, Deadlock, run_virtual

HOUR = 3600.0
YEAR = 365 * 24 * HOUR


@pytest.fixture(autouse=True)
def _no_real_waiting() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < 20


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.mark.virtual_clock
async def test_a_sleep_takes_its_virtual_time_and_no_real_one() -> None:
    began = time.monotonic()
    await asyncio.sleep(HOUR)
    assert now() == HOUR
    assert time.monotonic() - began < 1


@pytest.mark.virtual_clock
async def test_a_short_sleep_after_a_year_ends() -> None:
    await asyncio.sleep(YEAR)
    await asyncio.sleep(0.001)
    assert now() == pytest.approx(YEAR + 0.001, abs=1e-6)


async def test_without_the_mark_the_clock_is_real() -> None:
    began = time.monotonic()
    await asyncio.sleep(0.01)
    assert time.monotonic() - began >= 0.009


@pytest.mark.virtual_clock
async def test_timers_fire_in_the_order_of_their_times() -> None:
    fired: list[tuple[str, float]] = []

    async def fire(name: str, after: float) -> None:
        await asyncio.sleep(after)
        fired.append((name, now()))

    await asyncio.gather(fire("late", 30), fire("early", 0.5), fire("middle", 7))
    assert fired == [("early", 0.5), ("middle", 7.0), ("late", 30.0)]


@pytest.mark.virtual_clock
async def test_timeout_cuts_what_takes_longer_and_lets_pass_what_takes_less() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(60):
            await asyncio.sleep(61)
    assert now() == 60
    async with asyncio.timeout(60):
        await asyncio.sleep(59)
    assert now() == 119


@pytest.mark.virtual_clock
async def test_wait_for_cancels_what_takes_longer() -> None:
    cancelled = asyncio.Event()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(forever(), HOUR)
    assert cancelled.is_set()
    assert now() == HOUR


@pytest.mark.virtual_clock
async def test_the_clock_stands_still_while_a_job_runs_in_a_thread() -> None:
    async with asyncio.timeout(0.01):
        assert await asyncio.to_thread(_slow_job) == "done"
    assert now() == 0


@pytest.mark.virtual_clock
async def test_a_timer_and_a_job_in_a_thread_do_not_overtake_each_other() -> None:
    sleeper = asyncio.create_task(asyncio.sleep(HOUR))
    await asyncio.to_thread(_slow_job)
    assert not sleeper.done()
    await sleeper
    assert now() == HOUR


@pytest.mark.virtual_clock
async def test_the_clock_goes_on_when_a_job_in_a_thread_is_given_up() -> None:
    release = threading.Event()
    job = asyncio.create_task(asyncio.to_thread(release.wait))
    await asyncio.sleep(0)
    job.cancel()
    await asyncio.sleep(HOUR)
    release.set()
    assert now() == HOUR


@pytest.mark.virtual_clock
async def test_a_thread_that_the_loop_did_not_start_gets_a_real_moment() -> None:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()

    def answer_soon() -> None:
        loop.call_soon_threadsafe(answer.set_result, _quick_job())

    threading.Thread(target=answer_soon).start()
    async with asyncio.timeout(HOUR):
        assert await answer == "done"
    assert now() == 0


@pytest.mark.virtual_clock
async def test_a_thread_can_wake_a_loop_that_has_no_timer() -> None:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()

    def answer_late() -> None:
        loop.call_soon_threadsafe(answer.set_result, _slow_job())

    threading.Thread(target=answer_late).start()
    assert await answer == "done"


@pytest.mark.virtual_clock
async def test_anyio_threads_are_waited_for() -> None:
    with anyio.fail_after(HOUR):
        assert await anyio.to_thread.run_sync(_quick_job) == "done"
    assert now() == 0


def test_bytes_on_a_socket_arrive_before_the_clock_jumps() -> None:
    ours, theirs = socket.socketpair()
    asked = threading.Event()

    def answer_when_asked() -> None:
        asked.wait()
        theirs.sendall(_quick_job().encode())

    async def ask() -> float:
        reader, writer = await asyncio.open_connection(sock=ours)
        asked.set()
        async with asyncio.timeout(HOUR):
            assert await reader.readexactly(4) == b"done"
        writer.close()
        await writer.wait_closed()
        return now()

    older_than_the_loop = threading.Thread(target=answer_when_asked)
    older_than_the_loop.start()
    assert run_virtual(ask) == 0
    older_than_the_loop.join()
    theirs.close()


def test_waiting_for_nothing_is_told_instead_of_hanging() -> None:
    async def wait_for_nothing() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match="wait_for_nothing"):
        run_virtual(wait_for_nothing)


def test_a_job_that_waits_for_the_clock_is_told_instead_of_hanging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.virtual_clock.LONGEST_JOB", 0.1)
    release = threading.Event()

    async def wait_for_each_other() -> None:
        try:
            asyncio.get_running_loop().call_later(HOUR, release.set)
            await asyncio.to_thread(release.wait)
        finally:
            release.set()

    with pytest.raises(Deadlock, match="ran for more than"):
        run_virtual(wait_for_each_other)


def test_run_virtual_passes_arguments_results_and_errors() -> None:
    async def add(left: int, *, right: int) -> int:
        await asyncio.sleep(HOUR)
        return left + right

    async def fail() -> None:
        raise LookupError("nothing here")

    assert run_virtual(add, 1, right=2) == 3
    with pytest.raises(LookupError, match="nothing here"):
        run_virtual(fail)


def test_run_virtual_leaves_no_task_and_no_generator_open() -> None:
    closed: list[str] = []
    kept: list[AsyncIterator[int]] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(1)
            closed.append("generator")

    async def background() -> None:
        try:
            await asyncio.sleep(HOUR)
        finally:
            closed.append("task")

    async def leave_things_open() -> asyncio.Task[None]:
        generator = numbers()
        kept.append(generator)
        await anext(generator)
        task = asyncio.create_task(background())
        await asyncio.sleep(1)
        return task

    task = run_virtual(leave_things_open)
    assert task.cancelled()
    assert sorted(closed) == ["generator", "task"]


def test_run_virtual_ends_its_threads() -> None:
    before = threading.active_count()

    async def use_a_thread() -> None:
        await asyncio.to_thread(_slow_job)

    run_virtual(use_a_thread)
    assert threading.active_count() == before


@given(st.lists(st.floats(0, HOUR), min_size=1, max_size=8))
def test_sleeping_side_by_side_takes_as_long_as_the_longest(seconds: list[float]) -> None:
    async def sleep_all() -> float:
        await asyncio.gather(*map(asyncio.sleep, seconds))
        return now()

    assert run_virtual(sleep_all) == pytest.approx(max(seconds), abs=1e-5)


class State(TypedDict, total=False):
    left: float
    right: float
    end: float


async def _sleep_on_the_left(state: State) -> State:
    await asyncio.sleep(HOUR)
    return {"left": now()}


async def _sleep_on_the_right(state: State) -> State:
    await asyncio.sleep(2 * HOUR)
    return {"right": now()}


def _join_in_a_thread(state: State) -> State:
    return {"end": max(state["left"], state["right"])}


def _sleeping_graph() -> StateGraph[State]:
    graph = StateGraph(State)
    graph.add_node("left", _sleep_on_the_left)
    graph.add_node("right", _sleep_on_the_right)
    graph.add_node("join", _join_in_a_thread)
    for side in ("left", "right"):
        graph.add_edge(START, side)
        graph.add_edge(side, "join")
    graph.add_edge("join", END)
    return graph


@pytest.mark.virtual_clock
async def test_a_graph_runs_with_its_sleeping_nodes_side_by_side() -> None:
    graph = _sleeping_graph().compile(checkpointer=InMemorySaver())
    state = await graph.ainvoke({}, {"configurable": {"thread_id": "1"}})
    assert state == {"left": HOUR, "right": 2 * HOUR, "end": 2 * HOUR}
    assert now() == 2 * HOUR


@pytest.mark.virtual_clock
async def test_a_graph_runs_with_checkpoints_in_sqlite() -> None:
    async with AsyncSqliteSaver.from_conn_string(":memory:") as checkpointer:
        graph = _sleeping_graph().compile(checkpointer=checkpointer)
        async with asyncio.timeout(2 * HOUR + 1):
            await graph.ainvoke({}, {"configurable": {"thread_id": "1"}})
    assert now() == 2 * HOUR


def _quick_job() -> str:
    time.sleep(PATIENCE / 10)  # a real wait: what a thread does takes real time
    return "done"


def _slow_job() -> str:
    time.sleep(PATIENCE * 1.5)
    return "done"
