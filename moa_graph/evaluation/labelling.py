"""Asking only for the labels that matter: where two systems give the same answer, no label can tell them apart.

Two kinds of duel. One goes through the prompts in random order, bets on each (:mod:`moa_graph.evaluation.betting`)
and stops once it is decided. The other is the exact test over all prompts, which asks for every disagreement that
can still change its result. Labels are shared by all duels, and no prompt is asked about twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from moa_graph.errors import InputError
from moa_graph.evaluation.betting import Wager
from moa_graph.evaluation.noninferiority import p_value, rejects
from moa_graph.evaluation.recordings import UNKNOWN, UNSEEN, Recordings

__all__ = [
    "AskLabel",
    "LabelFile",
    "Referee",
    "StoppedAsking",
    "answers_to_choose_from",
    "label_row",
    "named",
    "prompt_hash",
    "text_of",
]

AskLabel = Callable[[int], int]
"""Gives the code of the right answer to the prompt at a place: ``UNSEEN`` where no model gave it."""


class StoppedAsking(Exception):
    """The person stopped: the labels so far are kept."""


class Memory(Protocol):
    """Where labels are stored."""

    def keep(self, recordings: Recordings, place: int, code: int) -> None:
        """Stores one label."""


class Referee:
    """Decides duels on some prompts, asking for as few labels as it can.

    Args:
        recordings: Answers to the prompts; labels among them are used, not asked again.
        ask: Asked for the others.
        margin: Largest tolerated loss of accuracy, as a share.
        level: Error rate of each decision.
        memory: Stores the labels that were given.
    """

    def __init__(
        self, recordings: Recordings, ask: AskLabel, margin: float, level: float, memory: Memory | None = None
    ) -> None:
        self.recordings = recordings
        self.asked = 0
        self._ask, self._margin, self._level, self._memory = ask, margin, level, memory
        self._right = recordings.right.copy()
        self._order = sorted(range(len(recordings)), key=lambda place: _drawn(recordings, place))

    @property
    def right(self) -> NDArray[np.int16]:
        """The labels so far."""
        return self._right.copy()

    def bet(self, answers: NDArray[np.int16], rival: NDArray[np.int16]) -> Wager:
        """A duel by bets, prompt by prompt in random order, until it is decided or the prompts end."""
        wager = Wager(self._margin, self._level)
        for place in self._order:
            differ = answers[place] != rival[place]
            wager.see(self._difference(place, answers, rival) if differ else 0)
            if wager.decision is not None:
                break
        return wager

    def waiting(self, answers: NDArray[np.int16], rival: NDArray[np.int16]) -> list[int]:
        """Places of the prompts whose labels this duel would ask for next, in its order."""
        return [place for place in self._order if answers[place] != rival[place] and self._right[place] == UNKNOWN]

    def test(self, answers: NDArray[np.int16], rival: NDArray[np.int16]) -> tuple[int, int, float]:
        """A duel by the exact test over all prompts: wins, losses and the p-value of what was labelled.

        It stops asking once no further label can change the result; what wasn't labelled then counts as a loss where
        the test rejects all the same, and as a win where it doesn't.
        """
        open_places = [place for place in self._order if answers[place] != rival[place]]
        known = [place for place in open_places if self._right[place] != UNKNOWN]
        wins = losses = 0
        for done, place in enumerate([*known, *(place for place in open_places if place not in set(known))]):
            left = len(open_places) - done
            if self._rejects(wins, losses + left):
                return wins, losses + left, self._p(wins, losses + left)
            if not self._rejects(wins + left, losses):
                return wins + left, losses, self._p(wins + left, losses)
            difference = self._difference(place, answers, rival)
            wins, losses = wins + (difference > 0), losses + (difference < 0)
        return wins, losses, self._p(wins, losses)

    def _difference(self, place: int, answers: NDArray[np.int16], rival: NDArray[np.int16]) -> int:
        if self._right[place] == UNKNOWN:
            code = self._ask(place)
            self.asked += 1
            self._right[place] = code
            if self._memory is not None:
                self._memory.keep(self.recordings, place, code)
        return int(answers[place] == self._right[place]) - int(rival[place] == self._right[place])

    def _rejects(self, wins: int, losses: int) -> bool:
        return bool(rejects(wins, losses, len(self.recordings), self._margin, self._level))

    def _p(self, wins: int, losses: int) -> float:
        return p_value(wins, losses, len(self.recordings), self._margin)


class LabelFile:
    """Labels that a person gave, as JSON lines: ``{"id", "prompt", "answer"}``; null is "none of these".

    A line also has ``proposed``, written like ``answer``, where a judge proposed one.

    Args:
        path: The file; created with the first label.
        proposed: What a judge proposed: hash of a prompt -> code of an answer.
    """

    def __init__(self, path: str | Path, proposed: Mapping[str, int] | None = None) -> None:
        self.path = Path(path)
        self._proposed = proposed if proposed is not None else {}

    def known(self, recordings: Recordings) -> NDArray[np.int16]:
        """The labels of ``recordings`` with those of the file.

        Raises:
            InputError: The file can't be read.
        """
        right = recordings.right.copy()
        told = {row["prompt"]: row["answer"] for row in self._read()}
        for place in range(len(recordings)):
            prompt = prompt_hash(recordings, place)
            if prompt in told:
                answer = told[prompt]
                names = recordings.names[place]
                right[place] = names.index(answer) if answer in names else UNSEEN
        return right

    def keep(self, recordings: Recordings, place: int, code: int) -> None:
        """Adds one label to the file."""
        row = label_row(recordings, place, self._proposed.get(prompt_hash(recordings, place)))
        row["answer"] = named(recordings, place, code)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def agreement(self) -> tuple[int, int]:
        """How many proposals the person agreed with, and how many the person answered at all."""
        rows = [row for row in self._read() if "proposed" in row]
        return sum(row["proposed"] == row["answer"] for row in rows), len(rows)

    def _read(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        try:
            rows = [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines() if line.strip()]
            return [{**row, "prompt": row["prompt"], "answer": row["answer"]} for row in rows]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.path}: the labels can't be read ({type(error).__name__}: {error}).") from error


def answers_to_choose_from(recordings: Recordings, place: int, models: Sequence[int]) -> list[int]:
    """The distinct answers of these models, in an order that doesn't reveal who gave them."""
    codes = {int(recordings.answers[place, model]) for model in models} - {-1}
    return sorted(codes, key=lambda code: hashlib.sha256(recordings.names[place][code].encode()).hexdigest())


def text_of(recordings: Recordings, place: int, code: int) -> str:
    """A whole answer with this code: that of the first model that gave it."""
    column = int((recordings.answers[place] == code).argmax())
    return recordings.texts[recordings.models[column]][place]


def label_row(recordings: Recordings, place: int, proposed: int | None) -> dict[str, Any]:
    """A line of a file of labels, but for the answer."""
    row = {"id": recordings.ids[place], "prompt": prompt_hash(recordings, place)}
    return row if proposed is None else {**row, "proposed": named(recordings, place, proposed)}


def named(recordings: Recordings, place: int, code: int) -> str | None:
    """The answer that a code stands for; None for "none of these"."""
    return recordings.names[place][code] if code >= 0 else None


def prompt_hash(recordings: Recordings, place: int) -> str:
    """A prompt's key in a file of labels: made from its text alone, whatever its identity elsewhere."""
    return hashlib.sha256(recordings.questions[place].encode()).hexdigest()[:32]


def _drawn(recordings: Recordings, place: int) -> str:
    """A pseudo-random sort key that is always the same for a prompt."""
    text = f"order\x00{recordings.ids[place]}\x00{recordings.questions[place]}\x00{place}"
    return hashlib.sha256(text.encode()).hexdigest()
