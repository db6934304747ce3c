"""Parts and casts: a description says what part a model plays, a cast says which model plays it."""

from __future__ import annotations

from moa_graph.casts.cast import Cast, CastModel
from moa_graph.casts.casting import Casting, cast_mixture
from moa_graph.casts.choosing import cast_of_models
from moa_graph.casts.named import load_cast

__all__ = ["Cast", "CastModel", "Casting", "cast_mixture", "cast_of_models", "load_cast"]
