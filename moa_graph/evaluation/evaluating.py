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
    """What an evaluation came to.

    Args:
        results: The table's file.
        recorded: The answers in the form of ``moa tune``.
        items: How many were asked.
        broken: Rows that couldn't be asked.
        usd: Dollars spent in all tries together, the judge's among them; None where a price isn't known.
        stopped: Why it stopped before its end; None where it is complete.
        agreement: How often the judge says what ``check`` says; None without both.
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
        folder: For the table, the journals and the store; asked again with the same folder, it goes on.
        grade: As for ``moa tune``, or ``judge:MODEL`` or ``judge:MODEL,MODEL,...`` for a jury.
        usd: Most dollars for all candidates, the judge and all tries together.
        max_tokens: Of a single model's answer.
        concurrency: Items in flight at once.
        self_consistency: One of the candidates, a model: it is asked too for as many samples as cost what the dearest
            candidate costs, and their plurality counts.
        check: With a judge: a grade to tell its agreement with.
        told: Is told how the work goes on.

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
        told(f"{self_consistency}: {samples} sample(s) cost what the dearest candidate costs")
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
    """Refuses what can't work before money is spent."""
    if len(set(candidates)) < len(candidates):
        raise InputError("--candidates: one is named twice")
    if self_consistency is not None and (self_consistency not in candidates or ":" not in self_consistency):
        raise InputError(f"--self-consistency {self_consistency}: name one of the candidates, a provider:name")
    for spec in grades:
        if spec is not None and not spec.startswith(JUDGED):
            grader(spec)  # a grade that can't work is told before money is spent


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
        return None if usd > 0 else f"nothing can be asked for {usd:g} dollars"

    @property
    def left(self) -> float | None:
        """Dollars that are left; None is no limit."""
        return None if self._usd is None else self._usd - self.spent

    async def ask(self, candidate: str) -> None:
        """Asks a candidate whatever it wasn't asked before."""
        if self.left is not None and self.left <= 0:
            self.stopped = self.stopped or f"{candidate}: nothing is left of {self._usd:g} dollars"
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
    """What samples vote on, where a stage knows the grade too."""
    return grade if grade in ("number", "choice", "exact") or grade.startswith("json:") else None


def _samples_for_the_same(model: str, answers: dict[str, dict[str, Any]]) -> int:
    """How many samples of a model cost what the dearest candidate costs an item."""
    means: dict[str, float] = {}
    for candidate, rows in answers.items():
        paid = [row["usd"] for row in rows.values() if row.get("usd") is not None]
        means[candidate] = sum(paid) / len(paid) if paid else 0.0
    if not means.get(model):
        raise InputError(f"--self-consistency {model}: what its answers cost isn't known")
    return max(1, min(MOST_SAMPLES, round(max(means.values()) / means[model])))


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
    """Puts the jury's word in the place of a grade, as far as the dollars last."""
    with closing(open_store(store)) as kept:
        jury = Jury(judges, kept, asking.left)
        for row in rows:
            if row["reference"] is None or row["answer"] is None:
                continue
            row["right"] = None  # until the jury has said so
        try:
            for row in rows:
                if row["reference"] is not None and row["answer"] is not None:
                    verdict = await jury.grade(row["question"], row["reference"], row["answer"])
                    row["right"] = None if verdict.score is None else verdict.score > 0.5
        except BudgetSpent as error:
            asking.stopped = str(error)
    asking.spent += jury.usd
    asking.known = asking.known and jury.usd_complete
    asking.told(f"the judge: {jury.usd:.6f} dollars" + ("" if jury.usd_complete else ", not all of them known"))
    unjudged = sum(row["right"] is None and row["answer"] is not None and row["reference"] is not None for row in rows)
    if unjudged:
        asking.told(f"the judge gave no verdict on {unjudged} answers: they aren't graded")


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
