"""LangChain's standard integration tests of a chat model, over the simulator and in this process."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.integration_tests import chat_models as standard

from moa_graph import ChatMoA
from moa_graph.server.simulator import running_simulator

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture(autouse=True)
def nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite fetches its images, sounds and documents; these simulated models can't see them anyway."""
    monkeypatch.setattr(standard, "httpx", SimpleNamespace(get=lambda *_, **__: SimpleNamespace(content=PIXEL)))
    monkeypatch.setenv("LANGCHAIN_TESTS_USER_AGENT", "moa-graph-tests")


class Standard(ChatModelIntegrationTests):
    """With the suite's own parameters; nothing is switched off."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatMoA

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_image_inputs(self) -> bool:
        return True

    @property
    def supports_image_urls(self) -> bool:
        return True

    @property
    def supports_pdf_inputs(self) -> bool:
        return True

    @property
    def supports_audio_inputs(self) -> bool:
        return True

    @property
    def supports_image_tool_message(self) -> bool:
        return True

    @property
    def supports_pdf_tool_message(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True


class TestInProcess(Standard):
    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"proposers": ["sim:instant", "sim:instant"], "aggregator": "sim:instant"}


@pytest.mark.filterwarnings("ignore:OpenAI may require a filename")
class TestOverHttp(Standard):
    url: ClassVar[str]

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def simulator(cls) -> Iterator[None]:
        with running_simulator() as simulator:
            cls.url = simulator.base_url
            yield

    @property
    def chat_model_params(self) -> dict[str, Any]:
        models = {"instant": {"model": "openai:instant", "base_url": self.url}}
        stages = [{"propose": {"slots": ["instant", "instant"]}}, {"aggregate": {"slot": "instant"}}]
        return {"mixture": {"name": "over-http", "models": models, "stages": stages}}
