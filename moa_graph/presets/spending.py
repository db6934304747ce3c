"""Spending less: a strong model is asked only where it is needed."""

from __future__ import annotations

from moa_graph.mixture import Mixture
from moa_graph.presets.catalogue import preset
from moa_graph.presets.parts import CHEAP, PANEL, mixture_of


@preset
def pyramid_moa() -> Mixture:
    """Cheap models answer side by side; only where they disagree is the strong model asked.

    Source: Pyramid MoA, arXiv 2602.19509.
    Roles: two small models answer; if they come to one answer, that is it; otherwise the writer answers. It isn't
    shown the drafts: wrong reasoning anchors a strong model, by up to 18 points.
    Calls: k + p(escalate) = 2 or 3. Critical path: 1 or 2 calls.
    Pays for many questions with one short answer, most of them easy. Not for free text, in which two models never
    come to the same answer, so that every question would escalate.
    A stated confidence counts too with `stop: {confidence: 0.8}`: the models are asked for it.
    Published: up to 61 % of the cost saved on GSM8K at 93.0 (first version), 18 to 43 % at parity (later versions).
    """
    cheap = {"propose": {"slots": CHEAP, "may_fail": True}}
    strong = {"aggregate": {"slot": "writer", "view": "none"}}
    return mixture_of("pyramid-moa", cheap, {"stop": {"agreement": 1.0}}, strong)


@preset
def cascade() -> Mixture:
    """A chain of models from cheap to dear; the first answer that is scored well enough is taken.

    Sources: FrugalGPT, Chen et al. 2023, arXiv 2305.05176; AutoMix, Madaan et al. 2023, arXiv 2310.12963.
    Roles: a cheap model, then a strong one, then the writer; another cheap one scores. An answer from 8 of 10 is
    taken; one below 1 is taken too, since no dearer model would save a hopeless query. A model that fails is passed
    over.
    Calls: 2 where the first answer is taken, 4 for the second, 5 for the last. Critical path: the same, at most 5.
    Pays where most questions are easy, time doesn't count, and the scorer is right about the others. Not where the
    scorer can't tell good from bad: measure it first.
    Published: FrugalGPT matches the best single model of its time at up to 98 % less cost, with a trained scorer.
    """
    score, accept = {"score": {"slots": ["cheap-2"]}}, {"accept": {"score": 8, "hopeless": 1}}
    cheap = {"propose": {"slots": ["cheap-1"], "may_fail": True}}
    middle = {"propose": {"slots": ["strong-1"], "view": "none", "may_fail": True}}
    dear = {"aggregate": {"slot": "writer", "view": "none"}}
    return mixture_of("cascade", cheap, score, accept, middle, score, accept, dear)


@preset
def router() -> Mixture:
    """A small model reads the question alone, and sends it to one model or to a mixture.

    Source: RouteLLM, Ong et al. 2024, arXiv 2406.18665.
    Roles: a cheap model gives the probability that the mixture's answer would be better. From 0.5 on, three strong
    models answer and the writer writes; below, a strong one answers alone, or the writer where that fails. If the
    router fails, the mixture is taken.
    Calls: 2 on the weak way, 1+N+1 = 5 on the strong one. Critical path: 2 or 3 calls.
    Pays for many questions, most of them easy, where the strong way costs much more. Not where a router can't tell from
    the question: a cascade judges answers instead. It asks a model, where the papers train a small scorer; so set the
    threshold to the share of strong calls that you want, by `moa_graph.stages.route.threshold_for` over the
    probabilities in the records of some runs.
    Published: RouteLLM halves the cost, in some cases more, at the same quality.
    """
    weak = {"aggregate": {"slot": "strong-1", "view": "none", "fallbacks": ["writer"]}}
    strong = [{"propose": {"slots": PANEL}}, {"aggregate": {"slot": "writer"}}]
    routes = {
        "weak": {"when": "questions that one good model answers well: common facts, short tasks", "stages": [weak]},
        "strong": {"when": "hard, open or consequential questions that gain from several views", "stages": strong},
    }
    return mixture_of("router", {"route": {"slot": "cheap-1", "routes": routes, "default": "strong", "threshold": 0.5}})
