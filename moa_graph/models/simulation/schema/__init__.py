"""Objects that satisfy a JSON schema, filled with what a model makes of the conversation."""

from moa_graph.models.simulation.schema.writer import object_for

__all__ = ["object_for"]
