"""Who made a model: mixtures gain most from models that err differently, and those of one maker err alike."""

from __future__ import annotations

import re

__all__ = ["maker_of"]

_SAME = {
    "meta-llama": "meta", "meta-models": "meta", "facebook": "meta",
    "mistralai": "mistral", "deepseek-ai": "deepseek", "zai-org": "z-ai", "thudm": "z-ai", "zhipuai": "z-ai",
    "moonshot": "moonshotai", "minimaxai": "minimax", "x.ai": "x-ai", "xai": "x-ai", "google_genai": "google",
    "qwen": "qwen", "alibaba": "qwen", "huggingfacetb": "huggingface", "nvidia": "nvidia", "openai": "openai",
}  # fmt: skip
"""Names of accounts and providers to the maker behind them."""

_FAMILIES = (
    (r"gpt|^o[134](-|$)|davinci|chatgpt", "openai"),
    (r"claude", "anthropic"),
    (r"gemini|gemma", "google"),
    (r"llama|muse", "meta"),
    (r"qwen|qwq", "qwen"),
    (r"deepseek", "deepseek"),
    (r"mi[sx]tral|ministral|magistral|codestral|devstral", "mistral"),
    (r"glm", "z-ai"),
    (r"kimi|moonlight", "moonshotai"),
    (r"minimax", "minimax"),
    (r"grok", "x-ai"),
    (r"phi-?\d|wizardlm", "microsoft"),
    (r"nemotron", "nvidia"),
    (r"command|aya", "cohere"),
    (r"smollm", "huggingface"),
    (r"granite", "ibm"),
    (r"olmo|tulu", "allenai"),
)
"""Words in models' names to who made them."""


def maker_of(reference: str) -> str:
    """The maker of the model that ``reference``, with or without its provider, names; its own name if unknown."""
    provider, colon, name = reference.partition(":")
    if not colon or "/" in provider:
        provider, name = "", reference
    account, slash, last = name.lstrip("~").rpartition("/")
    for pattern, maker in _FAMILIES:
        if re.search(pattern, (last if slash else name).lower()):
            return maker
    account = account.rpartition("/")[2].lower()
    return _SAME.get(account, account) or _SAME.get(provider, last.lower())
