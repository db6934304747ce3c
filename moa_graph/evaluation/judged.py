"""Candidates compared by a judge or a jury: every pair of answers in both orders, and corrected for length.

Each judge is a batch (:mod:`moa_graph.batch`) whose journal stands beside the results: it bounds the dollars, and
an interrupted comparison resumes where it stopped. A candidate that gave no answer loses the pair.
Sources: Zheng et al. 2023 (arXiv 2306.05685) for the swap of positions; Verga et al. 2024 (arXiv 2404.18796) for
juries; Dubois et al. 2024 (arXiv 2404.04475) for win rates at equal length.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from moa_graph.batch import arun
from moa_graph.errors import InputError
from moa_graph.evaluation.candidates import file_name, mixture_of_candidate
from moa_graph.evaluation.judging import PREFER, VERDICT_TOKENS, preference, verdict_in
from moa_graph.evaluation.length_control import length_controlled_win_rate
from moa_graph.evaluation.recordings import read_rows
from moa_graph.evaluation.significance import holm, mcnemar, wilson_interval
from moa_graph.evaluation.tables import read_results

__all__ = ["JudgedCandidate", "JudgedComparison", "judge_pairs"]

CONCURRENCY = 16
ORDERS = ("forth", "back")


@dataclass(frozen=True)
class JudgedCandidate:
    """A candidate's answers beside those of the reference.

    Args:
        name: The candidate's name.
        items: Pairs with a verdict.
        win_rate: Share of pairs in which its answer is the better one; a tie is half a win.
        low: Lower end of the 95 % interval (Wilson's).
        high: Upper end.
        length_controlled: The win rate at equal length; None where it can't be estimated.
        ties: Pairs in which neither is better.
        swayed: Pairs in which a judge's verdict changed with the order.
        characters: Mean length of its answers.
        p: P-value of "wins and losses are equal" (McNemar's mid-p), with Holm's correction across all candidates.
    """

    name: str
    items: int
    win_rate: float
    low: float
    high: float
    length_controlled: float | None
    ties: int
    swayed: int
    characters: float
    p: float


@dataclass(frozen=True)
class JudgedComparison:
    """The judges' verdicts, the most preferred candidate first.

    Args:
        candidates: All but the reference.
        reference: The one that they are compared with.
        characters: Mean length of its answers.
        judges: The judges' names.
        unjudged: Pairs without a verdict.
        usd: Dollars spent on judging, over all runs.
        usd_complete: Whether the price of every call was known.
        stopped: Why judging stopped early; None where it didn't.
        folder: Where verdicts are kept.
    """

    candidates: tuple[JudgedCandidate, ...]
    reference: str
    characters: float
    judges: tuple[str, ...]
    unjudged: int
    usd: float
    usd_complete: bool
    stopped: str | None
    folder: Path


@dataclass(frozen=True)
class _Pair:
    """One candidate's answer to an item, beside the reference's; None where there is no answer."""

    candidate: str
    item: str
    question: str
    one: str | None
    other: str | None

    @property
    def is_asked(self) -> bool:
        """Whether a judge is needed."""
        return self.one is not None and self.other is not None and self.one.strip() != self.other.strip()

    def row(self, order: str) -> dict[str, Any]:
        """The row of a batch that asks about it."""
        first, second = (self.one, self.other) if order == "forth" else (self.other, self.one)
        asked = PREFER.format(question=self.question, first=first, second=second)
        return {"id": self.id(order), "messages": [{"role": "user", "content": asked}]}

    def id(self, order: str) -> str:
        """The row's identity."""
        return json.dumps([self.candidate, self.item, order], ensure_ascii=False)


async def judge_pairs(
    results: str | Path,
    judges: Sequence[str],
    *,
    against: str,
    usd: float,
    told: Callable[[str], None] = lambda line: None,
) -> JudgedComparison:
    """Asks each judge about each candidate's answer beside the reference's, in both orders.

    Args:
        results: What ``moa eval`` wrote, or recorded answers as for ``moa tune``; no grades are needed.
        judges: Models, presets or files of mixtures; of several, the median verdict counts.
        against: The candidate that the others are compared with.
        usd: Budget in dollars for judging, over all runs.
        told: Called with a line about progress.

    Raises:
        InputError: There is nothing to compare.
        MoaError: A judge can't work, or its cost can't be bounded.
    """
    path = Path(results)
    answers = _answers(path)
    if against not in answers:
        raise InputError(f"--against {against}: the candidates are {', '.join(answers)}")
    pairs = list(_pairs(answers, against))
    if not pairs:
        raise InputError(f"{path}: nothing to compare: no other candidate answered any item that {against} answered")
    folder = path.with_name(f"{path.name.split('.')[0]}.judged")
    panel = _Panel(folder, [pair for pair in pairs if pair.is_asked], usd, told)
    for judge in judges:
        await panel.ask(judge)
    found = [_candidate(name, [pair for pair in pairs if pair.candidate == name], panel) for name in answers]
    compared = [one for one in found if one is not None]
    corrected = holm([one.p for one in compared])
    compared = [replace(one, p=p) for one, p in zip(compared, corrected, strict=True)]
    return JudgedComparison(
        candidates=tuple(sorted(compared, key=lambda one: -one.win_rate)),
        reference=against,
        characters=_mean_length([pair.other for pair in pairs]),
        judges=tuple(judges),
        unjudged=sum(panel.score(pair) is None for pair in pairs),
        usd=panel.spent,
        usd_complete=panel.known,
        stopped=panel.stopped,
        folder=folder,
    )


def _answers(path: Path) -> dict[str, dict[str, tuple[str, str | None]]]:
    """Candidate -> item -> question and answer."""
    found: dict[str, dict[str, tuple[str, str | None]]] = {}
    if path.suffix == ".gz" or _is_recorded(path):
        for place, row in enumerate(read_rows(path)):
            for model, text in row["outputs"].items():
                found.setdefault(model, {})[str(row.get("id", place))] = (row["question"], text)
        return found
    for row in read_results(path).to_dict("records"):
        text = row["answer"] if isinstance(row["answer"], str) else None
        found.setdefault(str(row["candidate"]), {})[str(row["id"])] = (str(row["question"]), text)
    return found


def _is_recorded(path: Path) -> bool:
    if path.suffix != ".jsonl":
        return False
    with path.open(encoding="utf-8") as lines:
        return '"outputs"' in next(lines, "")


def _pairs(answers: Mapping[str, Mapping[str, tuple[str, str | None]]], against: str) -> Iterator[_Pair]:
    for candidate, given in answers.items():
        for item, (question, text) in given.items():
            if candidate != against and item in answers[against]:
                yield _Pair(candidate, item, question, text, answers[against][item][1])


class _Panel:
    """The judges' verdicts on pairs, within one budget."""

    def __init__(self, folder: Path, pairs: Sequence[_Pair], usd: float, told: Callable[[str], None]) -> None:
        self.spent, self.known, self.stopped = 0.0, True, None if usd > 0 else "no dollars"
        self._folder, self._usd, self._told = folder, usd, told
        self._said: list[Mapping[str, str]] = []
        rows = "".join(json.dumps(pair.row(order), ensure_ascii=False) + "\n" for pair in pairs for order in ORDERS)
        self._asked = folder / f"pairs-{hashlib.sha256(rows.encode()).hexdigest()[:12]}.jsonl"
        folder.mkdir(parents=True, exist_ok=True)
        self._asked.write_text(rows, encoding="utf-8")

    async def ask(self, judge: str) -> None:
        """Asks a judge whatever it wasn't asked before."""
        if self._asked.stat().st_size == 0:
            return
        left = self._usd - self.spent
        if left <= 0:
            self.stopped = self.stopped or f"{judge}: the budget of {self._usd:g} dollars is spent"
            return
        output = self._folder / f"{file_name(judge)}-{self._asked.stem}.jsonl"
        summary = await arun(
            self._asked, output, mixture_of_candidate(judge, max_tokens=VERDICT_TOKENS),
            usd=left, concurrency=CONCURRENCY, until_spent=True, store=self._folder / "calls.sqlite",
        )  # fmt: skip
        self.spent += summary.usd if summary.spent is None else summary.spent
        self.known = self.known and summary.usd_complete
        if not summary.is_complete and summary.stopped is not None:
            self.stopped = f"{judge}: {summary.stopped}"
        self._told(f"{judge}: {summary.answered} answered, {summary.failed} failed, {summary.usd:.6f} dollars")
        lines = output.read_text(encoding="utf-8").splitlines() if output.exists() else []
        rows = [json.loads(line) for line in lines if line.strip()]
        self._said.append({str(row["id"]): row["answer"] for row in rows if row.get("answer")})

    def score(self, pair: _Pair) -> tuple[float, bool] | None:
        """How much better a pair's first answer is, from 0 to 1, and whether no verdict changed with the order."""
        if not pair.is_asked:
            if pair.one is None and pair.other is None:
                return None
            return (0.5 if pair.one is not None and pair.other is not None else float(pair.one is not None)), True
        forth, back = ([verdict_in(said.get(pair.id(order), "")) for said in self._said] for order in ORDERS)
        return preference(forth, back)


def _candidate(name: str, pairs: Sequence[_Pair], panel: _Panel) -> JudgedCandidate | None:
    """The summary of a candidate's verdicts; None where there is none."""
    judged = [(pair, found) for pair in pairs if (found := panel.score(pair)) is not None]
    if not judged:
        return None
    scores = [score for _, (score, _) in judged]
    wins, losses = sum(score > 0.5 for score in scores), sum(score < 0.5 for score in scores)
    low, high = wilson_interval(sum(scores), len(scores))
    texts = [(pair.one or "", pair.other or "") for pair, _ in judged]
    lengths, others = [len(one) for one, _ in texts], [len(other) for _, other in texts]
    return JudgedCandidate(
        name=name,
        items=len(judged),
        win_rate=sum(scores) / len(scores),
        low=low,
        high=high,
        length_controlled=length_controlled_win_rate(scores, lengths, others) if len(scores) > 2 else None,
        ties=len(scores) - wins - losses,
        swayed=sum(not consistent for _, (_, consistent) in judged),
        characters=_mean_length([pair.one for pair in pairs]),
        p=mcnemar(wins, losses),
    )


def _mean_length(texts: Sequence[str | None]) -> float:
    given = [len(text) for text in texts if text is not None]
    return sum(given) / len(given) if given else 0.0
