"""What the panel says, as the reasoning of the one model that a client sees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from moa_graph.runs import Outcome
from moa_graph.state import CHOICE, Record

__all__ = ["answer_of", "block", "panel_blocks", "usage_of"]


def block(record: Mapping[str, Any]) -> str:
    """A record as a paragraph of reasoning; empty for one that failed, chose or judged: those are told as events."""
    decided = record["kind"] == CHOICE or record.get("data") is not None
    if record["status"] != "live" or decided or not record["text"].strip():
        return ""
    sample = f" #{record['sample'] + 1}" if record["sample"] else ""
    return f"**{record['stage']} · {record['slot']}{sample}**\n\n{record['text'].strip()}\n\n"


def panel_blocks(records: Iterable[Record], answer: Record | None) -> list[str]:
    """The reasoning behind an answer: everything that was said but the answer itself."""
    told = (block(record) for record in records if answer is None or record["id"] != answer["id"])
    return [one for one in told if one]


def answer_of(outcome: Outcome) -> Record | None:
    """The record that became the answer; None where that can't be told."""
    written: Sequence[Record] = [record for record in outcome.records if record["status"] == "live"]
    by_identity = [record for record in written if record.get("message_id") == outcome.message.id]
    by_text = [record for record in reversed(written) if record["text"] == outcome.message.text]
    return next(iter([*by_identity, *by_text]), None)


def usage_of(outcome: Outcome, cap: int | None = None) -> dict[str, int]:
    """Tokens as a client reckons that sees one model which thinks before it answers.

    ``input``, and ``cached`` of it, are what the call that wrote the answer read, so that a client sees how full that
    model's context is. ``output`` is what all models wrote, and ``panel``, a part of it, what they wrote beside the
    answer. No more is told than the request allowed, as thinking counts within ``max_tokens`` in this protocol; the
    report has everything.

    Args:
        outcome: What the run gave.
        cap: ``max_tokens`` of the request.
    """
    whole, answer = outcome.report["usage"], answer_of(outcome)
    own = whole if answer is None or answer["usage"] is None else answer["usage"]
    output = max(own["output"], whole["output"])
    if cap is not None:
        output = max(own["output"], min(output, cap))
    return {"input": own["input"], "cached": own["cached"], "output": output, "panel": output - own["output"]}
