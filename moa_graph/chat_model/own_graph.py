"""From a chat model's fields to the mixture's graph, and what can be said of it before it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_core.language_models import BaseChatModel, ModelProfile

from moa_graph.graph import MoaGraph, create_moa

if TYPE_CHECKING:
    from moa_graph.chat_model.described import DescribedModel

__all__ = ["BUILT_FROM", "build", "models_of", "profile_of"]

BUILT_FROM = ("mixture", "proposers", "aggregator", "layers", "name", "simulate", "substitute", "store")
"""The fields that the graph is made from."""


def build(model: DescribedModel) -> MoaGraph:
    """The graph that a chat model's fields describe."""
    return create_moa(**{field: getattr(model, field) for field in BUILT_FROM})


def models_of(graph: MoaGraph) -> list[str | BaseChatModel]:
    """The models of a mixture, as they are written."""
    return [member.settings.model for member in graph.plan.everyone]


def profile_of(graph: MoaGraph) -> ModelProfile:
    """What a mixture can do. What one of its models can't be shown, that model is told of in words."""
    windows = [member.window for member in graph.plan.everyone if member.window is not None]
    writes = all(path.last.stage.writes for path in graph.plan.paths({}))
    profile = ModelProfile(
        tool_calling=writes,
        structured_output=writes,
        image_inputs=True,
        audio_inputs=True,
        video_inputs=True,
        pdf_inputs=True,
    )
    return ModelProfile(**profile, max_input_tokens=min(windows)) if windows else profile
