"""What the calls of one node share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from langchain_core.runnables import RunnableConfig

from moa_graph.calls.events import StreamWriter
from moa_graph.calls.limits import Limits
from moa_graph.calls.round import Round
from moa_graph.state import Grant
from moa_graph.store import Store

__all__ = ["NodeContext"]


@dataclass(frozen=True)
class NodeContext:
    """What the calls of one node share.

    Args:
        mixture: Name of the mixture.
        config: The node's configuration.
        write: Where events go.
        round: The round that the calls are part of.
        store: Where calls are looked up and kept; None asks the models.
        limits: Provider to what it allows.
        grants: Record identity to what its calls may use; None where nothing is limited.
    """

    mixture: str
    config: RunnableConfig
    write: StreamWriter
    round: Round
    store: Store | None = None
    grants: Mapping[str, Grant] | None = None
    limits: Mapping[str, Limits] = field(default_factory=dict)
