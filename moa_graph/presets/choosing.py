"""Choosing among answers instead of writing a new one."""

from __future__ import annotations

from moa_graph.mixture import Mixture
from moa_graph.presets.catalogue import preset
from moa_graph.presets.parts import PANEL, mixture_of


@preset
def ranker() -> Mixture:
    """A judge picks one of N answers: the baseline that an aggregator has to beat.

    Source: LLM-as-a-judge, Zheng et al. 2023, arXiv 2306.05685; the ranker of Wang et al. 2024, arXiv 2406.04692,
    section 3.3.
    Roles: three models answer; the judge picks the best of their unnamed, shuffled answers.
    Calls: N+1 = 4. Critical path: 2 calls.
    Pays where an answer must stay word for word what one model wrote, as code or a quotation must. Not where the
    answers are good in different parts: an aggregator joins those. With `compare: pairs` the judge sees each pair in
    both orders, which costs N(N-1) calls and takes out the favour for a place.
    Published: in the paper the aggregator beats the ranker over the same answers.
    """
    return mixture_of("ranker", {"propose": {"slots": PANEL}}, {"judge": {"slot": "judge"}})


@preset
def rank_then_fuse() -> Mixture:
    """A judge keeps the top three of the answers, and an aggregator writes one from them.

    Source: LLM-Blender, Jiang et al. 2023, arXiv 2306.02561.
    Roles: three models answer, one of them twice; the judge ranks the answers and the writer writes from the best
    three.
    Calls: N+2 = 6. Critical path: 3 calls.
    Pays where some answers are bad: an aggregator that isn't shown them isn't misled by them. Not where all are good,
    or the judge is no better than the proposers.
    Published: no figures for this choice of models.
    """
    slots = ["strong-1", "strong-2", {"model": "strong-3", "samples": 2}]
    judge = {"judge": {"slot": "judge", "keep": 3}}
    return mixture_of("rank-then-fuse", {"propose": {"slots": slots}}, judge, {"aggregate": {"slot": "writer"}})


@preset
def vote() -> Mixture:
    """The answer that most models come to wins, without a further call.

    Source: self-consistency, Wang et al. 2022, arXiv 2203.11171.
    Roles: three models answer; the plurality of their numbers, letters of choices or short texts wins, ties go to the
    first.
    Calls: N = 3. Critical path: 1 call.
    Pays for questions with one short answer (a number, a choice, a field) and models that err on different questions.
    Not for free text; nor where weak models outvote the best one: over recorded answers to GSM8K, panels of weak models
    fall below their best member.
    Published: over samples of one model, 17.9 points more on GSM8K than greedy decoding.
    """
    return mixture_of("vote", {"propose": {"slots": PANEL}}, {"vote": {}})
