"""From a chat model's fields to the mixture's graph, and what can be said of it before it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from langchain_core.language_models import BaseChatModel, ModelProfile

from moa_graph.errors import MixtureError
from moa_graph.graph import MoaGraph, create_moa
from moa_graph.mixture import Mixture
from moa_graph.models.catalogue import Member
from moa_graph.stages.single import SingleSlot

if TYPE_CHECKING:
    from moa_graph.chat_model.model import ChatMoA

__all__ = ["build", "models_of", "profile_of"]


def build(model: ChatMoA) -> MoaGraph:
    """The graph that a chat model's fields describe."""
    graph = create_moa(
        model.mixture,
        proposers=model.proposers,
        aggregator=model.aggregator,
        layers=model.layers,
        name=model.name,
        simulate=model.simulate,
        substitute=model.substitute,
        store=model.store,
    )
    settings = {"temperature": model.temperature, "max_tokens": model.max_tokens}
    if given := {name: value for name, value in settings.items() if value is not None}:
        graph = create_moa(
            _with_writer(graph.mixture, given),
            simulate=model.simulate,
            substitute=model.substitute,
            store=graph.plan.store,
        )
    return graph


def _with_writer(mixture: Mixture, settings: Mapping[str, float | None]) -> Mixture:
    """The mixture with other parameters for the slot that writes its answer."""
    *before, last = mixture.stages
    if not isinstance(last, SingleSlot) or not last.writes:
        raise MixtureError(
            f"{', '.join(settings)}: the last stage of {mixture.name} is of kind {last.kind}, in which no model writes "
            "the answer: set it in the mixture's slots"
        )
    slot = last.slot.model_copy(update=settings)
    return mixture.model_copy(update={"stages": (*before, last.model_copy(update={"slot": slot}))})


def models_of(graph: MoaGraph) -> list[str | BaseChatModel]:
    """The models of a mixture, as they are written."""
    return [member.settings.model for member in _asked(graph)]


def profile_of(graph: MoaGraph) -> ModelProfile:
    """What a mixture can do. What one of its models can't be shown, that model is told of in words."""
    windows = [member.window for member in _asked(graph) if member.window is not None]
    writes = all(way.last.stage.writes for way in graph.plan.ways({}))
    profile = ModelProfile(
        tool_calling=writes,
        structured_output=writes,
        image_inputs=True,
        audio_inputs=True,
        video_inputs=True,
        pdf_inputs=True,
    )
    return ModelProfile(**profile, max_input_tokens=min(windows)) if windows else profile


def _asked(graph: MoaGraph) -> list[Member]:
    return [member for placed in graph.plan.stages for seat in placed.site.seats for member in seat.members]
