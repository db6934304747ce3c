"""What a call may ask of a mixture, beside the conversation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from moa_graph.errors import MixtureError, OptionsError
from moa_graph.form import Form
from moa_graph.graph import MoaGraph
from moa_graph.options import AnswerSettings

__all__ = ["refuse_if_nothing_writes", "settings_of"]

TOOL_SETTINGS = ("tool_choice", "strict", "parallel_tool_calls")

KNOWN = {*TOOL_SETTINGS, "tools", "response_format", "stream"}


def settings_of(asked: Mapping[str, Any], usual: AnswerSettings, graph: MoaGraph) -> AnswerSettings:
    """What a call asks of the answer.

    Args:
        asked: The call's keywords.
        usual: What holds for every call of the chat model.
        graph: The mixture's graph.

    Raises:
        OptionsError: It can't be asked of a mixture.
        MixtureError: It can't be asked of this one.
    """
    if unknown := sorted(set(asked) - KNOWN):
        raise OptionsError(
            f"{', '.join(unknown)}: a mixture isn't asked with this; its slots hold the parameters of its models. "
            f"A call may give stop, {', '.join(sorted(KNOWN))}."
        )
    tools, form = asked.get("tools") or (), asked.get("response_format")
    if tools or form is not None:
        refuse_if_nothing_writes(graph)
    return replace(
        usual,
        tools=tuple(tools),
        tool_settings={name: asked[name] for name in TOOL_SETTINGS if asked.get(name) is not None},
        form=None if form is None else Form.of(form),
    )


def refuse_if_nothing_writes(graph: MoaGraph) -> None:
    """Raises MixtureError where no model writes the answer in its own words."""
    for way in graph.plan.ways({}):
        if not way.last.stage.writes:
            raise MixtureError(
                f"{graph.mixture.name}: its last stage, {way.last.site.name}, chooses an answer and writes none, so it "
                "can neither call tools nor give a form: put an aggregate stage behind it"
            )
