"""The scripted models of ``moa_graph.testing``, under the name by which the tests import them."""

from __future__ import annotations

from moa_graph.testing import (
    Asked,
    Journal,
    ProviderError,
    Reply,
    ScriptedModel,
    ToolCallingModel,
    calling,
    provider_error,
    scripted,
)

__all__ = [
    "Asked",
    "Journal",
    "ProviderError",
    "Reply",
    "ScriptedModel",
    "ToolCallingModel",
    "calling",
    "provider_error",
    "scripted",
]
