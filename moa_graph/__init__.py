"""Mixture-of-Agents as LangGraph graphs.

>>> from moa_graph import create_moa
>>> graph = create_moa("moa-turbo").compile()
>>> graph.invoke({"messages": [("user", "What is a mixture of agents?")]})  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moa_graph.chat_model import ChatMoA
    from moa_graph.description import Budget, ModelSettings, Price, Slot
    from moa_graph.errors import (
        AnswerBeganAgain,
        BudgetTooSmall,
        InputError,
        MissingKey,
        MixtureError,
        MoaError,
        OptionsError,
        RunFailed,
        StoreMiss,
        TooFewProposals,
        UnknownPreset,
    )
    from moa_graph.graph import MoaGraph, create_moa
    from moa_graph.mixture import Mixture
    from moa_graph.options import Options
    from moa_graph.presets.catalogue import preset_names
    from moa_graph.stage_kit.base import Stage, register

_HOMES = {
    "AnswerBeganAgain": "errors",
    "Budget": "description",
    "BudgetTooSmall": "errors",
    "ChatMoA": "chat_model",
    "InputError": "errors",
    "MissingKey": "errors",
    "Mixture": "mixture",
    "MixtureError": "errors",
    "MoaError": "errors",
    "MoaGraph": "graph",
    "ModelSettings": "description",
    "Options": "options",
    "OptionsError": "errors",
    "Price": "description",
    "RunFailed": "errors",
    "Slot": "description",
    "Stage": "stage_kit.base",
    "StoreMiss": "errors",
    "TooFewProposals": "errors",
    "UnknownPreset": "errors",
    "create_moa": "graph",
    "preset_names": "presets.catalogue",
    "register": "stage_kit.base",
}

__all__ = [
    "AnswerBeganAgain",
    "Budget",
    "BudgetTooSmall",
    "ChatMoA",
    "InputError",
    "MissingKey",
    "Mixture",
    "MixtureError",
    "MoaError",
    "MoaGraph",
    "ModelSettings",
    "Options",
    "OptionsError",
    "Price",
    "RunFailed",
    "Slot",
    "Stage",
    "StoreMiss",
    "TooFewProposals",
    "UnknownPreset",
    "__version__",
    "create_moa",
    "preset_names",
    "register",
]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Imports a public name's module when it is first asked for, so that importing the package is quick."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
