"""An event loop whose clock jumps over every wait, so that a test of an hour's timeouts takes milliseconds.

Time stands still while anything runs: callbacks, jobs in an executor (``asyncio.to_thread``, sync nodes).
When nothing is left to do but wait, the clock jumps to the next timer. Code under test sees the virtual time
only through its loop: ``loop.time()``, ``asyncio.sleep``, ``asyncio.timeout``; ``time.monotonic()`` is real.

Two ways in: ``@pytest.mark.virtual_clock`` on an async test, and ``run_virtual`` in a sync one (hypothesis).

Of sockets, and of threads that the loop didn't start, nobody knows whether they are at work. While there are
any, each jump waits ``PATIENCE`` real seconds first; what takes longer doesn't belong on this clock.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

__all__ = ["Deadlock", "VirtualClockLoop", "run_virtual"]

PATIENCE = 0.1
"""Real seconds that threads and sockets are given before the clock jumps."""

LONGEST_JOB = 30.0
"""Real seconds after which a job in a thread, or an answer from one, is taken to never come."""

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class Deadlock(RuntimeError):
    """Tasks wait, and nothing is left that could wake them."""


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """An event loop that starts at time 0 and never sleeps while it could jump."""

    def __init__(self) -> None:
        self._now = 0.0
        self._jobs = 0
        self._older_threads = set(threading.enumerate())
        self._watched = _JumpingSelector(self)
        super().__init__(self._watched)
        # The step from one float to the next outgrows the real clock's resolution after some virtual weeks.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._now

    def jump(self, seconds: float) -> None:
        """Let ``seconds`` of virtual time pass at once."""
        self._now += seconds

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Arguments], Result], *args: *Arguments
    ) -> asyncio.Future[Result]:
        """As the base class does, with the clock standing still until the job is done or given up."""
        future = super().run_in_executor(executor, func, *args)
        self._jobs += 1
        future.add_done_callback(self._job_done)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """As the base class does; the threads get all the real time that they need."""
        self._jobs += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._job_done()

    def real_patience(self, to_next_timer: float | None) -> float:
        """Real seconds to wait for what happens outside the loop, before the clock may jump."""
        if self._jobs:
            return LONGEST_JOB
        if not self._outsiders():
            return 0.0
        return LONGEST_JOB if to_next_timer is None else PATIENCE

    def check_alive(self, to_next_timer: float | None) -> None:
        """Raise where a wait in vain has shown that nothing will happen any more.

        Raises:
            Deadlock: A job outlasted ``LONGEST_JOB``, or no timer, job or event is left.
        """
        if self._jobs:
            raise Deadlock(
                f"{self._jobs} job(s) in threads ran for more than {LONGEST_JOB:g} real seconds, while the "
                f"virtual clock stands still: do they wait for it?{self._waiting_tasks()}"
            )
        if to_next_timer is None:
            raise Deadlock(f"No timer, job or event is left to wake:{self._waiting_tasks()}")

    def _job_done(self, _: object = None) -> None:
        self._jobs -= 1

    def _outsiders(self) -> bool:
        own_pipe = 1
        newer_threads = set(threading.enumerate()) - self._older_threads
        return len(self._watched.get_map()) > own_pipe or any(
            not thread.name.startswith("asyncio_") for thread in newer_threads
        )

    def _waiting_tasks(self) -> str:
        return "".join(f"\n  {task!r}" for task in asyncio.all_tasks(self)) or "\n  (no task)"


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualClockLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        patience = self._loop.real_patience(timeout)
        if patience and (ready := super().select(patience)):
            return ready
        self._loop.check_alive(timeout)
        self._loop.jump(timeout or 0.0)
        return []


def run_virtual(function: Callable[..., Coroutine[Any, Any, Result]], *args: Any, **kwargs: Any) -> Result:
    """Run an async function on a new virtual clock, then close the loop with its tasks and generators.

    Args:
        function: Called once inside the loop's run.
        *args: Its arguments.
        **kwargs: Its keyword arguments.

    Raises:
        Deadlock: Nothing is left that could end the wait.
    """
    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        return runner.run(function(*args, **kwargs))
