"""What each model is good for in a mixture, from recorded answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moa_graph.errors import InputError
from moa_graph.evaluation.recordings import Recordings

__all__ = ["Role", "Roles", "roles_of"]


@dataclass(frozen=True)
class Role:
    """What one model is good for, in shares.

    Args:
        model: Its name.
        alone: How often it is right on its own.
        rescues: How often it is right where the majority of the others' answers is wrong: what it adds as a proposer.
        decides: How often it is right where the others disagree: what it is worth where a chain asks it last.
        trusted: How often it is right where it agrees with another model; the mean over the others.
        dollars: Mean cost of a prompt.
    """

    model: str
    alone: float
    rescues: float
    decides: float
    trusted: float
    dollars: float


@dataclass(frozen=True)
class Roles:
    """Every model's role, the most often right first, and how their errors go together.

    Args:
        roles: What each is good for.
        errors: Correlation of errors, in the order of ``roles``; 0 with a model that never or always errs.
        prompts: Labelled prompts that it was found on.
    """

    roles: tuple[Role, ...]
    errors: NDArray[np.float64]
    prompts: int


def roles_of(recordings: Recordings) -> Roles:
    """What each model is good for; but its own answers don't show how well it aggregates: compare mixtures for that.

    Raises:
        InputError: No prompt is labelled.
    """
    part = recordings.some(recordings.labelled)
    if not len(part):
        raise InputError(f"{recordings.file}: no row has a reference answer.")
    right = part.right == part.answers.T
    order = sorted(range(len(part.models)), key=lambda column: (-right[column].mean(), part.costs[:, column].mean()))
    return Roles(
        roles=tuple(_role(part, right, column) for column in order),
        errors=_correlations(~right[order]),
        prompts=len(part),
    )


def _role(part: Recordings, right: NDArray[np.bool_], column: int) -> Role:
    others = [other for other in range(len(part.models)) if other != column]
    majority = _plurality_right(part.answers[:, others], part.right)
    agreed = (part.answers[:, others] == part.answers[:, others[:1]]).all(axis=1)
    trusted = []
    for other in others:
        same = (part.answers[:, other] == part.answers[:, column]) & (part.answers[:, column] >= 0)
        if same.any():
            trusted.append(float(right[column][same].mean()))
    return Role(
        model=part.models[column],
        alone=float(right[column].mean()),
        rescues=_share(right[column], ~majority),
        decides=_share(right[column], ~agreed),
        trusted=float(np.mean(trusted)) if trusted else 0.0,
        dollars=float(part.costs[:, column].mean()),
    )


def _plurality_right(answers: NDArray[np.int16], right: NDArray[np.int16]) -> NDArray[np.bool_]:
    same = (answers[:, :, None] == answers[:, None, :]) & (answers >= 0)[:, :, None]
    winner = same.sum(axis=2).argmax(axis=1)
    return np.asarray(answers[np.arange(len(answers)), winner] == right)


def _share(right: NDArray[np.bool_], among: NDArray[np.bool_]) -> float:
    return float(right[among].mean()) if among.any() else 0.0


def _correlations(errors: NDArray[np.bool_]) -> NDArray[np.float64]:
    centred = errors - errors.mean(axis=1, keepdims=True)
    spread = np.sqrt((centred**2).sum(axis=1))
    scale = np.outer(spread, spread)
    found: NDArray[np.float64] = np.divide(centred @ centred.T, scale, out=np.zeros_like(scale), where=scale > 0)
    np.fill_diagonal(found, 1.0)
    return found
