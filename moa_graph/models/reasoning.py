"""How much a model thinks before it answers, told in each provider's own way.

Sources: OpenAI's guide to reasoning, OpenRouter's ``reasoning``, Anthropic's adaptive and extended thinking, Google's
thinking levels and budgets, DeepSeek's guide to thinking mode, Together's and Groq's guides to reasoning; read in
November 2026.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

from moa_graph.description import ModelSettings, Reasoning
from moa_graph.models.reference import ModelReference, is_elsewhere, moved_to

__all__ = ["ROOM", "less", "reasoning_fields", "reasons", "room_for"]

Effort = Literal["off", "low", "medium", "high"]

ROOM: Mapping[str, int] = {"off": 0, "low": 2048, "medium": 8192, "high": 24_576, "default": 8192}
"""Tokens for reasoning beside those of the answer. Models know no limit of their own: this is what most stay within."""

_NEVER = re.compile(
    r"""gpt-(?:3|4)|llama|mixtral|wizardlm|dbrx|qwen-?[12](?:\.|\b)|gemma-?[1-3]?\b|gemini-(?:1|2\.0)|claude-(?:[12]|3-[0-5]|3-opus
    |3-sonnet|3-haiku)|deepseek-(?:coder|v3$|chat-v3-0324)|mistral-(?:7b|nemo|tiny|saba)|ministral|codestral|command
    |smollm|olmo|phi-?[1-3]|solar|-instruct(?:-|$)|tinyllama""",
    re.IGNORECASE | re.VERBOSE,
)
"""Models that answer at once, and mostly refuse to be told how much to think."""

_ALWAYS = re.compile(
    r"gpt-oss|gpt-5-pro|(?:^|/)o[134](?:-|$)|deepseek-r1|-thinking|-reason|minimax-m|claude-(?:sonnet-5[-.]5|opus-5[-.]5|fable"
    r"|mythos)|gemini-(?:2\.5-pro|3[\w.-]*-pro)|magistral|grok-4|qwq",
    re.IGNORECASE,
)
"""Models whose thinking can't be turned off: the least that they take is their lowest effort."""

_DO = re.compile(
    r"gpt-(?:[5-9]|oss|luna|sol|terra|mini|astra|latest)|(?:^|/)o[134](?:-|$)|deepseek|kimi|glm|qwen-?3|qwq|minimax|claude"
    r"|gemini|magistral|mistral-(?:medium|small)|grok|nemotron|-thinking|-reason|gemma-?4",
    re.IGNORECASE,
)
"""Models that are known to think before they answer."""

_ADAPTIVE = re.compile(r"claude-(?:opus|sonnet|haiku)-(?:4-[6-9]|[5-9])|claude-(?:fable|mythos)|claude-[a-z]+-latest")
"""Anthropic's models that decide by themselves how long to think, and are told an effort."""


def reasons(reference: ModelReference) -> bool | None:
    """Whether a model thinks before it answers; None where that isn't known."""
    if reference.provider in ("sim", "recorded"):
        return False
    if _NEVER.search(reference.name) and not _ALWAYS.search(reference.name):
        return False
    return True if _DO.search(reference.name) else None


