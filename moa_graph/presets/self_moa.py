"""One strong model instead of many: its own samples are the proposals."""

from __future__ import annotations

from moa_graph.mixture import Mixture
from moa_graph.presets.catalogue import preset


@preset
def self_moa() -> Mixture:
    """One strong model answers six times, and aggregates its own answers.

    Source: Self-MoA, Li et al. 2025, arXiv 2502.00674, section 3.
    Roles: the writer samples N = 6 answers at temperature 0.7 and writes the answer from them.
    Calls: N+1 = 7, or 2 where the provider gives several answers to one request. Critical path: 2 calls.
    Pays where one model is clearly better than the others at hand: mixing in weaker ones lowers quality more than their
    diversity adds. Not where models have different strengths, or err on the same questions.
    Published: AlpacaEval 2.0 LC 65.7 against 59.1 of Mixed-MoA with the same aggregator (Self-MoA over
    WizardLM-2-8x22B), 3.8 points better on average over MMLU, CRUX and MATH.
    """
    return Mixture.from_data(
        {
            "name": "self-moa",
            "stages": [
                {"propose": {"slots": [{"model": "writer", "samples": 6}]}},
                {"aggregate": {"slot": "writer"}},
            ],
        }
    )


@preset
def self_moa_seq() -> Mixture:
    """Thirty samples of one model, aggregated in a sliding window of six, so that no prompt grows long.

    Source: Self-MoA-Seq, Li et al. 2025, arXiv 2502.00674, section 5.
    Roles: the writer samples N = 30 answers; after the first window of W = 6, each next one holds the synthesis so far
    r = 3 times and 3 new samples. Every sample is used.
    Calls: N + 1 + ceil((N-W)/(W-r)) = 39, of which 9 aggregate; 10 where the provider gives several answers to one
    request. Critical path: 10 calls.
    Pays for models with a short context window, and where many samples keep helping. Not where time counts: the windows
    come one after another.
    Published: as good as Self-MoA over the same samples.
    """
    return Mixture.from_data(
        {
            "name": "self-moa-seq",
            "stages": [
                {"propose": {"slots": [{"model": "writer", "samples": 30}]}},
                {"aggregate": {"slot": "writer", "window": {"size": 6, "keep": 3}}},
            ],
        }
    )
