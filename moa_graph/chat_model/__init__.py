"""A mixture as a LangChain chat model, to put where a single model stood."""

from __future__ import annotations

from moa_graph.chat_model.model import ChatMoA

__all__ = ["ChatMoA"]
