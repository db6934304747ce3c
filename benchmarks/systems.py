"""Right answers and costs of single models and of systems, over recorded answers of real models to GSM8K.

    python -m benchmarks.systems [--data FOLDER] [--questions N] [--json FILE]

Every system is a graph, run once a question; its models replay what they answered in 2024 (``recorded:``). So only
systems can be compared whose models are asked the question alone: votes, stops on agreement, escalation. All of them
were fixed before they were run; none is fitted to these questions.

Costs are output tokens, estimated at four characters a token, at the list prices in the data's README; it gives none
for input tokens, which are left out. A right answer is what a plain scorer finds: after the last ``"answer"`` of the
output, the first number. That gives each single model what the data's README says.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from moa_graph import Mixture, create_moa

DATA = Path(__file__).parents[2] / "shared" / "data" / "zeroeval_gsm8k"
AT_ONCE = 64

PRICES = {
    "gpt-4o-2024-08-06": 10.0,
    "Mistral-Large-2": 6.0,
    "gpt-4o-mini-2024-07-18": 0.60,
    "Meta-Llama-3.1-70B-Instruct": 0.88,
    "gemini-1.5-flash": 0.30,
    "claude-3-haiku-20240307": 1.25,
    "gemma-2-9b-it": 0.30,
    "Meta-Llama-3.1-8B-Instruct": 0.18,
    "Phi-3.5-mini-instruct": 0.10,
    "Mistral-Nemo-Instruct-2407": 0.30,
    "Qwen2-7B-Instruct": 0.20,
    "Mixtral-8x7B-Instruct-v0.1": 0.60,
}
"""US dollars per million output tokens."""

STRONG = "gpt-4o-2024-08-06"
MINI = "gpt-4o-mini-2024-07-18"
FLASH = "gemini-1.5-flash"
LLAMA_8B = "Meta-Llama-3.1-8B-Instruct"
LLAMA_70B = "Meta-Llama-3.1-70B-Instruct"
QWEN_7B = "Qwen2-7B-Instruct"
MIXTRAL = "Mixtral-8x7B-Instruct-v0.1"

Stages = list[dict[str, Any]]

_ALONE = {"view": "none"}
_ESCALATE = {"aggregate": {"slot": STRONG, **_ALONE}}
_VOTE = {"vote": {"extract": "number"}}


def _ask(*models: str) -> dict[str, Any]:
    return {"propose": {"slots": list(models), **_ALONE}}


SYSTEMS: Mapping[str, Stages] = {
    "vote: 70B, flash, mini": [_ask(LLAMA_70B, FLASH, MINI), _VOTE],
    "vote that hurts: mini, Qwen2-7B, Mixtral": [_ask(MINI, QWEN_7B, MIXTRAL), _VOTE],
    "agreement cascade: 8B and flash, mini, gpt-4o": [
        _ask(LLAMA_8B, FLASH),
        {"stop": {"over": "all", "agreement": 1.0}},
        _ask(MINI),
        {"stop": {"over": "all", "agreement": 0.6}},
        _ESCALATE,
    ],
    "pyramid-moa: flash and mini, gpt-4o": [_ask(FLASH, MINI), {"stop": {"agreement": 1.0}}, _ESCALATE],
}
PYRAMID = "pyramid-moa: flash and mini, gpt-4o"

LEAST_RIGHT, MOST_COST = 96.2, 0.25
"""What ``PYRAMID`` is to reach: percent right, and its share of gpt-4o's cost."""


@dataclass(frozen=True)
class Question:
    """One question with the answer that it has."""

    text: str
    answer: Decimal | None


@dataclass(frozen=True)
class Outcome:
    """What a system did over all questions.

    Args:
        system: Its name.
        right: Percent of right answers.
        usd: US dollars for all questions, by the module's estimate.
        calls: Model requests a question.
        escalated: Share of questions for which gpt-4o was asked beside others; None where there is nothing to escalate.
        seconds: Wall time of the run.
    """

    system: str
    right: float
    usd: float
    calls: float
    escalated: float | None
    seconds: float


_LABEL = re.compile(r'"answer"\s*:')
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


def scored(text: str) -> Decimal | None:
    """The number that the plain scorer reads: the first after the last ``"answer":``."""
    labels = list(_LABEL.finditer(text))
    return _first_number(text[labels[-1].end() :]) if labels else None


