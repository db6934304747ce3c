"""Recorded answers of several models to the same prompts, as arrays: answers, whether they are right, and costs."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moa_graph.errors import InputError
from moa_graph.evaluation.grading import grader, reference_text
from moa_graph.evaluation.prices import PriceList, prices_of
from moa_graph.extract import Extractor
from moa_graph.models.prices import cost
from moa_graph.views import CHARACTERS_PER_TOKEN

__all__ = ["NO_ANSWER", "UNKNOWN", "UNSEEN", "Recordings", "read_recordings", "read_rows"]

NO_ANSWER = -1
"""Code of a text in which no answer was found: it equals nothing."""
UNSEEN = -2
"""Code of a right answer that no model gave."""
UNKNOWN = -3
"""Code of an unknown right answer: the prompt has no label."""

TAGS = ("tag", "group", "category", "subject")
"""Fields that may hold a prompt's tag; the first present counts."""


@dataclass(frozen=True)
class Recordings:
    """Answers of ``models`` to prompts, extracted, graded and priced.

    Args:
        file: The file that they were read from.
        models: Their names; columns of the arrays.
        ids: The prompts' identities; rows of the arrays.
        questions: The prompts' texts.
        tags: Each prompt's tag; None where it has none.
        answers: Code of each model's extracted answer: equal codes are equal answers to one prompt.
        names: Per prompt, the extracted answers that its codes stand for.
        right: Code of the right answer of each prompt.
        costs: US dollars of each model's answer to each prompt.
        texts: Model -> its whole answers, one a prompt.
        prices: The prices used for the costs.
        grade: How answers were extracted.
        left_out: Models of the file that didn't answer every prompt.
    """

    file: str
    models: tuple[str, ...]
    ids: tuple[str, ...]
    questions: tuple[str, ...]
    tags: tuple[str | None, ...]
    answers: NDArray[np.int16]
    names: tuple[tuple[str, ...], ...]
    right: NDArray[np.int16]
    costs: NDArray[np.float64]
    texts: Mapping[str, Sequence[str]]
    prices: PriceList
    grade: str | Extractor
    left_out: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def labelled(self) -> NDArray[np.intp]:
        """Indices of the prompts whose right answer is known."""
        return np.flatnonzero(self.right != UNKNOWN)

    def some(self, places: NDArray[np.intp]) -> Recordings:
        """Only these prompts; an index given twice appears twice."""
        return replace(
            self,
            ids=tuple(self.ids[place] for place in places),
            questions=tuple(self.questions[place] for place in places),
            tags=tuple(self.tags[place] for place in places),
            answers=self.answers[places],
            names=tuple(self.names[place] for place in places),
            right=self.right[places],
            costs=self.costs[places],
            texts={model: [texts[place] for place in places] for model, texts in self.texts.items()},
        )

    def of_models(self, models: Sequence[str]) -> Recordings:
        """Only these models."""
        if missing := [model for model in models if model not in self.models]:
            raise InputError(f"{self.file} has no answers of {', '.join(missing)}; it has {', '.join(self.models)}")
        columns = [self.models.index(model) for model in models]
        return replace(self, models=tuple(models), answers=self.answers[:, columns], costs=self.costs[:, columns])

    def digest(self) -> str:
        """A hash of the prompts, whatever their order."""
        hashes = sorted(hashlib.sha256(question.encode()).hexdigest() for question in self.questions)
        return hashlib.sha256("".join(hashes).encode()).hexdigest()


