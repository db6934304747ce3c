"""Providers on the loopback interface that answer as the real ones do: their lists, refusals and ways to reason.

with provider_on_loopback("together") as provider:
    provider.set_environment(monkeypatch)
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from moa_graph.casts.shipped import shipped_casts
from tests.loopback import Asked, Loopback, Reply, loopback_in_thread, streamed
from tests.systems.panel import DECISIONS

__all__ = ["KEYS", "FakeProvider", "provider_on_loopback"]

KEYS = (
    "TOGETHER_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "GROQ_API_KEY",
    "DEEPSEEK_API_KEY", "MISTRAL_API_KEY",
)  # fmt: skip

_ADDRESSES = {
    "together": "TOGETHER_API_BASE",
    "openai": "OPENAI_BASE_URL",
    "openrouter": "OPENROUTER_BASE_URL",
    "anthropic": "ANTHROPIC_BASE_URL",
}

_KEY_OF = {
    "together": "TOGETHER_API_KEY",
    "openai": "OPENAI_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
}

_FORM = re.compile(r'\\?"title\\?": \\?"(\w+)\\?", \\?"type\\?": \\?"object\\?"')

DEAD_AT_TOGETHER = (
    "Qwen/Qwen2.5-72B-Instruct-Turbo", "deepseek-ai/DeepSeek-V3", "Qwen/Qwen2.5-Coder-32B-Instruct",
    "Qwen/Qwen2.5-7B-Instruct-Turbo", "meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo", "databricks/dbrx-instruct",
)  # fmt: skip


@dataclass
class FakeProvider:
    """A provider, and what it was asked.

    Args:
        name: Whose protocol it speaks; ``ollama`` is a local server.
        served: Ids of the models that can be called.
        dead: Ids that are listed by a careless list, and refused.
        thinks: Tokens that its models spend on reasoning before the first word, however they are asked.
        list_hangs: Whether its list never comes.
    """

    name: str
    served: tuple[str, ...]
    dead: tuple[str, ...] = ()
    thinks: int = 0
    list_hangs: bool = False
    lists: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list)
    output_tokens: int = 0
    input_tokens: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    server: Loopback | None = None

    def __call__(self, asked: Asked) -> Reply:
        """The reply to a request."""
        if "/models" in asked.path:
            with self.lock:
                self.lists += 1
            return Reply(hangs=True) if self.list_hangs else Reply(body=json.dumps(self._list(asked)).encode())
        if "model" not in asked.body:  # about the server, which tells nothing
            return Reply(status=404, body=b"{}")
        with self.lock:
            self.asked.append(asked.body)
        if asked.body["model"] not in self.served:
            return self._refusal(asked.body["model"])
        return self._answer(asked.body)

    @property
    def dead_asked(self) -> list[str]:
        """Models that were asked for and are not served."""
        return [body["model"] for body in self.asked if body["model"] not in self.served]

    def set_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Sets this provider's key and address, and no other's."""
        assert self.server is not None
        for key in KEYS:
            monkeypatch.delenv(key, raising=False)
        if self.name == "ollama":
            port = int(self.server.url.split(":")[2].partition("/")[0])
            monkeypatch.setattr("moa_graph.detection.SERVERS", {"Ollama": port})
            return
        monkeypatch.setenv(_KEY_OF[self.name], f"key-of-{self.name}")
        url = self.server.url.removesuffix("/v1") if self.name == "anthropic" else self.server.url
        monkeypatch.setenv(_ADDRESSES[self.name], url)

    def _list(self, asked: Asked) -> Any:
        if self.name == "together":
            shown = self.served if "serverless=true" in asked.path else (*self.served, *self.dead)
            return [{"id": one, "type": _type(one), "context_length": 131072, "created": 1760000000} for one in shown]
        if self.name == "openrouter":
            priced = {"pricing": {"prompt": "0.0000005", "completion": "0.000003"}, "context_length": 200000}
            return {"data": [{"id": one, "created": 1760000000, **priced} for one in self.served]}
        if self.name == "anthropic":
            listed = [{"type": "model", "id": one, "created_at": "2026-09-28T00:00:00Z"} for one in self.served]
            return {"data": listed, "has_more": False}
        return {
            "object": "list",
            "data": [{"id": one, "object": "model", "created": 1760000000} for one in self.served],
        }

    def _refusal(self, model: str) -> Reply:
        if self.name == "together":
            words = (
                f"Unable to access non-serverless model {model}. Please visit https://api.together.ai/models/{model}"
            )
            error = {"message": words, "type": "invalid_request_error", "param": None, "code": "model_not_available"}
            return Reply(400, json.dumps({"error": error}).encode())
        words = f"The model `{model}` does not exist or you do not have access to it."
        kind = "not_found_error" if self.name == "anthropic" else "invalid_request_error"
        error = {"message": words, "type": kind, "code": "model_not_found"}
        return Reply(404, json.dumps({"type": "error", "error": error}).encode())

    def _answer(self, body: dict[str, Any]) -> Reply:
        text = _content(body)
        most = body.get("max_tokens") or body.get("max_completion_tokens") or 10**6
        thought = 0 if "Llama" in body["model"] else min(self.thinks, most)
        if thought == most:
            text, ending = "", "length"
        else:
            ending = "stop"
        written = thought + max(len(text) // 4, 1 if text else 0)
        with self.lock:
            self.output_tokens += written
            self.input_tokens += 20
        if self.name == "anthropic":
            return _of_anthropic(body, text, written, ending)
        message = {"role": "assistant", "content": text, "reasoning": "hm. " * (thought // 2)}
        usage = {
            "prompt_tokens": 20,
            "completion_tokens": written,
            "total_tokens": 20 + written,
            "completion_tokens_details": {"reasoning_tokens": thought},
        }
        if body.get("stream"):
            return _streamed(body["model"], message, usage, ending)
        number = int(body.get("n") or 1)
        choices = [{"index": index, "message": message, "finish_reason": ending} for index in range(number)]
        whole = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": body["model"]}
        return Reply(body=json.dumps({**whole, "choices": choices, "usage": usage}).encode())


@contextmanager
def provider_on_loopback(name: str, **fields: Any) -> Iterator[FakeProvider]:
    """A running provider that serves its shipped cast's models, unless told otherwise."""
    fields.setdefault("served", _served_by(name))
    if name == "together":
        fields.setdefault("dead", DEAD_AT_TOGETHER)
    provider = FakeProvider(name, **fields)
    with loopback_in_thread(provider) as server:
        provider.server = server
        yield provider


def _served_by(name: str) -> tuple[str, ...]:
    if name == "ollama":
        return ("qwen3:4b", "llama3.2:3b", "gemma3:4b")
    return tuple(model.name.partition(":")[2] for model in shipped_casts()[name].models())


def _type(model: str) -> str:
    return "embedding" if "embed" in model.lower() else "chat"


def _content(body: dict[str, Any]) -> str:
    """An answer, or what fills the form that is asked for."""
    found = _FORM.findall(json.dumps(body, ensure_ascii=False))
    if not found:
        return "The answer is 42."
    wanted: Callable[..., Any] | Any = DECISIONS[found[-1]]
    return json.dumps(wanted)


def _streamed(model: str, message: dict[str, Any], usage: dict[str, Any], ending: str) -> Reply:
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model}
    told = [{"index": 0, "delta": message, "finish_reason": None}]
    ended = [{"index": 0, "delta": {}, "finish_reason": ending}]
    return streamed({**base, "choices": told}, {**base, "choices": ended}, {**base, "choices": [], "usage": usage})


def _of_anthropic(body: dict[str, Any], text: str, written: int, ending: str) -> Reply:
    blocks: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    if body.get("tools") and text.startswith("{"):
        tool = body["tools"][0]["name"]
        blocks = [{"type": "tool_use", "id": "toolu_1", "name": tool, "input": json.loads(text)}]
    whole = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"], "content": blocks}
    reason = (
        "max_tokens" if ending == "length" else "tool_use" if blocks and blocks[0]["type"] == "tool_use" else "end_turn"
    )
    usage = {"input_tokens": 20, "output_tokens": written}
    return Reply(body=json.dumps({**whole, "stop_reason": reason, "usage": usage}).encode())
