"""What a provider's own list says of one model: whether it can chat, its price, its window and who made it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from moa_graph.casts.makers import maker_of
from moa_graph.description import ModelSettings, Price
from moa_graph.models.prices import price_of, window_of

__all__ = ["ServedModel", "served_model"]


@dataclass(frozen=True)
class ServedModel:
    """A model that a provider lists.

    Args:
        reference: ``provider:name``.
        chats: Whether it answers conversations; embeddings, images, audio, guards and the like don't.
        price: US dollars per million tokens, from the list itself or from the installed price list; None if unknown.
        window: Most tokens of a prompt; None if unknown.
        maker: Who made it.
        created: When it came; None if the list doesn't say.
        ends: The day on which it is switched off; None if none is announced.
        base_url: Address of its server, where that isn't the provider's own.
        key_variable: Environment variable that holds its key, where that isn't the provider's own.
    """

    reference: str
    chats: bool
    price: Price | None
    window: int | None
    maker: str
    created: datetime | None = None
    ends: date | None = None
    base_url: str | None = None
    key_variable: str | None = None

    @property
    def name(self) -> str:
        """The model as its provider names it."""
        return self.reference.partition(":")[2]


def served_model(
    provider: str, listed: Mapping[str, Any], base_url: str | None = None, key_variable: str | None = None
) -> ServedModel | None:
    """What an entry of a list says; None for an entry without a name."""
    name = str(listed.get("id") or listed.get("name") or listed.get("model") or "").removeprefix("models/")
    if not name:
        return None
    reference = f"{provider}:{name}"
    settings = ModelSettings(model=reference, base_url=base_url)
    window = next((listed[key] for key in _WINDOWS if _is_count(listed.get(key))), None)
    return ServedModel(
        reference=reference,
        chats=_says_it_chats(listed) and not _NOT_FOR_CHAT.search(name),
        price=_price(provider, listed) or price_of(settings),
        window=window or window_of(settings),
        maker=maker_of(reference),
        created=_time(listed.get("created") or listed.get("created_at")),
        ends=_day(listed.get("shutdown_date") or listed.get("expiration_date") or listed.get("deprecation")),
        base_url=base_url,
        key_variable=key_variable,
    )


_WINDOWS = ("context_length", "context_window", "max_context_length", "max_model_len", "max_input_tokens",
            "inputTokenLimit")  # fmt: skip

_CHAT_TYPES = {None, "", "chat", "model", "text", "llm", "vlm", "text-generation"}

_NOT_FOR_CHAT = re.compile(
    r"""embed|rerank|whisper|transcri|moderation|safeguard|babbage|davinci|imagen|dall-?e|diffusion|minilm|colbert
    |(?:^|[-_/.:])(?:bge|e5|gte|guard|shield|image\d*|images|flux|veo|sora|video|audio|tts|speech|voice|realtime|live
    |music|lyria|ocr|orpheus|voxtral|robotics|nano-banana|computer-use|search|deep-research|reward|base|codex|cyber
    |rosalind|translate|legal|nemoretriever|parse|clip)(?:$|[-_/.:\d])
    |gpt-3\.5-turbo-instruct|prompt-guard|(?:gpt-[\d.]+|^o\d)[\w.-]*-pro\b|:(?:batch|free|extended|nitro)$""",
    re.IGNORECASE | re.VERBOSE,
)
"""Names of models that do something else, or that aren't asked in the usual way or at the usual price."""


def _says_it_chats(listed: Mapping[str, Any]) -> bool:
    """Whether the list's own fields, where it has any, say that the model writes text in a conversation."""
    given = (listed.get("architecture") or {}).get("output_modalities") or ["text"]
    can = listed.get("supportedGenerationMethods") or ["generateContent"]
    return (
        listed.get("type") in _CHAT_TYPES
        and list(given) == ["text"]
        and "generateContent" in can
        and (listed.get("capabilities") or {}).get("completion_chat") is not False
        and listed.get("active") is not False
    )


def _price(provider: str, listed: Mapping[str, Any]) -> Price | None:
    """The price in the list: Together's is per million tokens, OpenRouter's and others' per token."""
    pricing = listed.get("pricing")
    if not isinstance(pricing, Mapping):
        return None
    million = 1.0 if "input" in pricing else 1_000_000.0
    try:
        read = float(pricing.get("input", pricing.get("prompt"))) * million
        written = float(pricing.get("output", pricing.get("completion"))) * million
    except (TypeError, ValueError):
        return None
    if read < 0 or written < 0 or (provider == "together" and not (read or written)):
        return None  # a router's price, which depends on what it takes; a price that Together doesn't tell
    return Price(input=round(read, 6), output=round(written, 6))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value > 0


def _time(value: object) -> datetime | None:
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC) if value > 0 else None
        return datetime.fromisoformat(str(value)) if value else None
    except (ValueError, OSError, OverflowError):
        return None


def _day(value: object) -> date | None:
    time = _time(value)
    return time.date() if time else None
