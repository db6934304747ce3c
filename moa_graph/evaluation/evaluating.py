"""Every candidate answers every item once; the answers are graded and written as one table.

Each candidate is a batch: its journal and the store of calls stand in the folder, so an evaluation that was killed
resumes where it stopped, and nothing is paid for twice.
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
from moa_graph.evaluation.candidates import file_name, mixture_of_candidate, sampled
from moa_graph.evaluation.grading import grader, reference_text
from moa_graph.evaluation.items import Broken, Item, read_items, write_items
from moa_graph.evaluation.judging import Agreement, BudgetSpent, Jury, agreement
from moa_graph.evaluation.tables import write_results
from moa_graph.store import open_store

__all__ = ["Evaluation", "evaluate"]

JUDGED = "judge:"
MOST_SAMPLES = 64


@dataclass(frozen=True)
class Evaluation:
    """The outcome of an evaluation.

    Args:
        results: The table's file.
        recorded: File of the answers as ``moa tune`` reads them.
        items: How many were asked.
        broken: Input rows that couldn't be used.
        usd: Dollars spent over all runs, the judge included; None where a price is unknown.
        stopped: Why it stopped early; None where it is complete.
        agreement: How often the judge agrees with ``check``; None unless both are given.
    """

    results: Path
    recorded: Path
    items: int
    broken: tuple[Broken, ...]
    usd: float | None
    stopped: str | None
    agreement: Agreement | None = None


async def evaluate(
    data: str | Path,
    candidates: Sequence[str],
    folder: str | Path,
    *,
    grade: str = "exact",
    usd: float | None = None,
    max_tokens: int = 2048,
    concurrency: int = 16,
    self_consistency: str | None = None,
    check: str | None = None,
    told: Callable[[str], None] = lambda line: None,
) -> Evaluation:
    """Asks every candidate every item.

    Args:
        data: JSONL, CSV or Parquet, or a log of inspect-ai: see :func:`moa_graph.evaluation.items.read_items`.
        candidates: ``provider:name``, ``provider:name*5`` for a vote of five samples, presets, files of mixtures.
        folder: Holds the table, the journals and the store; run again with the same folder, it resumes.
        grade: As for ``moa tune``, or ``judge:MODEL`` or ``judge:MODEL,MODEL,...`` for a jury.
        usd: Budget in dollars for all candidates and the judge, over all runs.
        max_tokens: Limit for a single model's answer.
        concurrency: Items in flight at once.
        self_consistency: One of the candidates, a single model: it is also run with as many samples as cost what the
            dearest candidate costs, and the plurality of them is its answer.
        check: With a judge: a grade to compare its verdicts with.
        told: Called with a line about progress.

    Raises:
        InputError: The data can't be read, or a candidate is named twice.
        MoaError: A candidate can't work.
    """
    _refuse(candidates, self_consistency, (grade, check))
    where = Path(folder)
    items, broken = read_items(data)
    write_items(items, where / "items.jsonl")
    for row in broken:
        told(f"left out: {row.where}: {row.reason}")
    asking = _Asking(where, usd, max_tokens, concurrency, _extract(grade), told)
    for candidate in candidates:
        await asking.ask(candidate)
    if self_consistency is not None and asking.stopped is None:
        samples = _samples_for_the_same(self_consistency, asking.answers)
        told(f"{self_consistency}: {samples} sample(s) cost as much as the dearest candidate")
        if samples > 1 and sampled(self_consistency, samples) not in asking.answers:
            await asking.ask(sampled(self_consistency, samples))
    answers = asking.answers
    rows = [row for candidate in answers for row in _rows(candidate, items, answers[candidate], grade)]
    if grade.startswith(JUDGED):
        await _judge(rows, grade.removeprefix(JUDGED).split(","), where / "judge.sqlite", asking)
    checked = [row for one in answers for row in _rows(one, items, answers[one], check)] if check is not None else []
    write_results(rows, where / "results.parquet")
    _write_recorded(items, answers, where / "recorded.jsonl")
    return Evaluation(
        results=where / "results.parquet",
        recorded=where / "recorded.jsonl",
        items=len(items),
        broken=tuple(broken),
        usd=asking.spent if asking.known else None,
        stopped=asking.stopped,
        agreement=agreement([row["right"] for row in rows], [row["right"] for row in checked]) if checked else None,
    )


def _refuse(candidates: Sequence[str], self_consistency: str | None, grades: Sequence[str | None]) -> None:
    """Refuses invalid arguments before money is spent."""
    if len(set(candidates)) < len(candidates):
        raise InputError("--candidates: the same candidate is named twice")
    if self_consistency is not None and (self_consistency not in candidates or ":" not in self_consistency):
        raise InputError(
            f"--self-consistency {self_consistency}: name one of the candidates that is a single model, provider:name"
        )
    for spec in grades:
        if spec is not None and not spec.startswith(JUDGED):
            grader(spec)  # an invalid grade is reported before money is spent


class _Asking:
    """One candidate after another, within one limit of dollars."""

    def __init__(
        self,
        where: Path,
        usd: float | None,
        max_tokens: int,
        concurrency: int,
        extract: str | None,
        told: Callable[[str], None],
    ) -> None:
        self.answers: dict[str, dict[str, Any]] = {}
        self.spent, self.known, self.stopped = 0.0, True, None if usd is None else self._nothing(usd)
        self.told = told
        self._where, self._usd, self._max_tokens = where, usd, max_tokens
        self._concurrency, self._extract = concurrency, extract

    @staticmethod
    def _nothing(usd: float) -> str | None:
        return None if usd > 0 else f"{usd:g} dollars don't pay for a single call"

    @property
    def left(self) -> float | None:
        """Dollars that are left; None is no limit."""
        return None if self._usd is None else self._usd - self.spent

    async def ask(self, candidate: str) -> None:
        """Asks a candidate whatever it wasn't asked before."""
        if self.left is not None and self.left <= 0:
            self.stopped = self.stopped or f"{candidate}: the budget of {self._usd:g} dollars is spent"
            return
        output = self._where / f"{file_name(candidate)}.jsonl"
        mixture = mixture_of_candidate(candidate, max_tokens=self._max_tokens, extract=self._extract)
        summary = await arun(
            self._where / "items.jsonl", output, mixture,
            usd=self.left, concurrency=self._concurrency, until_spent=True, proposals=True,
            store=self._where / "calls.sqlite",
        )  # fmt: skip
        self.spent += summary.usd if summary.spent is None else summary.spent
        self.known = self.known and summary.usd_complete
        self.told(f"{candidate}: {summary.answered} answered, {summary.failed} failed, {summary.usd:.6f} dollars")
        self.answers[candidate] = _read_answers(output)
        if not summary.is_complete and summary.stopped is not None:
            self.stopped = f"{candidate}: {summary.stopped}"


