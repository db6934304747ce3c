"""Stages that choose by how alike the proposals are: by embeddings where some are given, by their words otherwise."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar

from langchain_core.embeddings import Embeddings
from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema

from moa_graph.secrets import redact
from moa_graph.similarity import Similarity, Vector, similarities, tf_idf, unit_vector
from moa_graph.stage_kit.run_context import RunContext
from moa_graph.stage_kit.selection import Choice, Selection
from moa_graph.state import Record, shown_text

__all__ = ["BySimilarity"]


def _read(value: Any) -> Any:
    if isinstance(value, Embeddings):
        return value
    raise ValueError(f"{value!r} is no LangChain Embeddings: give one in Python, or leave it out for TF-IDF")


def _refuse_to_write(embeddings: Embeddings) -> None:
    raise ValueError(f"{type(embeddings).__name__} is an embeddings object, which can't be written")


Embedder = Annotated[
    Embeddings,
    PlainValidator(_read),
    PlainSerializer(_refuse_to_write, when_used="json"),
    WithJsonSchema({"type": "null"}),
]


class BySimilarity(Selection):
    """Chooses from the similarities of all pairs of proposals.

    TF-IDF needs no call. Calls of ``embeddings`` are no model requests: they are in no budget and no report. Where
    they fail, TF-IDF stands in, and the report says so.
    """

    answers: ClassVar[bool] = False

    embeddings: Embedder | None = Field(
        default=None, description="In Python, any LangChain Embeddings to compare by; default: TF-IDF of the words."
    )

    @abstractmethod
    def choose_by(self, proposals: list[Record], alike: Similarity) -> Choice:
        """Chooses, given how alike each pair of ``proposals`` is."""

    def choose(self, run: RunContext) -> Choice:
        """Compares the proposals by their words."""
        proposals = run.proposals()
        return self.choose_by(proposals, similarities(tf_idf([shown_text(record) for record in proposals])))

    async def decide(self, run: RunContext) -> Choice:
        """Compares the proposals by embeddings where there are some."""
        if self.embeddings is None:
            return self.choose(run)
        proposals = run.proposals()
        try:
            vectors = await self.embeddings.aembed_documents([shown_text(record) for record in proposals])
        except Exception as error:
            problem = redact(f"{type(error).__name__}: {error}")
            degraded = f"{run.stage.name}: the embeddings failed, TF-IDF was used instead: {problem}"
            return replace(self.choose(run), degraded=degraded)
        return self.choose_by(proposals, similarities(_units(vectors)))


def _units(vectors: Sequence[Sequence[float]]) -> list[Vector[int]]:
    return [unit_vector(dict(enumerate(vector))) for vector in vectors]
