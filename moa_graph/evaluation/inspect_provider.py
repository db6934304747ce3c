"""Mixtures as models of inspect-ai: ``inspect eval task.py --model moa/council``.

inspect-ai finds this module by an entry point. After ``moa/`` stands a preset's name or a mixture's file; the report of
each run is in the output's metadata. A mixture answers with text: tasks that offer tools are refused.
"""

from __future__ import annotations

from typing import Any

from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessage,
    ChatMessageAssistant,
    GenerateConfig,
    ModelAPI,
    ModelOutput,
    ModelUsage,
    modelapi,
)
from inspect_ai.tool import ToolChoice, ToolInfo

from moa_graph.errors import InputError
from moa_graph.graph import create_moa
from moa_graph.runs import run

__all__ = ["moa"]


@modelapi(name="moa")  # type: ignore[untyped-decorator]  # skipped, so that findings don't depend on it
def moa() -> type[ModelAPI]:
    """The provider that inspect-ai registers."""
    return MixtureAPI


class MixtureAPI(ModelAPI):  # type: ignore[misc]
    """A mixture where inspect-ai wants a model.

    Args:
        model_name: A preset's name or a mixture's file.
        base_url: Not used: a mixture's models have their own.
        api_key: Not used: keys come from the environment.
        config: inspect-ai's generation settings.
        model_args: ``-M simulate=true`` replaces every model by a simulated one, ``-M store=FILE`` keeps the calls.
    """

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig = GenerateConfig(),  # noqa: B008 (inspect-ai's own signature)
        **model_args: Any,
    ) -> None:
        super().__init__(model_name, base_url, api_key, [], config)
        self._graph = create_moa(model_name, **model_args).compile()

    def max_connections(self) -> int:
        """Samples in flight at once; each is several calls."""
        return 10

    async def generate(
        self, input: list[ChatMessage], tools: list[ToolInfo], tool_choice: ToolChoice, config: GenerateConfig
    ) -> ModelOutput:
        """One run of the mixture."""
        if tools:
            raise InputError(f"moa/{self.model_name} answers with text only, but this task offers tools")
        outcome = await run(self._graph, [(_role(message), message.text) for message in input])
        report = outcome.report
        choice = ChatCompletionChoice(
            message=ChatMessageAssistant(content=outcome.answer, source="generate"), stop_reason="stop"
        )
        used = report["usage"]
        return ModelOutput(
            model=f"moa/{self.model_name}",
            choices=[choice],
            usage=ModelUsage(
                input_tokens=used["input"],
                output_tokens=used["output"],
                total_tokens=used["input"] + used["output"],
                total_cost=report["cost"],
            ),
            metadata={"moa": dict(report)},
        )


def _role(message: ChatMessage) -> str:
    return {"system": "system", "assistant": "ai"}.get(message.role, "user")
