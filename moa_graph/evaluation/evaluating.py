"""Every candidate answers every item once; the answers are graded and told as one table.

Each candidate is a batch: its journal and the store of calls stand in the folder, so that an evaluation that was killed
goes on where it stopped, and nothing is paid twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moa_graph.batch import arun
from moa_graph.errors import InputError
from moa_graph.evaluation.candidates import file_name, mixture_of_candidate
from moa_graph.evaluation.grading import grader, reference_text
from moa_graph.evaluation.items import Broken, Item, read_items, write_items
from moa_graph.evaluation.judging import Jury
from moa_graph.evaluation.tables import write_results
from moa_graph.store import open_store

__all__ = ["Evaluation", "evaluate"]

JUDGED = "judge:"


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation came to.

    Args:
        results: The table's file.
        recorded: The answers in the form of ``moa tune``.
        items: How many were asked.
        broken: Rows that couldn't be asked.
        usd: Dollars spent in all tries together, the judge's among them; None where a price isn't known.
        stopped: Why it stopped before its end; None where it is complete.
    """

    results: Path
    recorded: Path
    items: int
    broken: tuple[Broken, ...]
    usd: float | None
    stopped: str | None


async def evaluate(
    data: str | Path,
    candidates: Sequence[str],
    folder: str | Path,
    *,
    grade: str = "exact",
    usd: float | None = None,
    max_tokens: int = 2048,
    concurrency: int = 16,
    told: Callable[[str], None] = lambda line: None,
) -> Evaluation:
    """Asks every candidate every item.

    Args:
        data: JSONL, CSV or Parquet, or a log of inspect-ai: see :func:`moa_graph.evaluation.items.read_items`.
        candidates: ``provider:name``, presets, files of mixtures.
        folder: For the table, the journals and the store; asked again with the same folder, it goes on.
        grade: As for ``moa tune``, or ``judge:MODEL`` or ``judge:MODEL,MODEL,...`` for a jury.
        usd: Most dollars for all candidates and all tries together; not for the judge.
        max_tokens: Of a single model's answer.
        concurrency: Items in flight at once.
        told: Is told how the work goes on.

    Raises:
        InputError: The data can't be read, or a candidate is named twice.
        MoaError: A candidate can't work.
    """
    if len(set(candidates)) < len(candidates):
        raise InputError("--candidates: one is named twice")
    if not grade.startswith(JUDGED):
        grader(grade)  # a grade that can't work is told before money is spent
    where = Path(folder)
    items, broken = read_items(data)
    write_items(items, where / "items.jsonl")
    for row in broken:
        told(f"left out: {row.where}: {row.reason}")
    spent, known, stopped = 0.0, True, None
    answers: dict[str, dict[str, Any]] = {}
    for candidate in candidates:
        left = None if usd is None else usd - spent
        if left is not None and left <= 0:
            stopped = f"{candidate}: nothing is left of {usd:g} dollars"
            break
        output = where / f"{file_name(candidate)}.jsonl"
        mixture = mixture_of_candidate(candidate, max_tokens=max_tokens)
        summary = await arun(
            where / "items.jsonl", output, mixture,
            usd=left, concurrency=concurrency, until_spent=True, store=where / "calls.sqlite",
        )  # fmt: skip
        spent += summary.usd if summary.spent is None else summary.spent
        known = known and summary.usd_complete
        told(f"{candidate}: {summary.answered} answered, {summary.failed} failed, {summary.usd:.6f} dollars")
        answers[candidate] = _read_answers(output)
        if not summary.is_complete and summary.stopped is not None:
            stopped = f"{candidate}: {summary.stopped}"
    rows = [row for candidate in answers for row in _rows(candidate, items, answers[candidate], grade)]
    if grade.startswith(JUDGED):
        paid = await _judge(rows, grade.removeprefix(JUDGED).split(","), where / "judge.sqlite")
        told(f"the judge: {'unknown' if paid is None else f'{paid:.6f}'} dollars")
        spent, known = spent + (paid or 0.0), known and paid is not None
    write_results(rows, where / "results.parquet")
    _write_recorded(items, answers, where / "recorded.jsonl")
    return Evaluation(
        results=where / "results.parquet",
        recorded=where / "recorded.jsonl",
        items=len(items),
        broken=tuple(broken),
        usd=spent if known else None,
        stopped=stopped,
    )


def _read_answers(output: Path) -> dict[str, Any]:
    if not output.exists():
        return {}
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines() if line.strip()]
    return {str(row["id"]): row for row in rows}


def _rows(candidate: str, items: Sequence[Item], answers: dict[str, Any], grade: str) -> list[dict[str, Any]]:
    """One row an item; one that was never asked, since the dollars ended, is left out."""
    read = None if grade.startswith(JUDGED) else grader(grade)
    rows = []
    for item in items:
        answer = answers.get(item.id)
        if answer is None:
            continue
        text, failure = answer.get("answer"), answer.get("failure")
        reference = reference_text(item.answer, item.choices, grade)
        expected = read(reference) if read is not None and reference is not None else reference
        extracted = read(text) if read is not None and text is not None else None
        usage = answer.get("usage") or {}
        rows.append(
            {
                "candidate": candidate,
                "id": item.id,
                "question": item.question,
                "reference": expected,
                "answer": text,
                "extracted": extracted,
                "right": None if expected is None else extracted is not None and extracted == expected,
                "usd": answer.get("usd"),
                "input_tokens": usage.get("input"),
                "output_tokens": usage.get("output"),
                "seconds": answer.get("seconds"),
                "calls": answer.get("calls"),
                "group": item.group,
                "failure": None if failure is None else f"{failure['kind']}: {failure['message']}",
            }
        )
    return rows


async def _judge(rows: Sequence[dict[str, Any]], judges: Sequence[str], store: Path) -> float | None:
    """Puts the jury's word in the place of a grade; gives the dollars that it took."""
    paid: list[float | None] = []
    with closing(open_store(store)) as kept:
        jury = Jury(judges, kept)
        for row in rows:
            if row["reference"] is None or row["answer"] is None:
                continue
            verdict = await jury.grade(row["question"], row["reference"], row["answer"])
            row["right"] = None if verdict.score is None else verdict.score > 0.5
            paid.append(verdict.usd)
    known = [usd for usd in paid if usd is not None]
    return sum(known) if len(known) == len(paid) else None


def _write_recorded(items: Sequence[Item], answers: dict[str, dict[str, Any]], path: Path) -> None:
    """The items that every candidate answered, in the form that ``moa tune`` and ``recorded:`` read."""
    with path.open("w", encoding="utf-8") as file:
        for item in items:
            given = {candidate: rows.get(item.id, {}) for candidate, rows in answers.items()}
            if any(row.get("answer") is None for row in given.values()):
                continue
            line = {
                "id": item.id,
                "question": item.question,
                "answer": None if item.answer is None else item.answer,
                "choices": item.choices,
                "group": item.group,
                "outputs": {candidate: row["answer"] for candidate, row in given.items()},
                "usage": {candidate: row.get("usage") for candidate, row in given.items()},
            }
            file.write(json.dumps({key: value for key, value in line.items() if value is not None}) + "\n")
