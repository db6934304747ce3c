"""Answers that are made better round by round."""

from __future__ import annotations

from typing import Any

from moa_graph.mixture import Mixture
from moa_graph.presets.catalogue import preset
from moa_graph.presets.parts import PANEL, mixture_of


@preset
def attention_moa() -> Mixture:
    """All criticise all answers and refine their own; a synthesis goes forward until nothing is gained.

    Source: Attention-MoA, arXiv 2601.16596.
    Roles: three models answer given the previous synthesis, criticise all answers and refine their own from the
    suggestions; the writer writes a synthesis. From layer 2 it sees the history of syntheses and writes a better one,
    or says that the round brought nothing, which ends the run.
    Calls: N^2+2N+1 = 16 a layer, and 1 more from layer 2: 33 for both layers.
    Critical path: 4 and then 5 calls a layer: 9.
    Pays where quality is all that counts and minutes don't. Not for most questions: it makes many more calls than MoA.
    Published: AlpacaEval 2.0 LC 91.15 with large models; 77.36 and MT-Bench 8.83 with small open ones.
    """
    layer: list[dict[str, Any]] = [
        {"propose": {"slots": PANEL}},
        {"critique": {"slots": PANEL}},
        {"refine": {"slots": PANEL, "view": "critiques"}},
        {"aggregate": {"slot": "writer", "name": "synthesis"}},
    ]
    return mixture_of("attention-moa", *_named(layer, 1), *_named(layer, 2), {"residual": {"slot": "writer"}})


@preset
def rmoa() -> Mixture:
    """Only the most different answers go on; each round adds to the answer, until two rounds have added nothing.

    Source: Residual MoA, arXiv 2505.24442.
    Roles: three models answer, and the two answers that differ most go on; the writer writes the first synthesis. From
    round 2, the judge compares the round's responses with those of the round before and names what they add; the writer
    takes that up in the answer so far.
    Calls: N+1 = 4 in round 1, N+2 = 5 in each of three more: at most 19. A round that adds nothing saves one:
    12 where rounds 2 and 3 add nothing. Critical path: 2 calls in round 1, then 3 a round: at most 11.
    Pays where answers repeat each other: prompts stay short, and the answer never gets worse for being written anew.
    Not where the answer that is like another is the right one. Likeness is that of words (TF-IDF); in Python,
    `diverse` takes any embeddings.
    Published: no figures for this choice of models.
    """
    first: list[dict[str, Any]] = [
        {"propose": {"slots": PANEL}},
        {"diverse": {"keep": 2}},
        {"aggregate": {"slot": "writer", "name": "synthesis"}},
    ]
    further: list[dict[str, Any]] = [
        {"propose": {"slots": PANEL}},
        {"diverse": {"keep": 2}},
        {"additions": {"slot": "judge", "patience": 2}},
        {"incorporate": {"slot": "writer"}},
    ]
    rounds = [stage for layer in (2, 3, 4) for stage in _named(further, layer)]
    return mixture_of("rmoa", *_named(first, 1), *rounds)


@preset
def smoa() -> Mixture:
    """Models with roles; a moderator passes on the best two answers and says whether another round is worth it.

    Source: SMoA, arXiv 2411.03284.
    Roles: an expert, a sceptic, a teacher and a practitioner answer; the judge moderates; the writer writes the
    answer.
    Calls: 2(N+1)+1 = 11 for N = 4 and two rounds; N+2 = 6 where the first is enough. Critical path: 5 calls, or 3.
    Pays where prompts of all answers would be long, and where roles bring out different sides. Not for short facts.
    Published: on a par with MoA at a lower cost; no figures for this choice of models.
    """
    roles = {
        "expert": "Answer as an expert of the field: exact, with the reasons that count.",
        "sceptic": "Answer as a sceptic: look for what is commonly got wrong, and check each step.",
        "teacher": "Answer as a teacher: clear, in order, with an example where it helps.",
        "practitioner": "Answer as a practitioner: what to do, and what matters in practice.",
    }
    models = [*PANEL, "strong-4"]
    slots = [
        {"model": model, "name": name, "role": role} for model, (name, role) in zip(models, roles.items(), strict=True)
    ]
    layer: list[dict[str, Any]] = [{"propose": {"slots": slots}}, {"moderate": {"slot": "judge", "keep": 2}}]
    return mixture_of("smoa", *layer, *layer, {"aggregate": {"slot": "writer"}})


@preset
def rsa() -> Mixture:
    """A population of answers; each of the next ones is written from a few random members of the last.

    Source: recursive self-aggregation, arXiv 2509.26626.
    Roles: the writer gives P = 16 answers; in T = 2 further steps each new answer aggregates K = 4 random ones; the
    last ones are voted on; where they tie, or have no short answer to count, they are aggregated into the answer.
    Calls: P(T+1)+1 = 49, or 34 where the provider gives the first answers to one request; one less where the vote
    decides. Critical path: T+2 = 4 calls.
    Pays for hard reasoning on which one model sometimes gets parts right. Not where latency or cost count.
    Published: Qwen3-4B-Instruct reaches larger reasoning models, DeepSeek-R1 and o3-mini (high), in the paper's tests.
    """
    first = {"propose": {"slots": [{"model": "writer", "samples": 16}]}}
    step = {"propose": {"slots": [{"model": "writer", "samples": 16}], "view": "random", "members": 4}}
    return mixture_of("rsa", first, step, step, {"vote": {"tie": "escalate"}}, {"aggregate": {"slot": "writer"}})


def _named(stages: list[dict[str, Any]], layer: int) -> list[dict[str, Any]]:
    """The stages of one layer, named after it."""
    named = []
    for stage in stages:
        ((kind, fields),) = stage.items()
        usual = f"layer_{layer}" if kind == "propose" else f"layer_{layer}/{fields.get('name', kind)}"
        named.append({kind: {**fields, "name": usual}})
    return named
