"""A test that may be checked after every prompt: wealth from bets against "worse by the margin or more".

A prompt's difference is 1 where only the strategy is right, -1 where only its rival is, else 0. A bet of a share ``b``
of the wealth multiplies it by ``1 + b (difference + margin)``, which can't grow in expectation where the strategy is
worse by the margin or more; by Ville's inequality it ever reaches 1 / level with a probability of at most ``level``
then. Several bets run side by side, each with an equal share of the wealth.
Sources: Waudby-Smith and Ramdas 2024 (JRSS B 86, 1-27); Shafer 2021 (JRSS A 184, 407-431).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

__all__ = ["Wager"]

BETS = (0.6, 0.75, 0.85)
"""Shares of the wealth that are put on "not worse": large ones, since most prompts show no difference."""

LARGEST = 500.0
"""Logarithm of the wealth above which it is no longer reported exactly."""


class Wager:
    """The wealth of one strategy's bets against one rival, and of the opposite bets.

    Args:
        margin: Largest tolerated loss of accuracy, as a share.
        level: Probability of a wrong decision, either way.
    """

    def __init__(self, margin: float, level: float) -> None:
        self.margin = margin
        self.level = level
        self.prompts, self.wins, self.losses = 0, 0, 0
        self._bets = np.array(BETS)
        self._for, self._against = np.zeros(len(BETS)), np.zeros(len(BETS))

    def see(self, difference: int, times: int = 1) -> None:
        """Records the outcome of one prompt, or of several prompts with the same outcome."""
        surplus = difference + self.margin
        self._for += times * np.log1p(self._bets * surplus)
        self._against += times * np.log1p(-self._bets * surplus / (1 + self.margin))
        self.prompts += times
        self.wins += times * (difference > 0)
        self.losses += times * (difference < 0)

    @property
    def e_value(self) -> float:
        """Evidence that the strategy isn't worse by the margin: the wealth, from 1."""
        return float(np.exp(np.minimum(self._for, LARGEST)).mean())

    @property
    def e_value_against(self) -> float:
        """Evidence that it is worse by more than the margin."""
        return float(np.exp(np.minimum(self._against, LARGEST)).mean())

    @property
    def decision(self) -> Literal["not worse", "worse"] | None:
        """The decision so far."""
        if self.e_value >= 1 / self.level:
            return "not worse"
        return "worse" if self.e_value_against >= 1 / self.level else None
