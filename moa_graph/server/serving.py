"""The graphs that a LangGraph server is given, and the ``langgraph.json`` that names them.

``python -m moa_graph.server.serving > langgraph.json`` writes that file again.
"""

from __future__ import annotations

import json
import os
from functools import cache

from langgraph.graph.state import CompiledStateGraph

from moa_graph.detection import detect
from moa_graph.errors import MixtureError
from moa_graph.graph import MoaGraph, create_moa
from moa_graph.options import Options
from moa_graph.presets import preset_names, preset_page
from moa_graph.state import Input, MoaState, Output

__all__ = ["attribute", "project_file", "served_graphs"]

FILE = "./moa_graph/server/graphs.py"
"""By path rather than by module, since Aegra takes nothing else."""

CUSTOM = "custom"
CUSTOM_DESCRIPTION = "The mixture that MOA_MIXTURE names, a preset or a file; else one for the keys that are set."


def attribute(graph_id: str) -> str:
    """The name, in ``moa_graph.server.graphs``, of the graph of an id."""
    return graph_id.replace("-", "_")


def project_file() -> dict[str, object]:
    """The content of ``langgraph.json``: every graph with the first line of its preset's page."""
    described = {name: preset_page(name).partition("\n")[0] for name in preset_names()} | {CUSTOM: CUSTOM_DESCRIPTION}
    return {
        "dependencies": ["."],
        "graphs": {
            graph_id: {"path": f"{FILE}:{attribute(graph_id)}", "description": description}
            for graph_id, description in described.items()
        },
        "env": ".env",
    }


@cache
def served_graphs() -> dict[str, CompiledStateGraph[MoaState, Options, Input, Output]]:
    """Every graph under its attribute's name, compiled without a checkpointer: a server brings its own.

    Built once a process, however often a server runs the file that holds them.
    """
    graphs = {name: create_moa(name) for name in preset_names()} | {CUSTOM: _custom()}
    return {attribute(graph_id): graph.compile(name=graph_id) for graph_id, graph in graphs.items()}


def _custom() -> MoaGraph:
    named = os.environ.get("MOA_MIXTURE")
    if named:
        try:
            return create_moa(named)
        except MixtureError as error:
            raise MixtureError(f"MOA_MIXTURE={named}: {error}") from error
    mixture, _ = detect()
    return create_moa(mixture)


if __name__ == "__main__":
    print(json.dumps(project_file(), indent=2))  # noqa: T201  (what the command is for)
