"""The models that presets without models of their own name: open ones, served today on one key (TOGETHER_API_KEY)."""

from __future__ import annotations

from typing import Any

__all__ = ["CHEAP", "MODELS", "PANEL", "mixture_of"]

from moa_graph.mixture import Mixture

MODELS: dict[str, dict[str, Any]] = {
    "llama-70b": {"model": "together:meta-llama/Llama-3.3-70B-Instruct-Turbo", "max_tokens": 1024},
    "qwen-72b": {"model": "together:Qwen/Qwen2.5-72B-Instruct-Turbo", "max_tokens": 1024},
    "qwen-coder": {"model": "together:Qwen/Qwen2.5-Coder-32B-Instruct", "max_tokens": 1024},
    "deepseek": {"model": "together:deepseek-ai/DeepSeek-V3", "max_tokens": 1024},
    "qwen-7b": {"model": "together:Qwen/Qwen2.5-7B-Instruct-Turbo", "max_tokens": 1024},
    "llama-8b": {"model": "together:meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo", "max_tokens": 1024},
}

PANEL = ["llama-70b", "qwen-72b", "deepseek"]
"""Three strong models of different makers."""

CHEAP = ["llama-8b", "qwen-7b"]
"""Two small ones."""


def mixture_of(name: str, *stages: dict[str, Any], **fields: Any) -> Mixture:
    """A mixture of these stages over the models that they name."""
    written = repr(stages)
    used = {model: settings for model, settings in MODELS.items() if f"'{model}'" in written}
    return Mixture.from_data({"name": name, "models": used, "stages": list(stages), **fields})
