"""Many rows through one mixture: started as limits allow, committed as they finish, stopped without losing anything."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from moa_graph.batch.journal import Journal
from moa_graph.batch.outputs import OutputFile
from moa_graph.batch.pace import RowPace
from moa_graph.batch.purse import Need, Purse, running_row
from moa_graph.batch.results import Answered, bad_row
from moa_graph.batch.rows import BadRow, Row
from moa_graph.batch.summary import Summary

__all__ = ["AnswerRow", "BatchLimits", "OnProgress", "RowRunner"]

AnswerRow = Callable[[Row, Need | None], Awaitable[Answered | None]]
"""Answers a row within what it may need; None where its answer has to wait for a provider's job."""

OnProgress = Callable[[Summary, Answered | None], None]
"""Called with each finished row, and about once a second without one."""

SECONDS_BETWEEN_COMMITS = 0.1
COMMITS_BETWEEN_WRITES = 10

ROWS_OF_THE_ESTIMATE = 20
"""Rows from whose cost the total is estimated, before the rest starts."""

FAILURES_TO_STOP = 20
"""If the first rows, this many, all fail, something is wrong that more rows won't fix."""


@dataclass(frozen=True)
class BatchLimits:
    """What bounds a whole batch.

    Args:
        concurrency: Rows in flight at once when no provider refuses calls.
        deadline: Seconds for this run; None is no limit.
        until_spent: Continue although the first rows show that the budget won't pay for all.
    """

    concurrency: int = 16
    deadline: float | None = None
    until_spent: bool = False


