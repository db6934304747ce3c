"""A mixture through the providers' batch jobs: one for each of its layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moa_graph.batch.deferring import DeferredCall, DeferringStore
from moa_graph.batch.jobs import SHARE_OF_THE_PRICE, Jobs
from moa_graph.batch.journal import Journal
from moa_graph.batch.purse import Need
from moa_graph.batch.results import Answered
from moa_graph.batch.rows import Row
from moa_graph.batch.summary import Summary
from moa_graph.models.prices import cost
from moa_graph.store import Store

if TYPE_CHECKING:
    from moa_graph.batch.work import JobContext

__all__ = ["layer_by_layer"]


async def layer_by_layer(
    work: JobContext, journal: Journal, output: Path, store: Store, say: Callable[[str], None]
) -> Summary:
    """Runs all rows repeatedly, each time as far as answers are stored; jobs supply the missing ones.

    Args:
        work: Runs the rows.
        journal: Records what was submitted.
        output: The batch's output, after which files are named.
        store: Where the answers go.
        say: Called with a line about each job.
    """
    members = work.graph.plan.everyone
    jobs = Jobs(journal, output, store, {member.reference: member for member in members}, say)
    prices = {member.reference: member.price for member in members}
    deferring = work.graph.plan.store = DeferringStore(store, members)

    async def ask(row: Row, need: Need | None) -> Answered | None:
        try:
            done = await work.ask(row, need)
        except DeferredCall:
            return None
        if done.result["status"] == "answered":
            done.result["usd"] = _usd_of(done, prices)
        return done

    await jobs.collect_earlier()
    while True:
        summary = await work.once(ask)
        waiting, deferring.waiting = deferring.waiting, {}
        if not waiting or summary.stopped:
            summary.calls, summary.usd, summary.usd_complete = jobs.calls, jobs.usd, jobs.usd_complete
            return summary
        left = None if work.purse.usd is None else work.purse.usd - work.purse.spent[1]
        deferring.direct |= await jobs.answer(waiting.values(), left)
        work.purse.read_again()


def _usd_of(done: Answered, prices: Mapping[str, Any]) -> float | None:
    """What a row has cost: what its run paid directly, and the answers of jobs at their price."""
    total: float = done.result["usd"] or 0.0
    for record in done.records:
        if record["usage"] is not None and not record["cost"]:
            brought = cost(prices.get(record["model"]), record["usage"])
            if brought is None:
                return None
            total += brought * SHARE_OF_THE_PRICE
    return total
