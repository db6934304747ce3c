"""A judge proposes which of several answers is right; a person decides, and their agreement is reported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from moa_graph.errors import RunFailed
from moa_graph.evaluation.judging import NONE_OF_THEM, BudgetSpent, Jury
from moa_graph.evaluation.labelling import answers_to_choose_from, prompt_hash, text_of
from moa_graph.evaluation.recordings import UNSEEN, Recordings
from moa_graph.interruptible import run
from moa_graph.store import open_store

__all__ = ["Proposer"]

MOST_FAILURES = 3
"""Failures in a row after which the judge is no longer asked: a person waits for each."""


class Proposer:
    """The answer that a model, or a jury, takes for right. Its verdicts are stored, so nothing is paid for twice.

    Args:
        judges: Models, presets or files of mixtures.
        store: A ``.sqlite`` or ``.jsonl`` file.
        usd: Budget in dollars for all proposals.
        told: Called with a line where a judge fails, or its budget is spent.

    Raises:
        MoaError: A judge can't work, or its cost can't be bounded.
    """

    def __init__(self, judges: Sequence[str], store: Path, usd: float, told: Callable[[str], None]) -> None:
        self.made: dict[str, int] = {}
        self.usd = 0.0
        self._judges, self._store, self._most, self._told = judges, store, usd, told
        self._failures = 0
        self._stopped = False
        with closing(open_store(store)) as kept:
            Jury(judges, kept, usd)  # problems are reported before a person begins

    def propose(self, recordings: Recordings, place: int) -> int | None:
        """The code of the answer that it takes for right, ``UNSEEN`` for none of them; None where it can't decide."""
        prompt = prompt_hash(recordings, place)
        if prompt not in self.made and not self._stopped:
            codes = answers_to_choose_from(recordings, place, range(len(recordings.models)))
            texts = [text_of(recordings, place, code) for code in codes]
            try:
                choice = run(self._choose(recordings.questions[place], texts))
            except RunFailed as error:
                self._note_failure(error)
                return None
            self._failures = 0
            if choice is not None:
                self.made[prompt] = UNSEEN if choice == NONE_OF_THEM else codes[choice]
        return self.made.get(prompt)

    def _note_failure(self, error: RunFailed) -> None:
        self._failures += 1
        self._stopped = isinstance(error, BudgetSpent) or self._failures == MOST_FAILURES
        self._told(f"the judge makes no {'further proposals' if self._stopped else 'proposal here'}: {error}")

    async def _choose(self, question: str, answers: Sequence[str]) -> int | None:
        """In a loop of its own, since a person is waited for in between."""
        if self.usd >= self._most:
            raise BudgetSpent(f"its budget of {self._most:g} dollars is spent")
        with closing(open_store(self._store)) as kept:
            jury = Jury(self._judges, kept, self._most - self.usd)
            try:
                return await jury.choose(question, answers)
            finally:
                self.usd += jury.usd