def read_recordings(
    file: str | Path,
    grade: str | Extractor = "exact",
    *,
    prices: str | Path | None = None,
    models: Sequence[str] | None = None,
) -> Recordings:
    """Recorded answers: JSON lines of ``{id, question, answer, outputs: {model: text}}``, or compressed (``.gz``).

    A row may also have ``choices``, ``tag`` (or ``group``, ``category``, ``subject``), and ``usage: {model: {input,
    output}}`` in tokens; without it tokens are estimated from characters. A row without ``answer`` has no label.

    Args:
        file: The file.
        grade: How answers are read and compared: see :func:`moa_graph.evaluation.grading.grader`.
        prices: File of dollars per million tokens: see :func:`moa_graph.evaluation.prices.read_prices`.
        models: Which models; default: all that answered every prompt.

    Raises:
        InputError: The file holds no recorded answers.
        MixtureError: A price isn't known, or there is no such grade.
    """
    rows = list(read_rows(file))
    named = tuple(models) if models is not None else _complete(rows, file)
    if len(named) < 2:
        raise InputError(f"{file}: {len(named)} model(s) answered every prompt; comparing takes at least two.")
    listed = prices_of(named, prices)
    read = grader(grade)
    shape = (len(rows), len(named))
    answers, costs, right = np.full(shape, NO_ANSWER, np.int16), np.zeros(shape), np.full(len(rows), UNKNOWN, np.int16)
    names: list[tuple[str, ...]] = []
    for place, row in enumerate(rows):
        codes: dict[str, int] = {}
        for column, model in enumerate(named):
            text = row["outputs"].get(model)
            if text is None:
                continue
            if (answer := read(text)) is not None:
                answers[place, column] = codes.setdefault(answer, len(codes))
            costs[place, column] = cost(listed[model], _usage(row, model, text)) or 0.0
        names.append(tuple(codes))
        label = reference_text(row.get("answer"), row.get("choices", row.get("options")), grade)
        if label is not None:
            right[place] = codes.get(str(read(label)), UNSEEN)
    return Recordings(
        file=str(file),
        models=named,
        ids=tuple(str(row.get("id", place)) for place, row in enumerate(rows)),
        questions=tuple(row["question"] for row in rows),
        tags=tuple(_tag(row) for row in rows),
        answers=answers,
        names=tuple(names),
        right=right,
        costs=costs,
        texts={model: [row["outputs"].get(model, "") for row in rows] for model in named},
        prices=listed,
        grade=grade,
        left_out=()
        if models is not None
        else tuple(sorted({one for row in rows for one in row["outputs"]} - {*named})),
    )


def read_rows(file: str | Path) -> Iterator[dict[str, Any]]:
    """The rows of a file of recorded answers. An answer that is null is one that the model didn't give.

    Raises:
        InputError: It can't be read, or a line isn't what it should be; the message names the line.
    """
    path = Path(file)
    opened: Any = gzip.open if path.suffix == ".gz" else open
    number = 0
    try:
        with opened(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                number += 1
                if line.strip():
                    row = json.loads(line)
                    if not isinstance(row["question"], str) or not _are_texts(row["outputs"]):
                        raise TypeError("question is a text, outputs a mapping of model to text")
                    outputs = {model: text for model, text in row["outputs"].items() if text is not None}
                    yield {**row, "outputs": outputs}
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{file}, line {number}: {type(error).__name__}: {error}. Each line is a JSON object with question and "
            'outputs, as {"id": ..., "question": ..., "answer": ..., "outputs": {"model": "text"}}.'
        ) from error


def _are_texts(outputs: Any) -> bool:
    return isinstance(outputs, dict) and all(text is None or isinstance(text, str) for text in outputs.values())


def _complete(rows: Sequence[Mapping[str, Any]], file: str | Path) -> tuple[str, ...]:
    """The models that answered every prompt, in the order of the first row."""
    if not rows:
        raise InputError(f"{file} holds no rows.")
    everywhere = set(rows[0]["outputs"]).intersection(*(row["outputs"] for row in rows))
    return tuple(model for model in rows[0]["outputs"] if model in everywhere)


def _usage(row: Mapping[str, Any], model: str, text: str) -> Any:
    """Tokens of an answer: as recorded, else estimated as ``recorded:FILE#MODEL`` estimates them."""
    known = (row.get("usage") or row.get("tokens") or {}).get(model) or {}
    estimated = {"input": len(row["question"]) // CHARACTERS_PER_TOKEN, "output": len(text) // CHARACTERS_PER_TOKEN}
    return {"cached": 0, **estimated, **{name: known[name] for name in ("input", "output") if name in known}}


def _tag(row: Mapping[str, Any]) -> str | None:
    return next((str(row[name]) for name in TAGS if row.get(name) is not None), None)
