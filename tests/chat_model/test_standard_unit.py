"""LangChain's standard unit tests of a chat model."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_tests.unit_tests import ChatModelUnitTests

from moa_graph import ChatMoA


class TestChatMoA(ChatModelUnitTests):
    """Nothing is switched off."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatMoA

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"proposers": ["sim:instant", "sim:swift"], "aggregator": "sim:instant"}

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        """Keys, retries and timeouts belong to the slots, each of which has its own model."""
        return {"temperature": 0, "max_tokens": 100, "stop": []}
