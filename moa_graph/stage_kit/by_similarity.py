"""Stages that choose by how alike the proposals are: by embeddings where some are given, by their words otherwise."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar

from langchain_core.embeddings import Embeddings
from pydantic import Field, PlainSerializer, PlainValidator, SecretStr, WithJsonSchema

from moa_graph.models.clients import of_running_loop
from moa_graph.models.reference import ollama_address
from moa_graph.secrets import redact
from moa_graph.similarity import Similarity, Vector, similarities, tf_idf, unit_vector
from moa_graph.stage_kit.run_context import RunContext
from moa_graph.stage_kit.selection import Choice, Selection
from moa_graph.state import Record, shown_text

__all__ = ["BySimilarity"]


def _read(value: Any) -> Any:
    if isinstance(value, Embeddings) or (isinstance(value, str) and all(value.partition(":"))):
        return value
    raise ValueError(
        f"{value!r} names no embeddings: write provider:model, such as openai:text-embedding-3-small, in Python also a "
        "LangChain Embeddings, or leave it out for TF-IDF"
    )


def _write(embeddings: Embeddings | str) -> str:
    if isinstance(embeddings, str):
        return embeddings
    raise ValueError(f"{type(embeddings).__name__} is an embeddings object, which can't be written: name its model")


SECONDS_TO_EMBED = 60

Embedder = Annotated[
    Embeddings | str,
    PlainValidator(_read),
    PlainSerializer(_write, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^.+:.+$"}),
]


class BySimilarity(Selection):
    """Chooses from the similarities of all pairs of proposals.

    TF-IDF needs no call. Calls of ``embeddings`` are no model requests: they are in no budget and no report. Where
    they fail, TF-IDF stands in, and the report says so.
    """

    answers: ClassVar[bool] = False

    embeddings: Embedder | None = Field(
        default=None,
        description="What to compare by: an embedding model as provider:model, or in Python any LangChain Embeddings; "
        "default: TF-IDF of the words.",
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
            async with asyncio.timeout(SECONDS_TO_EMBED):
                vectors = await _of_this_loop(self.embeddings).aembed_documents(
                    [shown_text(record) for record in proposals]
                )
        except TimeoutError:
            degraded = f"{run.stage.name}: the embeddings took more than {SECONDS_TO_EMBED} s, TF-IDF was used instead"
            return replace(self.choose(run), degraded=degraded)
        except Exception as error:
            problem = redact(f"{type(error).__name__}: {error}")
            degraded = f"{run.stage.name}: the embeddings failed, TF-IDF was used instead: {problem}"
            return replace(self.choose(run), degraded=degraded)
        return self.choose_by(proposals, similarities(_units(vectors)))


def _of_this_loop(named: Embeddings | str) -> Embeddings:
    """As :func:`embeddings_of`, made once for each event loop: its connections stay open between runs."""
    if isinstance(named, Embeddings):
        return named
    return of_running_loop().once(("embeddings", named), lambda: embeddings_of(named))


def embeddings_of(named: Embeddings | str) -> Embeddings:
    """An embeddings object, or the one that ``provider:model`` names.

    Ollama is asked by OpenAI's protocol, at OLLAMA_HOST or where it usually listens, so that it needs no package.

    Raises:
        ImportError: The provider's package isn't installed.
        ValueError: There is no such provider.
    """
    if isinstance(named, Embeddings):
        return named
    provider, _, name = named.partition(":")
    if provider == "ollama":
        return _of_ollama(name)
    from langchain.embeddings import init_embeddings

    return init_embeddings(named)


def _of_ollama(name: str) -> Embeddings:
    from langchain_openai import OpenAIEmbeddings

    return OpenAIEmbeddings(
        model=name,
        openai_api_base=ollama_address(),
        openai_api_key=SecretStr("none"),
        check_embedding_ctx_length=False,  # it sends words, not OpenAI's tokens
    )


def _units(vectors: Sequence[Sequence[float]]) -> list[Vector[int]]:
    return [unit_vector(dict(enumerate(vector))) for vector in vectors]
