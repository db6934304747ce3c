"""A page for labelling disagreements: one self-contained HTML file, which saves a file of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from moa_graph.evaluation.labelling import answers_to_choose_from, label_row, prompt_hash, text_of
from moa_graph.evaluation.pages import render
from moa_graph.evaluation.recordings import UNSEEN, Recordings

__all__ = ["label_page"]

LONGEST = 3000
"""Characters of an answer that are shown."""


def label_page(recordings: Recordings, places: Sequence[int], proposed: Mapping[str, int] | None = None) -> str:
    """The page, with the prompts at ``places`` and the distinct answers to each, without saying whose they are.

    Its button saves JSON lines as :class:`moa_graph.evaluation.labelling.LabelFile` reads them. Nothing is sent.

    Args:
        recordings: The answers.
        places: The prompts.
        proposed: The answers that a judge proposes, marked as such: hash of a prompt -> code of an answer.
    """
    prompts = []
    for place in places:
        offered = []
        proposal = (proposed or {}).get(prompt_hash(recordings, place))
        for code in answers_to_choose_from(recordings, place, range(len(recordings.models))):
            text = text_of(recordings, place, code)[:LONGEST]
            offered.append({"answer": recordings.names[place][code], "text": text, "proposed": code == proposal})
        row = label_row(recordings, place, proposal)
        none = proposal == UNSEEN
        prompts.append({"row": row, "question": recordings.questions[place], "answers": offered, "none": none})
    return render("labels.html", prompts=prompts)
