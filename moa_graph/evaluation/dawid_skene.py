"""Which answers are probably right, inferred from several models without labels: Dawid and Skene, with difficulty.

Dawid and Skene 1979 (Applied Statistics 28, 20-28) take models to be independent of each other, given the right answer.
They aren't: hard prompts are hard for all of them. So each prompt has one of a few latent kinds, on
each of which every model has its own rate, and models are independent given the kind (latent classes; that items
differ in difficulty: Whitehill et al. 2009, NIPS 22). The right answer may also be one that no model gave. The fit
is by EM. It guides a search and proves nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, logsumexp

__all__ = ["credit_of_agreement"]

Floats = NDArray[np.float64]

STEPS = 40
KINDS = 3
"""Kinds of prompts, from easy to hard."""
FEWEST_MODELS = 6
"""With fewer, answers can't tell kinds of prompts apart, and all count as one kind."""
LEAST, MOST = 0.02, 0.998
"""Bounds of a model's rate of right answers."""
PRIOR = 2.0
"""Prompts of each kind on which a model is taken to do as it does on all, before anything is seen."""


def credit_of_agreement(answers: NDArray[np.int16]) -> Floats:
    """Prompt by code, the probability that the answer is right; the last column, no answer, is 0.

    Args:
        answers: Prompt by model, codes of answers; below 0 where there is none.
    """
    prompts, models = answers.shape
    codes = int(answers.max(initial=0)) + 1
    given = (answers[:, :, None] == np.arange(codes)).astype(float)
    exists = given.any(axis=1)
    possible = np.maximum(exists.sum(axis=1), 2) + 1.0  # the given ones, and one that nobody gave
    overall = _rates_of_the_majority(given)
    kinds = KINDS if models >= FEWEST_MODELS else 1
    rates = expit(logit(overall)[:, None] + (np.linspace(1.5, -2.5, kinds) if kinds > 1 else np.zeros(1)))
    shares = np.full(kinds, 1 / kinds)
    belief = np.zeros((prompts, codes, kinds))
    for _ in range(STEPS):
        belief, nobody = _beliefs(answers, given, exists, possible, rates, shares)
        sizes = belief.sum(axis=(0, 1)) + nobody.sum(axis=0)
        shares = (sizes + 1) / (prompts + kinds)
        right = np.einsum("pmc,pck->mk", given, belief, optimize=True)
        updated = np.clip((right + PRIOR * overall[:, None]) / (sizes + PRIOR), LEAST, MOST)
        if np.abs(updated - rates).max() < 1e-4:
            break
        rates = updated
    return np.hstack([belief.sum(axis=2), np.zeros((prompts, 1))])


def _rates_of_the_majority(given: Floats) -> Floats:
    """How often each model's answer is among the most frequent."""
    if not len(given):
        return np.full(given.shape[1], 0.8)
    votes = given.sum(axis=1)
    common = (votes == votes.max(axis=1, keepdims=True)) & (votes > 0)
    found: Floats = np.clip((given * common[:, None, :]).sum(axis=2).mean(axis=0), 0.3, 0.98)
    return found


def _beliefs(
    answers: NDArray[np.int16],
    given: Floats,
    exists: NDArray[np.bool_],
    possible: Floats,
    rates: Floats,
    shares: Floats,
) -> tuple[Floats, Floats]:
    """Probability of each right answer and kind of prompt, and of each kind where nobody gave the right answer."""
    right, wrong = np.log(rates), np.log1p(-rates)
    this_one = -np.log(possible - 1)[:, None, None]  # a wrong answer is one of several
    all_wrong = np.where((answers < 0)[:, :, None], wrong, wrong + this_one).sum(axis=1)
    gained = np.einsum("pmc,mk->pck", given, right - wrong, optimize=True)
    gained -= given.sum(axis=1)[:, :, None] * this_one
    prior = np.log(shares) - np.log(possible)[:, None]
    joint = np.where(exists[:, :, None], (all_wrong + prior)[:, None, :] + gained, -np.inf)
    left = possible - exists.sum(axis=1)
    nobody = all_wrong + prior + np.log(left)[:, None]
    whole = logsumexp(np.concatenate([joint.reshape(len(answers), -1), nobody], axis=1), axis=1)
    return np.exp(joint - whole[:, None, None]), np.exp(nobody - whole[:, None])
