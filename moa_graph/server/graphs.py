"""What a LangGraph server serves: a graph for each preset, and ``custom``, the mixture that MOA_MIXTURE names.

The graphs are attributes of this module: ``moa_turbo`` is that of the preset ``moa-turbo``. ``langgraph.json`` names
them by module and not by file, since a server runs a file again for every graph that it takes from it. They are
compiled without a checkpointer: the server brings its own.
"""

from __future__ import annotations

import json
import os

from langgraph.graph.state import CompiledStateGraph

from moa_graph.detection import detect
from moa_graph.errors import MixtureError
from moa_graph.graph import MoaGraph, create_moa
from moa_graph.options import Options
from moa_graph.presets import preset_names, preset_page
from moa_graph.state import Input, MoaState, Output

__all__ = ["attribute", "project_file"]

MODULE = "moa_graph.server.graphs"
"""This module's name, also where it is run to print ``langgraph.json``."""

CUSTOM = "custom"
CUSTOM_DESCRIPTION = "The mixture that MOA_MIXTURE names, a preset or a file; else one for the keys that are set."


def attribute(graph_id: str) -> str:
    """The attribute of this module that holds the graph of an id."""
    return graph_id.replace("-", "_")


def project_file() -> dict[str, object]:
    """The content of ``langgraph.json``: every graph with the first line of its preset's page."""
    described = {name: preset_page(name).partition("\n")[0] for name in preset_names()} | {CUSTOM: CUSTOM_DESCRIPTION}
    return {
        "dependencies": ["."],
        "graphs": {
            graph_id: {"path": f"{MODULE}:{attribute(graph_id)}", "description": description}
            for graph_id, description in described.items()
        },
    }


def _custom() -> MoaGraph:
    named = os.environ.get("MOA_MIXTURE")
    if named:
        try:
            return create_moa(named)
        except MixtureError as error:
            raise MixtureError(f"MOA_MIXTURE={named}: {error}") from error
    mixture, _ = detect()
    return create_moa(mixture)


def _served() -> dict[str, CompiledStateGraph[MoaState, Options, Input, Output]]:
    graphs = {name: create_moa(name) for name in preset_names()} | {CUSTOM: _custom()}
    return {attribute(graph_id): graph.compile(name=graph_id) for graph_id, graph in graphs.items()}


globals().update(_served())

if __name__ == "__main__":
    print(json.dumps(project_file(), indent=2))  # noqa: T201
