"""LangChain's standard unit tests of a chat model."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_tests.unit_tests import ChatModelUnitTests

from moa_graph import ChatMoA


class TestChatMoA(ChatModelUnitTests):
    """With the suite's own parameters; nothing is switched off."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatMoA

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"proposers": ["sim:instant", "sim:swift"], "aggregator": "sim:instant"}
