"""What strategies do on recorded answers."""

from __future__ import annotations

import numpy as np

from moa_graph.evaluation.strategies import Strategy, TaggedStrategy, family, play, play_tagged

ANSWERS = np.array(
    [  # three models; -1 is no answer
        [0, 0, 1],
        [0, 1, 1],
        [-1, -1, 0],
        [0, 1, 2],
    ],
    dtype=np.int16,
)
COSTS = np.tile([1.0, 2.0, 10.0], (4, 1))


def test_a_chain_asks_on_until_enough_agree() -> None:
    played = play([Strategy("chain", (0, 1, 2), 2)], ANSWERS, COSTS)
    assert played.answers[0].tolist() == [0, 1, 0, 2]
    assert played.costs[0].tolist() == [3, 13, 13, 13]
    assert played.calls[0].tolist() == [2, 3, 3, 3]


def test_of_equally_many_votes_the_earliest_wins_and_no_answer_is_no_vote() -> None:
    played = play([Strategy("vote", (0, 1, 2))], ANSWERS, COSTS)
    assert played.answers[0].tolist() == [0, 1, 0, 0]
    assert played.costs[0].tolist() == [13, 13, 13, 13]


def test_each_prompt_has_the_strategy_of_its_tag() -> None:
    chain, cheap, dear = Strategy("chain", (0, 1, 2), 2), Strategy("single", (0,)), Strategy("single", (2,))
    tagged = TaggedStrategy(chain, (("easy", cheap), ("law", dear)))
    played = play_tagged(tagged, ANSWERS, COSTS, ["easy", "law", None, "new"])
    assert played.answers[0].tolist() == [0, 1, 0, 2]
    assert played.costs[0].tolist() == [1, 10, 13, 13]
    assert played.calls[0].tolist() == [1, 1, 3, 3]
    assert tagged.models == (0, 1, 2)


def test_the_family_of_twelve_models_has_thousands_of_strategies() -> None:
    found = family(range(12))
    assert len(found) >= 4000
    assert len(set(found)) == len(found)
    assert all(strategy.votes < len(strategy.models) for strategy in found if strategy.kind == "chain")
