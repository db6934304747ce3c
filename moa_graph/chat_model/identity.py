"""What tells mixtures apart in a cache and in traces: their content, without anything secret or private.

Instructions, headers and addresses never leave in readable form: all of them go into one digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence, Set
from typing import Any

from langchain_core.language_models import BaseChatModel
from pydantic import BaseModel, SecretStr

from moa_graph.mixture import Mixture
from moa_graph.secrets import without_credentials, without_secrets

__all__ = ["digest_of"]


def digest_of(mixture: Mixture, *more: Any) -> str:
    """A digest of all that makes a mixture answer as it does.

    Two descriptions with the same content have the same one, in every process; a chat model object counts by its class
    and its fields. What is secret takes no part: a new key makes no other mixture.

    Args:
        mixture: The mixture.
        more: Whatever else the answer depends on.
    """
    content = json.dumps([_plain(mixture), _plain(more)], sort_keys=True, default=_name)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _plain(value: Any) -> Any:
    """``value`` as JSON, told by content."""
    if isinstance(value, SecretStr) or callable(value):
        return _name(value)
    if isinstance(value, BaseChatModel):
        return [_name(value), _plain(without_secrets(_fields(value)))]
    if isinstance(value, BaseModel):
        return [_name(value), _plain(without_secrets({name: getattr(value, name) for name in _written(value)}))]
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, Set):
        return sorted(json.dumps(_plain(one), sort_keys=True, default=_name) for one in value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(one) for one in value]
    if isinstance(value, str) and "://" in value:
        return without_credentials(value)
    return value if isinstance(value, str | int | float | bool | None) else _name(value)


def _written(value: BaseModel) -> list[str]:
    fields = type(value).model_fields
    return [name for name, field in fields.items() if getattr(value, name) != field.default]


def _fields(model: BaseChatModel) -> dict[str, Any]:
    """What a chat model was given, without what belongs to its clients, caches and callbacks."""
    ours = set(BaseChatModel.model_fields)
    given = {name: getattr(model, name) for name in type(model).model_fields if name not in ours}
    return {**given, "identity": dict(model._identifying_params)}  # noqa: SLF001  (LangChain has no public name for it)


def _name(value: Any) -> str:
    """What an object is, without its place in memory."""
    kind = value if isinstance(value, type) else type(value)
    named = getattr(value, "__qualname__", kind.__qualname__)
    return f"{kind.__module__}.{named}"
