"""Answers that are made better round by round."""

from __future__ import annotations

from typing import Any

from moa_graph.mixture import Mixture
from moa_graph.presets.catalogue import preset
from moa_graph.presets.served import PANEL, mixture_of


@preset
def attention_moa() -> Mixture:
    """All criticise all answers and refine their own; a synthesis goes forward until nothing is gained.

    Source: Attention-MoA, arXiv 2601.16596.
    Roles: three models answer given the previous synthesis, criticise all answers and refine their own from the
    suggestions; DeepSeek-V3 writes a synthesis. From layer 2 it sees the history of syntheses and writes a better one,
    or says that the round brought nothing, which ends the run.
    Calls: N^2+2N+1 = 16 a layer, and 1 more from layer 2: 33 for both layers. Critical path: 4 and then 5 calls a layer.
    Pays where quality is all that counts and minutes don't. Not for most questions: it makes many more calls than MoA.
    Published: see the paper; no figures for this choice of models.
    """
    layer: list[dict[str, Any]] = [
        {"propose": {"slots": PANEL}},
        {"critique": {"slots": PANEL}},
        {"refine": {"slots": PANEL, "view": "critiques"}},
        {"aggregate": {"slot": "deepseek", "name": "synthesis"}},
    ]
    return mixture_of("attention-moa", *_named(layer, 1), *_named(layer, 2), {"residual": {"slot": "deepseek"}})


@preset
def rmoa() -> Mixture:
    """Only the most different answers go on, and the run stops once two rounds have added nothing.

    Source: Residual MoA, arXiv 2505.24442.
    Roles: three models answer, the two answers that differ most go on, and DeepSeek-V3 writes a synthesis; from round 2
    it also says what the round adds over all before it.
    Calls: N+1 = 4 a round, and 1 more from round 2: at most 14 over three rounds. Critical path: 2 and then 3 a round.
    Pays where answers repeat each other: prompts stay short. Not where the third answer is the right one.
    Published: see the paper; no figures for this choice of models.
    """
    layer: list[dict[str, Any]] = [
        {"propose": {"slots": PANEL}},
        {"diverse": {"keep": 2}},
        {"aggregate": {"slot": "deepseek", "name": "synthesis"}},
    ]
    residual = {"residual": {"slot": "deepseek", "patience": 2}}
    return mixture_of("rmoa", *_named(layer, 1), *_named(layer, 2), residual, *_named(layer, 3), residual)


@preset
def smoa() -> Mixture:
    """Models with roles; a moderator passes on the best two answers and says whether another round is worth it.

    Source: SMoA, arXiv 2411.03284.
    Roles: an expert, a sceptic, a teacher and a practitioner answer; Qwen2.5-72B moderates; DeepSeek-V3 writes the
    answer.
    Calls: at most 2(N+1)+1 = 11 for N = 4 and two rounds, N+2 = 6 where the first is enough. Critical path: 3 or 5.
    Pays where prompts of all answers would be long, and where roles bring out different sides. Not for short facts.
    Published: see the paper; no figures for this choice of models.
    """
    roles = {
        "expert": "Answer as an expert of the field: exact, with the reasons that count.",
        "sceptic": "Answer as a sceptic: look for what is commonly got wrong, and check each step.",
        "teacher": "Answer as a teacher: clear, in order, with an example where it helps.",
        "practitioner": "Answer as a practitioner: what to do, and what matters in practice.",
    }
    models = [*PANEL, "qwen-coder"]
    slots = [
        {"model": model, "name": name, "role": role} for model, (name, role) in zip(models, roles.items(), strict=True)
    ]
    layer: list[dict[str, Any]] = [{"propose": {"slots": slots}}, {"moderate": {"slot": "qwen-72b", "keep": 2}}]
    return mixture_of("smoa", *layer, *layer, {"aggregate": {"slot": "deepseek"}})


@preset
def rsa() -> Mixture:
    """A population of answers; each of the next ones is written from a few random members of the last.

    Source: recursive self-aggregation, arXiv 2509.26626.
    Roles: DeepSeek-V3 gives P = 16 answers; in T = 2 further steps each new answer aggregates K = 4 random ones; the
    last ones are aggregated into the answer.
    Calls: P(T+1)+1 = 49. Critical path: T+2 = 4 calls.
    Pays for hard reasoning on which one model sometimes gets parts right. Not where latency or cost count.
    Published: see the paper; no figures for this choice of models.
    """
    first = {"propose": {"slots": [{"model": "deepseek", "samples": 16}]}}
    step = {"propose": {"slots": [{"model": "deepseek", "samples": 16}], "view": "random", "members": 4}}
    return mixture_of("rsa", first, step, step, {"aggregate": {"slot": "deepseek"}})


def _named(stages: list[dict[str, Any]], layer: int) -> list[dict[str, Any]]:
    """The stages of one layer, named after it."""
    named = []
    for stage in stages:
        ((kind, fields),) = stage.items()
        usual = f"layer_{layer}" if kind == "propose" else f"layer_{layer}/{fields.get('name', kind)}"
        named.append({kind: {**fields, "name": usual}})
    return named
