"""Recorded answers for tests: made up, or the real ones where they are at hand."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

REAL = Path(os.environ.get("MOA_SHARED", "shared")) / "data/zeroeval_gsm8k/gsm8k.jsonl.gz"
SKILLS = {"cheap-a": 0.92, "cheap-b": 0.93, "cheap-c": 0.9, "strong": 0.97}
PRICES = {
    "cheap-a": {"input": 0.1, "output": 0.2},
    "cheap-b": {"input": 0.1, "output": 0.3},
    "cheap-c": {"input": 0.2, "output": 0.4},
    "strong": {"input": 3, "output": 10},
}


def real_file() -> Path:
    """The recorded answers of real models to GSM8K; skips where they aren't."""
    for place in (REAL, Path(__file__).parents[3] / "shared/data/zeroeval_gsm8k/gsm8k.jsonl.gz"):
        if place.exists():
            return place
    pytest.skip("the recorded answers of real models are not at hand")


def write_recordings(
    folder: Path,
    prompts: int = 1600,
    *,
    skills: Mapping[str, float] = SKILLS,
    labelled: int | None = None,
    seed: int = 7,
    first: int = 0,
    tags: Sequence[str | None] = (),
    skills_of: Mapping[str, Mapping[str, float]] | None = None,
) -> Path:
    """A file of answers that err independently of each other, with its prices beside it.

    The prompts have the tags in turn; ``skills_of`` has the skills on those of a tag that differ from ``skills``.
    """
    drawn = random.Random(seed)
    file = folder / f"recorded-{seed}-{first}.jsonl"
    with file.open("w", encoding="utf-8") as lines:
        for place in range(first, first + prompts):
            right = drawn.randint(10, 99)
            outputs = {}
            tag = tags[place % len(tags)] if tags else None
            for model, usual in skills.items():
                skill = (skills_of or {}).get(tag or "", {}).get(model, usual)
                given = right if drawn.random() < skill else right + drawn.randint(1, 60)
                outputs[model] = f"So it is {place}. The answer is {given}."
            row = {"id": f"p{place}", "question": f"What is question {place}?", "outputs": outputs}
            if labelled is None or place < first + labelled:
                row["answer"] = str(right)
            if tag is not None:
                row["tag"] = tag
            lines.write(json.dumps(row) + "\n")
    (folder / "prices.json").write_text(json.dumps({model: PRICES[model] for model in skills}), encoding="utf-8")
    return file