def _extract(grade: str) -> str | None:
    """What samples vote on, where stages know the grade too."""
    return grade if grade in ("number", "choice", "exact") or grade.startswith("json:") else None


def _samples_for_the_same(model: str, answers: dict[str, dict[str, Any]]) -> int:
    """How many samples of a model cost what the dearest candidate costs an item."""
    means: dict[str, float] = {}
    for candidate, rows in answers.items():
        paid = [row["usd"] for row in rows.values() if row.get("usd") is not None]
        means[candidate] = sum(paid) / len(paid) if paid else 0.0
    if not means.get(model):
        raise InputError(f"--self-consistency {model}: the price of its answers is unknown")
    return max(1, min(MOST_SAMPLES, round(max(means.values()) / means[model])))


def _read_answers(output: Path) -> dict[str, Any]:
    if not output.exists():
        return {}
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines() if line.strip()]
    return {str(row["id"]): row for row in rows}


def _rows(candidate: str, items: Sequence[Item], answers: dict[str, Any], grade: str) -> list[dict[str, Any]]:
    """One row per item; items never asked because the budget ran out are left out."""
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
                "escalations": _escalations(answer),
                "group": item.group,
                "failure": None if failure is None else f"{failure['kind']}: {failure['message']}",
            }
        )
    return rows


def _escalations(answer: dict[str, Any]) -> int | None:
    """How many further stages were asked after the first: 0 where the first answers were enough."""
    if "proposals" not in answer:
        return None
    asked = {record["stage"] for record in answer["proposals"] if _is_call(record)}
    return max(len(asked) - 1, 0)


def _is_call(record: dict[str, Any]) -> bool:
    """Whether a model was asked for a record; a stage that chooses among answers asks none."""
    return record["status"] != "live" or any((record.get("usage") or {}).values())


async def _judge(rows: Sequence[dict[str, Any]], judges: Sequence[str], store: Path, asking: _Asking) -> None:
    """Uses the jury's verdicts as grades, as far as the budget lasts."""
    with closing(open_store(store)) as kept:
        jury = Jury(judges, kept, asking.left)
        for row in rows:
            if row["reference"] is None or row["answer"] is None:
                continue
            row["right"] = None  # until the jury has decided
        try:
            for row in rows:
                if row["reference"] is not None and row["answer"] is not None:
                    verdict = await jury.grade(row["question"], row["reference"], row["answer"])
                    row["right"] = None if verdict.score is None else verdict.score > 0.5
        except BudgetSpent as error:
            asking.stopped = str(error)
    asking.spent += jury.usd
    asking.known = asking.known and jury.usd_complete
    asking.told(f"the judge: {jury.usd:.6f} dollars" + ("" if jury.usd_complete else ", some prices unknown"))
    unjudged = sum(row["right"] is None and row["answer"] is not None and row["reference"] is not None for row in rows)
    if unjudged:
        asking.told(f"the judge gave no verdict on {unjudged} answers: they are ungraded")


def _write_recorded(items: Sequence[Item], answers: dict[str, dict[str, Any]], path: Path) -> None:
    """The items that every candidate answered, as ``moa tune`` and ``recorded:`` read them."""
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
