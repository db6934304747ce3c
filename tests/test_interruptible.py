"""Ctrl-C stops work between two steps of its event loop."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator

import pytest

from moa_graph.interruptible import run, run_on


@pytest.fixture(autouse=True)
def as_python_starts() -> Iterator[None]:
    """Ctrl-C as Python itself takes it: a shell has what it starts in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_in_the_middle_of_a_step_breaks_nothing_in_it() -> None:
    """A step that has seen that a future is pending may finish it, whenever a signal comes: ``asyncio.wait`` does."""
    said: list[str] = []

    async def work() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: said.append(context["message"]))
        waiter = loop.create_future()

        def finish() -> None:
            assert not waiter.done()
            signal.raise_signal(signal.SIGINT)
            waiter.set_result(None)

        loop.call_soon(finish)
        await waiter
        await asyncio.Event().wait()

    with pytest.raises(KeyboardInterrupt):
        run(work())
    assert said == []


def test_ctrl_c_lets_what_runs_clean_up() -> None:
    cleaned = False

    async def work() -> None:
        nonlocal cleaned
        try:
            asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned = True

    with pytest.raises(KeyboardInterrupt):
        run(work())
    assert cleaned
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_stops_what_does_not_let_itself_be_cancelled() -> None:
    async def work() -> None:
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
            await asyncio.Event().wait()

    with pytest.raises(KeyboardInterrupt):
        run(work())


def test_a_runner_goes_on_after_ctrl_c() -> None:
    async def stopped() -> None:
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
        await asyncio.Event().wait()

    async def answered() -> str:
        return "yes"

    with asyncio.Runner() as runner:
        with pytest.raises(KeyboardInterrupt):
            run_on(runner, stopped())
        assert run_on(runner, answered()) == "yes"


def test_a_cancellation_of_ones_own_is_no_ctrl_c() -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run(cancelled())


def test_it_runs_outside_the_main_thread_and_beside_a_hosts_own_handler() -> None:
    async def answered() -> str:
        return "yes"

    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(run(answered())))
    thread.start()
    thread.join()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        answers.append(run(answered()))
    finally:
        signal.signal(signal.SIGINT, before)
    assert answers == ["yes", "yes"]
