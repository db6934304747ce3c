"""The answer in a text: what a vote counts, and what models agree or disagree on."""

from __future__ import annotations

from moa_graph.extract.choices import choice
from moa_graph.extract.confidence import confidence
from moa_graph.extract.numbers import number
from moa_graph.extract.spec import EXTRACTORS, Extract, Extractor, extractor
from moa_graph.extract.together import Answers, answer_line, plurality, read_answers

__all__ = [
    "EXTRACTORS",
    "Answers",
    "Extract",
    "Extractor",
    "answer_line",
    "choice",
    "confidence",
    "extractor",
    "number",
    "plurality",
    "read_answers",
]