class RowRunner:
    """Runs a batch once.

    Args:
        ask: Answers a row.
        need: The most that a row may take; called only if something is limited.
        journal: Records what is finished, in earlier runs and this one.
        output: Where finished rows are written.
        purse: The batch's own limits of calls and dollars.
        limits: The other limits.
        rows: How many rows the input has.
        progress: Called with the progress.
    """

    def __init__(
        self,
        ask: AnswerRow,
        need: Callable[[Row], Need],
        journal: Journal,
        output: OutputFile,
        purse: Purse,
        limits: BatchLimits,
        rows: int,
        progress: OnProgress,
    ) -> None:
        self._ask = ask
        self._need = need
        self._journal = journal
        self._output = output
        self._purse = purse
        self._limits = limits
        self._progress = progress
        self._pace = RowPace(limits.concurrency)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._places: dict[str, int] = {}
        self._error: BaseException | None = None
        done = journal.counts()
        self.summary = Summary(rows, done.get("answered", 0), done.get("failed", 0))
        self.summary.repeated = journal.repeated()

    async def run(self, rows: Iterable[Row | BadRow]) -> Summary:
        """Answers the unfinished rows.

        Raises:
            MoaError: No row can be answered, or the journal can't be written. What was committed is safe.
        """
        began = time.monotonic()
        writing = asyncio.create_task(self._write_regularly())
        try:
            async with asyncio.timeout(self._limits.deadline):
                await self._feed(rows)
                await self._all_ended()
        except TimeoutError:
            self.summary.stopped = f"the deadline of {self._limits.deadline:g} s was reached"
        finally:
            await _end([writing, *self._tasks.values()])
            self.summary.seconds = time.monotonic() - began
            if self._purse.is_limited:
                self.summary.spent = self._purse.spent[1]
            self._journal.commit()
            self._output.complete()
        if self._error is not None:
            raise self._error
        return self.summary

    async def _feed(self, rows: Iterable[Row | BadRow]) -> None:
        """Starts one row after another, as soon as there is room."""
        for row in rows:
            if isinstance(row, BadRow):
                self._note_bad(row)
            elif not self._is_known(row) and not await self._begin(row):
                return
            await asyncio.sleep(0)

    def _note_bad(self, row: BadRow) -> None:
        """Records why a row is unusable, under its own id where no other row has it."""
        if self._journal.has_place(row.place):
            return
        if row.id is None or self._place_of(row.id) is not None:
            self._commit(f"\0{row.place}", row.place, bad_row(BadRow(row.where, row.reason, row.place)))
        else:
            self._commit(row.id, row.place, bad_row(row))

    def _is_known(self, row: Row) -> bool:
        """Whether a row is finished, in flight, or a repetition of another."""
        place = self._place_of(row.id)
        if place is None:
            return False
        if place == row.place:
            return True
        if row.brought_id:
            told = f"row {place + 1} already has the id {row.id!r}: give each row an id of its own"
            self._note_bad(BadRow(row.where, told, row.place))
        elif self._journal.note_repeated(row.place):
            self.summary.repeated += 1
        return True

    def _place_of(self, identity: str) -> int | None:
        """The place in the input of the row with this id, in flight or finished."""
        return self._places[identity] if identity in self._places else self._journal.place_of(identity)

    async def _begin(self, row: Row) -> bool:
        """Starts a row once there is room for it; False where the batch has to stop before it."""
        await self._pace.enter()
        need = self._need(row) if self._purse.is_limited else None
        if self._error is not None or (need is not None and not await self._is_affordable(need)) or self._is_hopeless():
            self._pace.leave()
            return False
        if need is not None:
            self._purse.begin(row.id, need)
        self._places[row.id] = row.place
        self._tasks[row.id] = asyncio.create_task(self._answer(row, need))
        return True

    async def _is_affordable(self, need: Need) -> bool:
        """Whether the purse has room for one more row, now or when those in flight have ended."""
        if not await self._estimate_allows():
            return False
        while not self._purse.admits(need):
            if not self._tasks:
                self.summary.stopped = self._purse.why_not(need)
                return False
            await asyncio.wait(self._tasks.values(), return_when=asyncio.FIRST_COMPLETED)
        return self._error is None

    async def _estimate_allows(self) -> bool:
        """Whether the first rows show that the budget suffices for all; waits for them."""
        limit = self._purse.usd
        if limit is None or self._limits.until_spent or len(self._tasks) + self.summary.done_now < ROWS_OF_THE_ESTIMATE:
            return True
        while self._tasks and self.summary.done_now < ROWS_OF_THE_ESTIMATE:
            await asyncio.wait(self._tasks.values(), return_when=asyncio.FIRST_COMPLETED)
        foreseen = self.summary.foreseen(self._purse.spent[1])
        if foreseen is None or foreseen <= limit:
            return True
        self.summary.stopped = (
            f"by the first {self.summary.done_now} rows, all would cost about ${foreseen:.2f}, and the limit is "
            f"${limit:g}. Raise it, take fewer rows, or answer what it pays for with --until-spent"
        )
        return False

    def _is_hopeless(self) -> bool:
        """Whether every row so far has failed."""
        asked = self.summary.failed - self.summary.bad
        if self.summary.answered or asked < FAILURES_TO_STOP or self.summary.done_now < FAILURES_TO_STOP:
            return False
        self.summary.stopped = f"the first {asked} rows have all failed; the last one: {self.summary.last_failure}"
        return True

    async def _answer(self, row: Row, need: Need | None) -> None:
        """One row, from its start to the journal."""
        running_row.set(row.id)
        done: Answered | None = None
        try:
            done = await self._ask(row, need)
            if done is not None:
                self._commit(row.id, row.place, done)
        except Exception as error:
            self._error = self._error or error
        finally:
            if need is not None:
                self._purse.end(row.id)
            self._tasks.pop(row.id, None)
            self._places.pop(row.id, None)
            self._pace.leave(refused=done is not None and done.was_refused)

    def _commit(self, identity: str, place: int, done: Answered) -> None:
        self._journal.finish(identity, place, done.result["status"], done.result)
        self.summary.note(done)
        self._progress(self.summary, done)

    async def _all_ended(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks.values())

    async def _write_regularly(self) -> None:
        for number in itertools.count(1):
            await asyncio.sleep(SECONDS_BETWEEN_COMMITS)
            self._journal.commit()
            if number % COMMITS_BETWEEN_WRITES == 0:
                self._output.update()
                self._progress(self.summary, None)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancels tasks and waits until what they hold is closed."""
    for task in tasks:
        task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks, return_exceptions=True)