def _first_number(text: str) -> Decimal | None:
    found = _NUMBER.search(text.replace("$", ""))
    return None if found is None else _decimal(found[0])


def _decimal(written: str) -> Decimal | None:
    try:
        return Decimal(written.replace(",", ""))
    except InvalidOperation:
        return None


def read_questions(folder: Path) -> list[Question]:
    """The questions, with their answers.

    Raises:
        FileNotFoundError: The data isn't there.
    """
    file = folder / "gsm8k.jsonl.gz"
    if not file.is_file():
        raise FileNotFoundError(f"{file} isn't there: name the folder that holds gsm8k.jsonl.gz with --data FOLDER")
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        entries = [json.loads(line) for line in lines]
    return [Question(entry["question"], _first_number(entry["answer"])) for entry in entries]


def mixture(name: str, stages: Stages, folder: Path) -> Mixture:
    """A system over recorded models at their list prices."""
    models = {
        model: {"model": f"recorded:{folder / 'gsm8k.jsonl.gz'}#{model}", "price": {"input": 0, "output": price}}
        for model, price in PRICES.items()
    }
    return Mixture.from_data({"name": name, "models": models, "stages": stages})


async def run(name: str, stages: Stages, questions: Sequence[Question], folder: Path) -> Outcome:
    """Asks a system every question."""
    graph = create_moa(mixture(name, stages, folder)).compile()
    began = time.perf_counter()
    results = await graph.abatch(
        [{"messages": [("user", question.text)]} for question in questions], {"max_concurrency": AT_ONCE}
    )
    seconds = time.perf_counter() - began
    right = [
        question.answer is not None and scored(result["messages"][-1].text) == question.answer
        for result, question in zip(results, questions, strict=True)
    ]
    reports = [result["report"] for result in results]
    return Outcome(
        system=name,
        right=100 * sum(right) / len(right),
        usd=sum(report["cost"] for report in reports),
        calls=sum(report["calls"] for report in reports) / len(reports),
        escalated=_escalated(reports) if _ESCALATE in stages and len(stages) > 1 else None,
        seconds=seconds,
    )


def _escalated(reports: Sequence[Mapping[str, Any]]) -> float:
    return sum(report["ended_early"] is None for report in reports) / len(reports)


def all_systems() -> dict[str, Stages]:
    """Each model alone, then the systems."""
    return {**{model: [{"aggregate": {"slot": model, **_ALONE}}] for model in PRICES}, **SYSTEMS}


def table(outcomes: Sequence[Outcome]) -> str:
    """The outcomes in Markdown; costs as shares of gpt-4o's."""
    strong = next(outcome.usd for outcome in outcomes if outcome.system == STRONG)
    lines = [
        "| system | right % | cost, gpt-4o = 1 | USD | calls a question | escalated | seconds |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {one.system} | {one.right:.2f} | {one.usd / strong:.3f} | {one.usd:.3f} | {one.calls:.2f} "
        f"| {'' if one.escalated is None else f'{one.escalated:.1%}'} | {one.seconds:.1f} |"
        for one in outcomes
    ]
    return "\n".join(lines)


def verdict(outcomes: Sequence[Outcome]) -> str:
    """Whether the pyramid reached what it was to reach."""
    by_name = {outcome.system: outcome for outcome in outcomes}
    right, share = by_name[PYRAMID].right, by_name[PYRAMID].usd / by_name[STRONG].usd
    met = right >= LEAST_RIGHT and share <= MOST_COST
    return (
        f"{PYRAMID}: {right:.2f} % right at {share:.3f} of gpt-4o's cost; "
        f"to reach: at least {LEAST_RIGHT} % at no more than {MOST_COST}. {'Met' if met else 'Not met'}."
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="Folder of gsm8k.jsonl.gz.")
    parser.add_argument("--questions", type=int, help="Only the first so many.")
    parser.add_argument("--json", type=Path, help="Where the outcomes are written.")
    asked = parser.parse_args()
    try:
        questions = read_questions(asked.data)[: asked.questions]
    except FileNotFoundError as error:
        sys.exit(str(error))
    outcomes = [await run(name, stages, questions, asked.data) for name, stages in all_systems().items()]
    print(f"{len(questions)} questions\n\n{table(outcomes)}\n\n{verdict(outcomes)}")
    if asked.json is not None:
        asked.json.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
