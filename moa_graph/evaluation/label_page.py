"""A page on which a person labels disagreements: one self-contained HTML file, which gives a file of labels back."""

from __future__ import annotations

from collections.abc import Sequence

from moa_graph.evaluation.labelling import answers_to_choose_from, prompt_hash
from moa_graph.evaluation.pages import render
from moa_graph.evaluation.recordings import Recordings

__all__ = ["label_page"]

LONGEST = 3000
"""Characters of an answer that are shown."""


def label_page(recordings: Recordings, places: Sequence[int]) -> str:
    """The page, with the prompts at ``places`` and the different answers to each, by nobody's name.

    Its button saves JSON lines as :class:`moa_graph.evaluation.labelling.LabelFile` reads them. Nothing is sent.
    """
    prompts = []
    for place in places:
        offered = []
        for code in answers_to_choose_from(recordings, place, range(len(recordings.models))):
            column = int((recordings.answers[place] == code).argmax())
            text = recordings.texts[recordings.models[column]][place]
            offered.append({"answer": recordings.names[place][code], "text": text[:LONGEST]})
        row = {"id": recordings.ids[place], "prompt": prompt_hash(recordings, place)}
        prompts.append({"row": row, "question": recordings.questions[place], "answers": offered})
    return render("labels.html", prompts=prompts)
