"""Nobody can write a text that a judge is shown first."""

from __future__ import annotations

from typing import Any

from moa_graph.stage_kit.selection import shuffled


def record(text: str) -> Any:
    return {"text": text}


def test_a_text_ground_to_stand_first_stands_first_no_more_often_than_others() -> None:
    firsts = 0
    for round_number in range(40):
        others = [record(f"answer {round_number} {index}") for index in range(4)]
        tried = [f"mine {round_number} {nonce}" for nonce in range(200)]
        # What it can know: its own texts, and how they would stand beside texts that it makes up.
        made_up = [record(f"made up {index}") for index in range(4)]
        ground = next(text for text in tried if shuffled([*made_up, record(text)])[0]["text"] == text)
        firsts += shuffled([*others, record(ground)])[0]["text"] == ground
    assert firsts < 20


def test_the_order_depends_on_the_texts_alone() -> None:
    records = [record(text) for text in ("a", "b", "c", "\ud800")]
    assert shuffled(records) == shuffled(records[::-1])
