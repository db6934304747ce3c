"""Makes a cast out of a list of models that are served."""

from __future__ import annotations

from collections.abc import Sequence

from moa_graph.casts.cast import Cast, CastModel, different_makers_first

__all__ = ["MOST_LOCAL_MODELS", "cast_of_models"]

MOST_LOCAL_MODELS = 3
"""A machine of one's own holds few models at once; each further one makes it load and unload."""


def cast_of_models(
    models: Sequence[str],
    base_url: str | None = None,
    key_variable: str | None = None,
    *,
    name: str = "local",
    provider: str = "openai",
) -> Cast:
    """A cast of the models that one server serves, as a person or the server names them.

    The first is the strongest, writes and judges; different makers come first among the others.

    Args:
        models: Their names, at least one; more than three make a machine of one's own load and unload.
        base_url: The server's address; None is the provider's own.
        key_variable: Environment variable that holds its key; None if it needs none.
        name: What the cast is called.
        provider: Whose protocol the server speaks.
    """
    at = {"base_url": base_url, "key_variable": key_variable}
    told = {field: value for field, value in at.items() if value is not None}
    players = [CastModel.model_validate({"model": f"{provider}:{model}", **told}) for model in models]
    strong = tuple(different_makers_first(players))[:MOST_LOCAL_MODELS]
    return Cast(name=name, strong=strong, cheap=strong[::-1], writer=players[0], judge=players[0])
