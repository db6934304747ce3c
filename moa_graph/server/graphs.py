"""What a LangGraph server serves: a graph for each preset, and ``custom``, the mixture that MOA_MIXTURE names.

The graphs are attributes of this module: ``moa_turbo`` is that of the preset ``moa-turbo``. ``langgraph.json`` names
this file, and servers run a file again for every graph that they take from it, so it builds nothing itself.
"""

from __future__ import annotations

from moa_graph.server.serving import served_graphs

globals().update(served_graphs())
