"""Whether two systems differ on the same prompts: McNemar's test, exact or mid-p, and Holm's correction for several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, ttest_1samp
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

__all__ = ["holm", "is_cheaper", "mcnemar", "wilson_interval"]


def mcnemar(
    wins: int, losses: int, *, alternative: Literal["two-sided", "less"] = "two-sided", mid: bool = True
) -> float:
    """P-value of "both are equally often right", from the prompts on which just one is.

    Args:
        wins: Prompts that only the first system answers rightly.
        losses: Prompts that only the second does.
        alternative: Either differs, or the first is less often right.
        mid: Half the probability of what was seen, which is less conservative than the exact test (Fagerland, Lydersen
            and Laake 2013, BMC Medical Research Methodology 13, 91); False: the exact test.
    """
    pairs = wins + losses
    if not pairs:
        return 1.0
    fewer = wins if alternative == "less" else min(wins, losses)
    tail = float(binom.cdf(fewer, pairs, 0.5)) - (0.5 * float(binom.pmf(fewer, pairs, 0.5)) if mid else 0.0)
    return min(1.0, tail if alternative == "less" else 2 * tail)


def is_cheaper(dollars: NDArray[np.floating], than: NDArray[np.floating], level: float) -> bool:
    """Whether one system is proved to cost less than another on prompts like these, from what both cost on each."""
    difference = np.asarray(dollars, float) - np.asarray(than, float)
    if len(difference) < 2 or difference.std() == 0:
        return bool(difference.mean() < 0)
    return bool(ttest_1samp(difference, 0.0, alternative="less").pvalue <= level)


def wilson_interval(count: float, prompts: int) -> tuple[float, float]:
    """Wilson's 95 % interval for one share; it always contains the share itself, which rounding would exclude at 1."""
    low, high = proportion_confint(count, prompts, method="wilson")
    return min(float(low), count / prompts), max(float(high), count / prompts)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for multiple tests (Holm 1979)."""
    return [float(p) for p in multipletests(list(p_values), method="holm")[1]] if p_values else []
