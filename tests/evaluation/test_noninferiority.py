"""The exact test of non-inferiority, Tango's interval and McNemar's test."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import multinomial
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from moa_graph.evaluation.noninferiority import (
    critical_score,
    least_prompts,
    p_value,
    power,
    rejects,
    score,
    tango_interval,
)
from moa_graph.evaluation.significance import holm, mcnemar


def test_the_floor_is_the_fewest_prompts_with_which_no_loss_at_all_is_enough() -> None:
    assert least_prompts(0.01, 0.05) == 299
    assert p_value(0, 0, 299, 0.01) <= 0.05 < p_value(0, 0, 298, 0.01)


def test_power_is_the_sum_over_all_tables() -> None:
    prompts, margin, won, lost = 60, 0.05, 0.04, 0.03
    tables = [(wins, losses) for wins, losses in itertools.product(range(61), repeat=2) if wins + losses <= prompts]
    chances = [
        multinomial.pmf([wins, losses, prompts - wins - losses], prompts, [won, lost, 1 - won - lost])
        for wins, losses in tables
        if rejects(wins, losses, prompts, margin, 0.05)
    ]
    assert float(power(won, lost, prompts, margin, 0.05)) == pytest.approx(sum(chances), abs=1e-6)


@pytest.mark.parametrize("prompts", [100, 330])
def test_the_size_at_the_boundary_is_at_most_nominal(prompts: int) -> None:
    rates = np.linspace(0, 0.495, 150)
    assert power(rates, rates + 0.01, prompts, 0.01, 0.05).max() <= 0.0505


@pytest.mark.acceptance
@pytest.mark.parametrize("margin", [0.005, 0.01, 0.02])
@pytest.mark.parametrize("prompts", [100, 200, 330, 660])
def test_the_size_by_enumeration(prompts: int, margin: float) -> None:
    rates = np.concatenate([np.linspace(0, 0.05, 1000), np.linspace(0.05, (1 - margin) / 2, 1000)])
    worst = power(rates, rates + margin, prompts, margin, 0.05).max()
    print(f"size at n = {prompts}, D = {margin:g}: {worst:.4%} (goal <= 5.05 %)")  # noqa: T201
    assert worst <= 0.0505


def test_the_score_falls_with_losses_and_rises_with_wins() -> None:
    assert (np.diff(score(5, np.arange(50), 200, 0.01)) < 0).all()
    assert (np.diff(score(np.arange(50), 5, 200, 0.01)) > 0).all()


def test_a_p_value_is_below_the_level_just_where_the_test_rejects() -> None:
    for wins, losses in [(0, 0), (3, 2), (9, 4), (4, 9), (12, 3)]:
        assert rejects(wins, losses, 400, 0.01, 0.05) == (p_value(wins, losses, 400, 0.01) <= 0.05)
    assert critical_score(400, 0.01, 0.05) > 1.6


@pytest.mark.parametrize(
    ("wins", "losses", "prompts", "low", "high"),
    [(1, 7, 21, -0.517, -0.026), (0, 0, 30, -0.114, 0.114)],
)
def test_tangos_interval_as_published(wins: int, losses: int, prompts: int, low: float, high: float) -> None:
    # Fagerland, Lydersen and Laake 2017, Statistical Analysis of Contingency Tables, chapter 8; the last by hand:
    # without discordant pairs the interval is z^2 / (n + z^2) to both sides
    assert tango_interval(wins, losses, prompts) == pytest.approx((low, high), abs=0.0015)


def test_mcnemar_as_statsmodels_has_it() -> None:
    for wins, losses in [(0, 0), (3, 10), (7, 7), (25, 11)]:
        expected = statsmodels_mcnemar([[50, wins], [losses, 20]], exact=True).pvalue
        assert mcnemar(wins, losses, mid=False) == pytest.approx(float(expected))
        assert mcnemar(wins, losses) <= mcnemar(wins, losses, mid=False)


def test_holm_corrects_for_several() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
