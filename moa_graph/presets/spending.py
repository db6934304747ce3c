"""Spending less: a strong model is asked only where it is needed."""

from __future__ import annotations

from moa_graph.mixture import Mixture
from moa_graph.presets.catalogue import preset
from moa_graph.presets.served import CHEAP, mixture_of


@preset
def pyramid_moa() -> Mixture:
    """Cheap models answer side by side; only where they disagree is the strong model asked.

    Source: Pyramid MoA, arXiv 2602.19509.
    Roles: two small models answer; if they come to one answer, that is it; otherwise DeepSeek-V3 answers. It isn't
    shown the drafts: wrong reasoning anchors a strong model, by up to 18 points.
    Calls: k + p(escalate) = 2 or 3. Critical path: 1 or 2 calls.
    Pays for many questions with one short answer, most of them easy. Not for free text, in which two models never
    come to the same answer, so that every question would escalate.
    Published: up to 61 % of the cost saved on GSM8K at 93.0 (first version), 18 to 43 % at parity (later versions).
    """
    strong = {"aggregate": {"slot": "deepseek", "view": "none"}}
    return mixture_of("pyramid-moa", {"propose": {"slots": CHEAP}}, {"stop": {"agreement": 1.0}}, strong)


@preset
def cascade() -> Mixture:
    """A chain of models from cheap to dear; the first answer that is scored well enough is taken.

    Sources: FrugalGPT, Chen et al. 2023, arXiv 2305.05176; AutoMix, Madaan et al. 2023, arXiv 2310.12963.
    Roles: Llama-3.1-8B, then Llama-3.3-70B, then DeepSeek-V3; Qwen2.5-7B scores. An answer from 8 of 10 is taken; one
    below 1 is taken too, since no dearer model would save a hopeless query.
    Calls: 2 where the first answer is taken, 4 for the second, 5 for the last. Critical path: the same.
    Pays where most questions are easy, time doesn't count, and the scorer is right about the others. Not where the
    scorer can't tell good from bad: measure it first.
    Published: see the papers; no figures for this choice of models.
    """
    score, accept = {"score": {"slots": ["qwen-7b"]}}, {"accept": {"score": 8, "hopeless": 1}}
    cheap = {"propose": {"slots": ["llama-8b"]}}
    middle = {"propose": {"slots": ["llama-70b"], "view": "none"}}
    dear = {"aggregate": {"slot": "deepseek", "view": "none"}}
    return mixture_of("cascade", cheap, score, accept, middle, score, accept, dear)