def room_for(reference: ModelReference, settings: ModelSettings) -> int:
    """Tokens that a call is allowed for reasoning, beside ``max_tokens`` for its answer.

    No tokens where the model doesn't reason, or ``max_tokens`` doesn't limit it anyway. Of a window that is stated,
    thoughts and answer together get half at most, so that the prompt has the other.
    """
    thinks = reasons(reference)
    if settings.max_tokens is None or thinks is False or (thinks is None and settings.reasoning is None):
        return 0
    wanted = settings.reasoning or "default"
    if isinstance(wanted, int):
        return wanted
    room = ROOM["low"] if wanted == "off" and _ALWAYS.search(reference.name) else ROOM[wanted]
    return room if settings.window is None else min(room, max(settings.window // 2 - settings.max_tokens, 0))


def less(reasoning: Reasoning | None) -> Reasoning | None:
    """A step less of thinking; None where there is no less."""
    if reasoning == "off":
        return None
    return "low" if reasoning == "high" else "off"


def reasoning_fields(reference: ModelReference, settings: ModelSettings) -> dict[str, Any] | None:
    """Fields of the chat model that tell it how much to think.

    Empty where nothing is to be told: the setting leaves it to the model, or the model doesn't think. None where the
    provider isn't known to take any.
    """
    wanted = settings.reasoning
    if wanted is None or wanted == "default" or reasons(reference) is False:
        return {}
    provider = reference.provider
    if provider == "openai":
        address = settings.base_url or moved_to("openai")
        if address is not None and is_elsewhere("openai", address) and not _is_openais(reference.name):
            return _own_server(reference.name, wanted)
    tell = _TELLERS.get(provider)
    return None if tell is None else tell(reference.name, wanted)


def effort_of(wanted: Reasoning) -> Effort:
    """The effort that comes nearest to a setting."""
    if isinstance(wanted, int):
        return "low" if wanted <= ROOM["low"] else "medium" if wanted <= ROOM["medium"] else "high"
    return "medium" if wanted == "default" else wanted


def tokens_of(wanted: Reasoning) -> int:
    """The budget of tokens that comes nearest to a setting."""
    return wanted if isinstance(wanted, int) else ROOM[wanted]


def _is_openais(name: str) -> bool:
    """Whether a name is one of OpenAI's own models: a proxy serves those in OpenAI's way."""
    return re.match(r"gpt-\d|o\d", name) is not None


def _openai(name: str, wanted: Reasoning) -> dict[str, Any]:
    effort = effort_of(wanted)
    if effort != "off":
        return {"reasoning_effort": effort}
    if _ALWAYS.search(name):
        return {"reasoning_effort": "low"}
    return {"reasoning_effort": "minimal" if re.match(r"gpt-5(?:-|$)", name) else "none"}


def _own_server(name: str, wanted: Reasoning) -> dict[str, Any]:
    """Ollama goes by the effort, vLLM and llama.cpp by what they hand to the model's template."""
    effort = effort_of(wanted)
    if "gpt-oss" in name:
        return {"extra_body": {"reasoning_effort": "low" if effort == "off" else effort}}
    template = {"enable_thinking": effort != "off"}
    return {"extra_body": {"reasoning_effort": "none" if effort == "off" else effort, "chat_template_kwargs": template}}


def _together(name: str, wanted: Reasoning) -> dict[str, Any]:
    effort = effort_of(wanted)
    if "gpt-oss" in name:
        return {"extra_body": {"reasoning_effort": "low" if effort == "off" else effort}}
    if effort == "off" and not _ALWAYS.search(name):
        return {"extra_body": {"reasoning": {"enabled": False}}}
    told = "low" if effort == "off" else effort
    return {"extra_body": {"reasoning": {"enabled": True}, "reasoning_effort": told}}


def _openrouter(name: str, wanted: Reasoning) -> dict[str, Any]:
    if isinstance(wanted, int):
        return {"extra_body": {"reasoning": {"max_tokens": wanted}}}
    effort = effort_of(wanted)
    told = {"off": "low" if _ALWAYS.search(name) else "none"}.get(effort, effort)
    return {"extra_body": {"reasoning": {"effort": told}}}


def _deepseek(name: str, wanted: Reasoning) -> dict[str, Any]:
    effort = effort_of(wanted)
    if effort == "off":
        return {"extra_body": {"thinking": {"type": "disabled"}}}
    told = "low" if effort == "low" else "high"
    return {"extra_body": {"thinking": {"type": "enabled"}, "reasoning_effort": told}}


def _groq(name: str, wanted: Reasoning) -> dict[str, Any]:
    effort = effort_of(wanted)
    if "gpt-oss" in name:
        return {"extra_body": {"reasoning_effort": "low" if effort == "off" else effort}}
    return {"extra_body": {"reasoning_effort": "none" if effort == "off" else "default"}}


def _mistral(name: str, wanted: Reasoning) -> dict[str, Any]:
    return {"extra_body": {"reasoning_effort": "high" if effort_of(wanted) == "high" else "none"}}


def _anthropic(name: str, wanted: Reasoning) -> dict[str, Any]:
    effort = effort_of(wanted)
    if _ADAPTIVE.search(name):
        if effort != "off":
            return {"reasoning_effort": effort}
        return {"reasoning_effort": "low"} if _ALWAYS.search(name) else {"thinking": {"type": "disabled"}}
    if effort == "off":
        return {}  # they don't think unless told to
    return {"thinking": {"type": "enabled", "budget_tokens": max(tokens_of(wanted), 1024)}, "temperature": None}


def _google(name: str, wanted: Reasoning) -> dict[str, Any]:
    effort = effort_of(wanted)
    if "gemini-2.5" in name:
        least = 128 if "pro" in name else 0
        return {"thinking_budget": max(tokens_of(wanted), least)}
    return {"thinking_level": "low" if effort == "off" and _ALWAYS.search(name) else _LEVELS[effort]}


_LEVELS = {"off": "minimal", "low": "low", "medium": "medium", "high": "high"}

_TELLERS: Mapping[str, Callable[[str, Reasoning], dict[str, Any]]] = {
    "openai": _openai,
    "together": _together,
    "openrouter": _openrouter,
    "deepseek": _deepseek,
    "groq": _groq,
    "mistralai": _mistral,
    "anthropic": _anthropic,
    "google_genai": _google,
    "xai": lambda name, wanted: {"reasoning_effort": "high" if effort_of(wanted) == "high" else "low"},
    "ollama": lambda name, wanted: {"reasoning": effort_of(wanted) != "off"},
}
