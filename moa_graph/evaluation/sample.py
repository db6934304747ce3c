"""A sample of recorded answers to try the commands on, without a key. It is made up: no model gave these answers.

Four models of different skill and price answer sums. What one gets wrong, another often gets wrong the same way,
as real models do; the dearest is most often right.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

__all__ = ["write_sample"]

MODELS = {
    "small": {"skill": 0.86, "price": {"input": 0.05, "output": 0.1}},
    "quick": {"skill": 0.9, "price": {"input": 0.1, "output": 0.3}},
    "middle": {"skill": 0.94, "price": {"input": 0.2, "output": 0.6}},
    "large": {"skill": 0.97, "price": {"input": 2.5, "output": 10.0}},
}
"""Made up too: the share of sums that each gets right, and dollars per million tokens."""

SHARED = 0.3
"""Share of errors that fall into the trap that a sum has for all models."""


def write_sample(folder: str | Path, prompts: int = 2000, *, seed: int = 1) -> tuple[Path, Path]:
    """Writes the sample, and its prices, where ``moa tune`` reads them.

    Args:
        folder: Where the two files go.
        prompts: How many sums.
        seed: Another seed gives other sums and errors.

    Returns:
        The recorded answers, and the prices.
    """
    drawn, where = random.Random(seed), Path(folder)
    where.mkdir(parents=True, exist_ok=True)
    lines = []
    for place in range(prompts):
        one, other = drawn.randint(100, 999), drawn.randint(100, 999)
        right, trap = one + other, one + other + drawn.choice([-100, -10, 10, 100])
        outputs = {}
        for model, made in MODELS.items():
            given = right
            if drawn.random() > float(made["skill"]):  # type: ignore[arg-type]
                given = trap if drawn.random() < SHARED else right + drawn.randint(1, 50)
            outputs[model] = f"{one} and {other} make {given}. The answer is {given}."
        row = {"id": f"sum-{seed}-{place}", "question": f"What is {one} + {other}? ({place})", "answer": str(right)}
        lines.append(json.dumps({**row, "outputs": outputs}) + "\n")
    recorded, prices = where / "sample.jsonl", where / "prices.json"
    recorded.write_text("".join(lines), encoding="utf-8")
    prices.write_text(json.dumps({model: made["price"] for model, made in MODELS.items()}, indent=2), encoding="utf-8")
    return recorded, prices
