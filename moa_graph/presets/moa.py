"""Mixture-of-Agents as its paper has it, and with the models of today."""

from __future__ import annotations

from moa_graph.mixture import Mixture, propose_and_aggregate
from moa_graph.presets.catalogue import preset

QWEN_110B = "together:Qwen/Qwen1.5-110B-Chat"
QWEN_72B = "together:Qwen/Qwen1.5-72B-Chat"

PAPER = {
    "qwen-110b": {"model": QWEN_110B, "max_tokens": 2048},
    "qwen-72b": {"model": QWEN_72B, "max_tokens": 2048},
    "wizardlm-8x22b": {"model": "together:microsoft/WizardLM-2-8x22B", "max_tokens": 2048},
    "llama-3-70b": {"model": "together:meta-llama/Llama-3-70b-chat-hf", "max_tokens": 2048},
    "mixtral-8x22b": {"model": "together:mistralai/Mixtral-8x22B-Instruct-v0.1", "max_tokens": 2048},
    "dbrx": {"model": "together:databricks/dbrx-instruct", "max_tokens": 2048},
}


@preset
def together_moa() -> Mixture:
    """Six open models in three layers: the mixture of the Mixture-of-Agents paper.

    Source: Wang et al. 2024, arXiv 2406.04692, section 3.1.
    Roles: Qwen1.5-110B-Chat, Qwen1.5-72B-Chat, WizardLM-2-8x22B, Llama-3-70b-chat, Mixtral-8x22B-Instruct and
    dbrx-instruct answer twice; Qwen1.5-110B-Chat writes the answer.
    Calls: N(L-1)+1 = 13. Critical path: 3 calls.
    Pays where quality counts for more than time: open questions, writing, instruction following. Not for short factual
    questions that one of its models already answers, nor where the first word must come fast.
    Published: AlpacaEval 2.0 LC 65.1 (GPT-4o 57.5), MT-Bench 9.25.
    Most of these models are no longer served: cast="auto" puts today's in their places, substitute={old: new} others.
    """
    return propose_and_aggregate(list(PAPER), "qwen-110b", layers=3, name="together-moa", models=PAPER)


@preset
def moa_lite() -> Mixture:
    """The same six proposers in two layers, with a smaller aggregator: most of the gain at half of the calls.

    Source: Wang et al. 2024, arXiv 2406.04692, section 3.1.
    Roles: six open models answer once; Qwen1.5-72B-Chat writes the answer.
    Calls: N(L-1)+1 = 7. Critical path: 2 calls.
    Pays where together-moa would be too slow or too dear. Not for questions that one model answers as well.
    Published: AlpacaEval 2.0 LC 59.3 (GPT-4o 57.5), MT-Bench 9.18.
    Most of these models are no longer served: cast="auto" puts today's in their places, substitute={old: new} others.
    """
    return propose_and_aggregate(list(PAPER), "qwen-72b", layers=2, name="moa-lite", models=PAPER)


@preset
def moa_gpt4o() -> Mixture:
    """Six open models in three layers, with GPT-4o of another provider as the aggregator.

    Source: Wang et al. 2024, arXiv 2406.04692, section 3.1.
    Roles: six open models answer twice; gpt-4o writes the answer. Needs keys of two providers.
    Calls: N(L-1)+1 = 13. Critical path: 3 calls.
    Pays where a stronger writer than the proposers is at hand and its price for one call doesn't matter. Not where all
    text must stay with one provider.
    Published: AlpacaEval 2.0 LC 65.7, MT-Bench 9.40.
    Most of the proposers are no longer served: cast="auto" puts today's in their places, substitute={old: new} others.
    """
    models = {**PAPER, "gpt-4o": {"model": "openai:gpt-4o", "max_tokens": 2048}}
    return propose_and_aggregate(list(PAPER), "gpt-4o", layers=3, name="moa-gpt4o", models=models)


@preset
def moa_turbo() -> Mixture:
    """Four strong models that are served today, in two layers.

    Source: the mixture of Wang et al. 2024, arXiv 2406.04692, with newer models.
    Roles: four strong models answer once; the writer writes the answer, a strong one if it fails. A third layer is one
    line more.
    Calls: N(L-1)+1 = 5. Critical path: 2 calls.
    Pays as a first mixture, on any one key: it runs where none is named. Not where one strong model alone is as good:
    compare them.
    Published: no figures for this choice of models.
    """
    proposers = [f"strong-{number}" for number in range(1, 5)]
    aggregator = {"model": "writer", "fallbacks": ["strong-2"]}
    return propose_and_aggregate(proposers, aggregator, layers=2, name="moa-turbo")


@preset
def frontier() -> Mixture:
    """The best models at hand side by side; with several providers' keys, each provider's best.

    Source: the mixture of Wang et al. 2024, arXiv 2406.04692, with proprietary models.
    Roles: three frontier models answer once; the first of them writes the answer, the second if it fails. With the keys
    of OpenAI, Anthropic and Google set (and pip install "moa-graph[frontier]") they are one of each.
    Calls: N(L-1)+1 = 4. Critical path: 2 calls.
    Pays where models with different strengths and blind spots shall check each other. Not where cost counts: each
    question is paid for four times.
    Published: no figures for this choice of models.
    """
    proposers = [f"frontier-{number}" for number in range(1, 4)]
    aggregator = {"model": "frontier-1", "fallbacks": ["frontier-2"]}
    return propose_and_aggregate(proposers, aggregator, layers=2, name="frontier")
