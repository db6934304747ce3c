"""What a line of the output looks like: our own rows, and the formats that evaluations and training read.

Sources: AlpacaEval's ``load_or_convert_to_dataframe`` (a JSON list of instruction, output, generator), MT-Bench's
``load_model_answers`` (question_id, choices of turns), FLASK's ``gpt4_eval`` (question_id, text), OpenAI's batch output
(custom_id, response, error).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

__all__ = ["FORMATS", "RowFormat"]

RowFormat = Callable[[dict[str, Any], str], dict[str, Any] | None]
"""A finished row's result and the mixture's name -> a line; None leaves the row out."""

_ONLY_FOR_OTHER_FORMATS = frozenset({"messages", "later", "source", "simulated"})


def rows(result: dict[str, Any], mixture: str) -> dict[str, Any]:
    """One row per id: answer, usage, dollars, failure."""
    return {name: value for name, value in result.items() if name not in _ONLY_FOR_OTHER_FORMATS}


def alpaca_eval(result: dict[str, Any], mixture: str) -> dict[str, Any] | None:
    """AlpacaEval's model outputs."""
    if result["status"] != "answered":
        return None
    source = result.get("source", {})
    told = {"instruction": _asked(source), "output": result["answer"], "generator": mixture}
    return {**told, "dataset": source["dataset"]} if "dataset" in source else told


def mt_bench(result: dict[str, Any], mixture: str) -> dict[str, Any] | None:
    """MT-Bench's model answers."""
    if result["status"] != "answered":
        return None
    turns = result.get("answers", [result["answer"]])
    number = result.get("source", {}).get("question_id", result["id"])
    identity = hashlib.sha256(f"{mixture}\0{number}".encode()).hexdigest()[:22]
    choices = [{"index": 0, "turns": turns}]
    return {"question_id": number, "answer_id": identity, "model_id": mixture, "choices": choices, "tstamp": 0.0}


def flask(result: dict[str, Any], mixture: str) -> dict[str, Any] | None:
    """FLASK's model outputs."""
    if result["status"] != "answered":
        return None
    source = result.get("source", {})
    number = source.get("question_id", source.get("idx", result["id"]))
    return {"question_id": number, "text": result["answer"], "model_id": mixture}


def openai_batch(result: dict[str, Any], mixture: str) -> dict[str, Any]:
    """OpenAI's batch output."""
    told: dict[str, Any] = {"id": f"batch_req_{result['id']}", "custom_id": result["id"]}
    told |= {"response": None, "error": None}
    if result["status"] != "answered":
        failure = result["failure"]
        return {**told, "error": {"code": failure["kind"], "message": failure["message"]}}
    usage = result["usage"]
    message = {"role": "assistant", "content": result["answer"], "refusal": None}
    if tool_calls := result.get("tool_calls"):
        message |= {"content": result["answer"] or None, "tool_calls": tool_calls}
    body = {
        "id": f"chatcmpl-{result['id']}",
        "object": "chat.completion",
        "created": 0,
        "model": mixture,
        "choices": [
            {
                "index": 0,
                "message": message,
                "finish_reason": "tool_calls" if tool_calls else "stop",
                "logprobs": None,
            }
        ],
        "usage": {
            "prompt_tokens": usage["input"],
            "completion_tokens": usage["output"],
            "total_tokens": usage["input"] + usage["output"],
        },
    }
    return {**told, "response": {"status_code": 200, "request_id": result["id"], "body": body}}


def synthetic_data(result: dict[str, Any], mixture: str) -> dict[str, Any] | None:
    """A training row: a conversation in OpenAI's format, its score, and where it comes from.

    An answer that is a scored pair, as the preset synthetic-data gives it, becomes the conversation; any other ends
    the row's own conversation. Degraded answers are left out.
    """
    if result["status"] != "answered" or result["degraded"]:
        return None
    provenance = {"mixture": mixture, **{name: result[name] for name in ("models", "usd", "simulated")}}
    pair, score = _scored_pair(result["answer"])
    messages = pair or [*_asked_and_answered(result)]
    return {
        "id": result["id"],
        "messages": messages,
        "score": result["score"] if score is None else score,
        "provenance": provenance,
    }


def _scored_pair(answer: str) -> tuple[list[dict[str, str]] | None, float | None]:
    """The conversation and the score in an answer that holds them as JSON."""
    told = _mapping(answer)
    pair = _mapping(told.get("text"))
    if not isinstance(pair.get("instruction"), str) or not isinstance(pair.get("response"), str):
        return None, None
    score = told.get("score")
    return [
        {"role": "user", "content": pair["instruction"]},
        {"role": "assistant", "content": pair["response"]},
    ], score if isinstance(score, int | float) else None


def _mapping(text: Any) -> Mapping[str, Any]:
    try:
        read = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, Mapping) else {}


def _asked_and_answered(result: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from result["messages"]
    answers = result.get("answers", [result["answer"]])
    for turn, answer in zip(("", *result.get("later", ())), answers, strict=True):
        if turn:
            yield {"role": "user", "content": turn}
        yield {"role": "assistant", "content": answer}


def _asked(source: Mapping[str, Any]) -> str:
    return str(next((source[name] for name in ("instruction", "prompt", "question", "text") if source.get(name)), ""))


FORMATS: Mapping[str, RowFormat] = {
    "rows": rows,
    "openai-batch": openai_batch,
    "alpaca-eval": alpaca_eval,
    "mt-bench": mt_bench,
    "flask": flask,
    "synthetic-data": synthetic_data,
}
