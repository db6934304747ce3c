"""Answers that real models gave before, as a chat model: ``recorded:FILE#MODEL``.

FILE holds JSON lines, or one JSON list, and may be compressed (``.gz``). A line is either ``{"question": ...,
"outputs": {model: text}}``, with ``instruction`` for ``question`` if you like, or one model's answer as
AlpacaEval writes it: ``{"instruction": ..., "output": ..., "generator": model}``. Answers without ``instruction`` are
those to the rows of a batch, in their order; without ``generator`` the file's own name is the model's.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field

from moa_graph.errors import MixtureError
from moa_graph.models.reference import ModelReference, near
from moa_graph.views import CHARACTERS_PER_TOKEN

__all__ = ["NotRecorded", "RecordedChatModel", "place_in_batch", "read_outputs"]

place_in_batch: ContextVar[int | None] = ContextVar("moa_place_in_batch", default=None)
"""Number of the row, from 0, that the present context answers."""

Outputs = Mapping[str, Mapping[str, str]]
"""Model -> question -> its answer."""


class NotRecorded(LookupError):
    """The model was never asked this question when the file was recorded."""

    status_code = 400


class RecordedChatModel(BaseChatModel):
    """Gives the recorded answer to the last user message, whatever else the conversation holds.

    Usage is estimated, since recordings seldom hold it, and marked so in ``response_metadata``.

    Args:
        model: Name of the model in the file.
        file: The file, for messages.
        answers: Question -> answer.
    """

    model: str
    file: str
    answers: Mapping[str, str] = Field(repr=False, exclude=True)

    @classmethod
    def from_reference(cls, reference: ModelReference) -> RecordedChatModel:
        """The model of ``recorded:FILE#MODEL``.

        Raises:
            MixtureError: The file can't be read, or holds no such model.
        """
        file, mark, model = reference.name.rpartition("#")
        if not (mark and file and model):
            raise MixtureError(f"{reference}: write recorded:FILE#MODEL.")
        outputs = read_outputs(file)
        if model not in outputs:
            raise MixtureError(
                f"{reference}: the file holds no answers of {model}.{near(model, outputs)} "
                f"It holds: {', '.join(sorted(outputs))}."
            )
        return cls(model=model, file=file, answers=outputs[model])

    @property
    def _llm_type(self) -> str:
        return "recorded"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model, "file": self.file}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        question = next((message.text for message in reversed(messages) if message.type == "human"), "")
        answer = self.answers.get(question.strip(), self.answers.get(_at(place_in_batch.get())))
        if answer is None:
            raise NotRecorded(f"{self.file} holds no answer of {self.model} to {question[:80]!r}.")
        return ChatResult(generations=[ChatGeneration(message=_message(answer, messages, self.model))])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self._generate(messages, stop)


def _message(answer: str, prompt: list[BaseMessage], model: str) -> AIMessage:
    read = sum(len(message.text) for message in prompt) // CHARACTERS_PER_TOKEN
    written = len(answer) // CHARACTERS_PER_TOKEN
    return AIMessage(
        answer,
        usage_metadata=UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written),
        response_metadata={"model_name": model, "finish_reason": "stop", "estimated": True},
    )


def _at(place: int | None) -> str:
    """What an answer is found by that stands in its file without a question."""
    return f"\0{place}"


def read_outputs(file: str) -> Outputs:
    """Every recorded answer in ``file``, read once for all models as long as the file stays the same.

    Raises:
        MixtureError: The file can't be read, or isn't written as this module's docstring says.
    """
    try:
        changed = Path(file).stat().st_mtime_ns
    except OSError as error:
        raise MixtureError(f"recorded:{file}: the file can't be read: {error.strerror}.") from error
    return _read(str(Path(file).resolve()), changed)


@lru_cache(maxsize=8)
def _read(file: str, changed: int) -> Outputs:
    outputs: dict[str, dict[str, str]] = {}
    stem = Path(file).name.partition(".")[0]
    try:
        for place, entry in enumerate(_entries(file)):
            question = next((entry[name] for name in ("question", "instruction") if name in entry), _at(place))
            answers = entry["outputs"] if "outputs" in entry else {entry.get("generator", stem): entry["output"]}
            for model, answer in answers.items():
                outputs.setdefault(model, {})[question.strip()] = answer
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MixtureError(
            f"recorded:{file}: can't be read ({type(error).__name__}: {error}). Write one JSON object a "
            "line, with question and outputs, or with instruction, output and generator."
        ) from error
    return outputs


def _entries(file: str) -> Iterator[dict[str, Any]]:
    opened = gzip.open if file.endswith(".gz") else open
    with opened(file, "rt", encoding="utf-8") as lines:
        start = lines.read(1)
        lines.seek(0)
        if start == "[":
            yield from json.load(lines)
        else:
            yield from (json.loads(line) for line in lines if line.strip())
