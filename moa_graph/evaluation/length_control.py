"""The win rate that would hold if both sides wrote equally long answers.

Source: Dubois et al. 2024 (arXiv 2404.04475), length-controlled AlpacaEval: a logistic model of each preference from
who wrote, the squashed difference of lengths, and how difficult the instruction is; read off at no difference.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

__all__ = ["instruction_difficulty", "length_controlled_win_rate", "published_win_rate"]

PENALTY = 1e-4
STEPS = 20


def length_controlled_win_rate(
    preferences: ArrayLike, lengths: ArrayLike, baseline_lengths: ArrayLike, difficulty: ArrayLike | None = None
) -> float:
    """The win rate at equal length, from 0 to 1.

    Args:
        preferences: For each item, from 0 (the baseline is better) to 1.
        lengths: Characters of each answer.
        baseline_lengths: Characters of each of the baseline's answers.
        difficulty: For each item: as published, or from :func:`instruction_difficulty`. Default: ignored.
    """
    wanted = np.asarray(preferences, float)
    squashed = _squashed(np.asarray(lengths, float) - np.asarray(baseline_lengths, float))
    hard = None if difficulty is None else np.asarray(difficulty, float)
    if not squashed.any() and hard is None:
        return float(wanted.mean())
    columns = [np.ones(len(wanted)), *([] if hard is None else [hard])]
    fitted = _fit(wanted, np.column_stack([*columns, squashed]))
    return float(expit(np.column_stack(columns) @ fitted[:-1]).mean())


def published_win_rate(intercept: float, weight: float, difficulty: ArrayLike) -> float:
    """The win rate that follows from a leaderboard's published weights of a model, from 0 to 1.

    Args:
        intercept: The model's own weight less the baseline's.
        weight: The model's weight of difficulty less the baseline's.
        difficulty: For each instruction, as published.
    """
    return float(expit(intercept + weight * np.asarray(difficulty, float)).mean())


def instruction_difficulty(
    preferences: ArrayLike, lengths: ArrayLike, baseline_lengths: ArrayLike
) -> NDArray[np.float64]:
    """How difficult each instruction is, from several models' preferences on all of them; large where models do well.

    It is the term that all models share: a common factor of their preferences beside each model's own level and length,
    fitted in turn with the models' weights, with mean 0 and spread 1.

    Args:
        preferences: Model by item, from 0 (the baseline is better) to 1.
        lengths: Model by item, characters.
        baseline_lengths: Characters of each of the baseline's answers.
    """
    wanted = np.asarray(preferences, float)
    squashed = np.stack([_squashed(row) for row in np.asarray(lengths, float) - np.asarray(baseline_lengths, float)])
    hard = _standard(wanted.mean(axis=0))
    for _ in range(STEPS):
        weights = np.stack(
            [
                _fit(own, np.column_stack([np.ones(len(own)), hard, length]))
                for own, length in zip(wanted, squashed, strict=True)
            ]
        )
        fixed = weights[:, [0]] + weights[:, [2]] * squashed
        updated = _standard(_newton(wanted, fixed, weights[:, [1]], hard))
        if np.abs(updated - hard).max() < 1e-3:
            break
        hard = updated
    return hard


def _newton(wanted: NDArray[np.float64], fixed: NDArray[np.float64], slope: NDArray[np.float64],
            hard: NDArray[np.float64]) -> NDArray[np.float64]:  # fmt: skip
    """Each instruction's likeliest difficulty, given the models' weights, with a standard normal prior."""
    for _ in range(8):
        chance = expit(fixed + slope * hard)
        gradient = (slope * (wanted - chance)).sum(axis=0) - hard
        hard = hard + gradient / ((slope**2 * chance * (1 - chance)).sum(axis=0) + 1)
    return hard


def _fit(wanted: NDArray[np.float64], made: NDArray[np.float64]) -> NDArray[np.float64]:
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    fitted = GLM(wanted, made, family=Binomial()).fit_regularized(alpha=PENALTY, L1_wt=0.0)
    return np.asarray(fitted.params, float)


def _squashed(difference: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = difference.std(ddof=1) if len(difference) > 1 else 0.0
    return np.tanh(difference / spread) if spread else np.zeros(len(difference))


def _standard(values: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = values.std()
    return (values - values.mean()) / spread if spread else np.zeros(len(values))
