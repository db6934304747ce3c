"""How alike texts are: by embeddings where there are some, by TF-IDF otherwise."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

__all__ = ["most_diverse", "similarities", "tf_idf", "two_clusters"]

_WORD = re.compile(r"\w+")

Vector = dict[str, float]


def tf_idf(texts: Sequence[str]) -> list[Vector]:
    """Unit vectors of words, each weighted by how rare it is among the texts (smoothed inverse document frequency)."""
    counted = [Counter(word.casefold() for word in _WORD.findall(text)) for text in texts]
    documents = Counter(word for counts in counted for word in counts)
    weights = {word: math.log((1 + len(texts)) / (1 + found)) + 1 for word, found in documents.items()}
    return [_unit({word: count * weights[word] for word, count in counts.items()}) for counts in counted]


def similarities(vectors: Sequence[Vector]) -> list[list[float]]:
    """Cosines of all pairs of unit vectors."""
    return [[_dot(left, right) for right in vectors] for left in vectors]


def most_diverse(alike: Sequence[Sequence[float]], count: int) -> list[int]:
    """Indexes of the ``count`` most different texts.

    Starts from the one least like the others, and adds each time the one whose largest similarity to those chosen is
    smallest (RMoA, arXiv 2505.24442). Ties go to the earliest.
    """
    everyone = range(len(alike))
    if count >= len(alike):
        return list(everyone)
    chosen = [min(everyone, key=lambda one: sum(alike[one]) - alike[one][one])]
    while len(chosen) < count:
        rest = [one for one in everyone if one not in chosen]
        chosen.append(min(rest, key=lambda one: max(alike[one][other] for other in chosen)))
    return sorted(chosen)


def two_clusters(alike: Sequence[Sequence[float]]) -> tuple[list[int], list[int]]:
    """Two groups of texts, the larger one first; of equal ones, that of the first text.

    Grows from the two texts that are least alike: each other text joins the group that it is more like on average,
    until nothing moves any more.
    """
    everyone = list(range(len(alike)))
    if len(everyone) < 3:
        return everyone, []
    left, right = min(
        ((one, other) for one in everyone for other in everyone[one + 1 :]), key=lambda pair: alike[pair[0]][pair[1]]
    )
    groups = [{left}, {right}]
    for _ in everyone:
        moved: list[set[int]] = [set(), set()]
        for one in everyone:
            near = [_mean(alike[one][other] for other in group if other != one) for group in groups]
            moved[near[1] > near[0]].add(one)
        if moved == groups or not all(moved):
            break
        groups = moved
    ordered = sorted(groups, key=lambda group: (-len(group), min(group)))
    return sorted(ordered[0]), sorted(ordered[1])


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else 0.0


def _unit(vector: Vector) -> Vector:
    length = math.sqrt(sum(value * value for value in vector.values()))
    return {word: value / length for word, value in vector.items()} if length else vector


def _dot(left: Vector, right: Vector) -> float:
    if len(right) < len(left):
        left, right = right, left
    return sum(value * right.get(word, 0.0) for word, value in left.items())
