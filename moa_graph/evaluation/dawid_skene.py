"""What is likely right where nobody said so: Dawid and Skene's model over several models' answers.

Source: Dawid and Skene 1979 (Applied Statistics 28, 20-28), each model with one rate of right answers, and answers from
an open set. Models err together more often than the model believes, so this guides a search and proves nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["credit_of_agreement"]

STEPS = 50
LEAST, MOST = 0.05, 0.995
"""Bounds of a model's rate of right answers."""


def credit_of_agreement(answers: NDArray[np.int16]) -> NDArray[np.float64]:
    """Prompt by code, the probability that the answer is right; the last column, no answer, is 0.

    Args:
        answers: Prompt by model, codes of answers; below 0 where there is none.
    """
    codes = int(answers.max(initial=0)) + 1
    given = answers[:, :, None] == np.arange(codes)
    exists = given.any(axis=1)
    alternatives = np.maximum(exists.sum(axis=1), 2)
    skill = np.full(answers.shape[1], 0.8)
    belief = np.zeros(exists.shape)
    for _ in range(STEPS):
        right, wrong = np.log(skill), np.log1p(-skill)
        evidence = (given * (right - wrong)[None, :, None]).sum(axis=1)
        evidence += given.sum(axis=1) * np.log(alternatives - 1)[:, None]  # a wrong answer is one of several
        evidence[~exists] = -np.inf
        top = np.where(exists.any(axis=1), evidence.max(axis=1), 0.0)
        belief = np.exp(evidence - top[:, None])
        belief /= np.maximum(belief.sum(axis=1, keepdims=True), 1e-12)
        updated = np.clip((given * belief[:, None, :]).sum(axis=(0, 2)) / len(answers), LEAST, MOST)
        if np.abs(updated - skill).max() < 1e-6:
            break
        skill = updated
    belief = np.sqrt(belief)  # less sure: errors aren't independent
    belief /= np.maximum(belief.sum(axis=1, keepdims=True), 1e-12)
    return np.hstack([belief, np.zeros((len(answers), 1))])
