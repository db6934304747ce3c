"""One row answered: a run of the mixture for each of the user's turns, and what the output says of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import BaseMessage, convert_to_messages, convert_to_openai_messages

from moa_graph.batch.rows import BadRow, Row
from moa_graph.chat_model.call_options import read_call
from moa_graph.errors import InputError, MixtureError, MoaError, OptionsError, RunFailed
from moa_graph.graph import Compiled, MoaGraph
from moa_graph.models.recorded import place_in_batch
from moa_graph.options import AnswerSettings, Options
from moa_graph.report import Report
from moa_graph.runs import Outcome, run
from moa_graph.state import Record

__all__ = ["Answered", "answer_row", "bad_row", "failed_row"]

CONCERNS_THE_ROW = (RunFailed, InputError, OptionsError)
"""What is wrong with one row; any other error would hit every row."""

_TOLD_OF_RECORDS = ("stage", "slot", "sample", "kind", "model", "status", "text", "failure", "usage", "cost", "seconds")


@dataclass(frozen=True)
class Answered:
    """The outcome of a row.

    Args:
        result: What the journal stores: plain JSON.
        reports: What its runs did and cost; empty where there was no answer.
        records: What its slots gave.
        seconds: How long it took.
    """

    result: dict[str, Any]
    reports: Sequence[Report] = ()
    records: Sequence[Record] = ()
    seconds: float = 0.0

    @property
    def was_refused(self) -> bool:
        """Whether a provider refused calls for now, so that fewer rows should be in flight."""
        failures = [one for report in self.reports for stage in report["stages"] for one in stage["failed"].values()]
        failure = self.result["failure"]
        return any(one is not None and one["kind"] == "rate_limited" for one in failures) or (
            failure is not None and "rate_limited" in failure["message"]
        )


async def answer_row(
    graph: MoaGraph, compiled: Compiled, row: Row, limits: Mapping[str, Any], *, proposals: bool
) -> Answered:
    """Asks the mixture for a row's answer.

    Args:
        graph: The mixture's graph.
        compiled: The same, compiled.
        row: What is asked.
        limits: Run-time options besides the row's own, such as its budget.
        proposals: Whether the result includes each model's proposal.

    Raises:
        MoaError: No row of the batch can be answered: a key is missing, the description can't work, or answers can
            no longer be stored and would be paid for again.
    """
    _check_store(graph)
    place_in_batch.set(row.place)
    clock = asyncio.get_running_loop().time
    began = clock()
    conversation: list[BaseMessage] = convert_to_messages(list(row.messages))
    outcomes: list[Outcome] = []
    try:
        options, settings = _asked_of(graph, row, limits)
        for turn in (None, *row.later):
            if turn is not None:
                conversation += convert_to_messages([("user", turn)])
            outcomes.append(await run(compiled, conversation, options=options, answer=settings))
            conversation.append(outcomes[-1].message)
    except CONCERNS_THE_ROW as error:
        return failed_row(row, type(error).__name__, str(error), clock() - began)
    seconds = clock() - began
    result = _result(row, outcomes, seconds, proposals=proposals)
    records = [record for outcome in outcomes for record in outcome.records]
    return Answered(result, [outcome.report for outcome in outcomes], records, seconds)


def _check_store(graph: MoaGraph) -> None:
    store = graph.plan.store
    if store is not None and store.unwritten is not None:
        raise MoaError(
            f"answers can't be stored: {store.unwritten}. What was stored before is safe: free some space and run the "
            "same command again"
        )


def _asked_of(graph: MoaGraph, row: Row, limits: Mapping[str, Any]) -> tuple[Options, AnswerSettings]:
    """The options of a row's runs, and what is asked of its answer.

    Raises:
        OptionsError: The row asks for something that no mixture, or not this one, can give.
    """
    options = graph.plan.options(**{**row.options, **limits})
    if not row.asked:
        return options, AnswerSettings()
    asked = dict(row.asked)
    stop = asked.pop("stop", ())
    try:
        return read_call(asked, options, AnswerSettings(stop=(stop,) if isinstance(stop, str) else tuple(stop)), graph)
    except MixtureError as error:
        raise OptionsError(str(error)) from error


def failed_row(row: Row, kind: str, message: str, seconds: float) -> Answered:
    """A row that has no answer."""
    result = _without_answer(row.id, kind, message)
    return Answered({**result, "seconds": round(seconds, 3), "source": dict(row.source)}, seconds=seconds)


def bad_row(row: BadRow) -> Answered:
    """A row that can't be asked."""
    return Answered(_without_answer(row.id, "bad_row", f"{row.where}: {row.reason}"))


def _without_answer(identity: str | None, kind: str, message: str) -> dict[str, Any]:
    failure = {"kind": kind, "message": message}
    return {"id": identity, "status": "failed", "answer": None, "degraded": [], "failure": failure}


def _result(row: Row, outcomes: Sequence[Outcome], seconds: float, *, proposals: bool) -> dict[str, Any]:
    reports = [outcome.report for outcome in outcomes]
    costs = [report["cost"] for report in reports]
    known = [cost for cost in costs if cost is not None]
    result: dict[str, Any] = {
        "id": row.id,
        "status": "answered",
        "answer": outcomes[-1].answer,
        **_tool_calls(outcomes[-1].message),
        "degraded": [reason for report in reports for reason in report["degraded"]],
        "failure": None,
        "usage": {name: sum(report["usage"][name] for report in reports) for name in ("input", "output", "cached")},
        "usd": sum(known) if len(known) == len(costs) else None,
        "calls": sum(report["calls"] for report in reports),
        "hits": sum(report["hits"] for report in reports),
        "seconds": round(seconds, 3),
        "simulated": any(report["simulated"] for report in reports),
        "models": sorted({model for report in reports for model in report["models"]}),
        "score": _score(outcomes[-1].records),
        "messages": list(row.messages),
        "source": dict(row.source),
    }
    if row.later:
        result["answers"] = [outcome.answer for outcome in outcomes]
        result["later"] = list(row.later)
    if proposals:
        result["proposals"] = [_told(record) for outcome in outcomes for record in outcome.records]
    return result


def _tool_calls(message: BaseMessage) -> dict[str, Any]:
    """The tool calls of an answer, in OpenAI's format; empty where it has none."""
    if not getattr(message, "tool_calls", ()):
        return {}
    told = convert_to_openai_messages(message)
    return {"tool_calls": told["tool_calls"]}


def _score(records: Sequence[Record]) -> float | None:
    """The mean of the last scores that a stage of the mixture gave; None where none did."""
    scored = [record for record in records if record["kind"] == "score" and record["status"] == "live"]
    last = [record for record in scored if record["stage"] == scored[-1]["stage"]]
    scores = [record["data"]["score"] for record in last if isinstance(record.get("data"), Mapping)]
    return sum(scores) / len(scores) if scores else None


def _told(record: Record) -> dict[str, Any]:
    return {name: record.get(name) for name in (*_TOLD_OF_RECORDS, "data") if name in record}
