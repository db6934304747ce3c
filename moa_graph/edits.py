"""What may be written into a graph's state from outside: by ``update_state``, and in Studio."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from moa_graph.errors import InputError

__all__ = ["checked_entries", "checked_turn"]

_MAPPING = (dict, Mapping)
"""What nearly always comes stands first: to ask an abstract class takes ten times as long."""
_NUMBER = (int, float)
_TEXT_OR_NONE = (str, type(None))

_OF_ENTRIES: Mapping[str, Any] = {
    "id": str,
    "record": str,
    "stage": str,
    "slot": str,
    "kind": str,
    "model": str,
    "status": str,
    "text": str,
    "sample": int,
    "order": list,
    "notes": list,
    "charged": _MAPPING,
    "failure": (*_MAPPING, type(None)),
    "usage": (*_MAPPING, type(None)),
    "cost": (*_NUMBER, type(None)),
    "started": _NUMBER,
    "seconds": _NUMBER,
}
_OF_TURN: Mapping[str, Any] = {
    "status": str,
    "opened_with": list,
    "active": _NUMBER,
    "time": (*_NUMBER, type(None)),
    "grants": _MAPPING,
    "end": _TEXT_OR_NONE,
    "routes": _MAPPING,
    "degraded": list,
}
_GRANT = ("calls", "tokens", "usd")
_NEEDED = ("id", "order", "stage", "slot", "sample", "status", "model")


def checked_entries(entries: Any, there: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """Records or calls that are to be merged with those that are there.

    Raises:
        InputError: One can't be: it says which, and what is wrong with it.
    """
    if isinstance(entries, _MAPPING):
        raise InputError(f"give a list of records, even for one: [{{'id': {entries.get('id')!r}, ...}}]")
    if isinstance(entries, str) or not isinstance(entries, (list, Sequence)):
        raise InputError(f"give a list of records, not {entries!r}")
    for entry in entries:
        if not isinstance(entry, _MAPPING) or not isinstance(entry.get("id"), str):
            listed = ", ".join(there) or "none"
            raise InputError(f"{entry!r} can't be edited: it needs the id of a record that is there: {listed}")
        missing = [] if entry["id"] in there else [name for name in _NEEDED if name not in entry]
        if missing:
            listed = ", ".join(there) or "none"
            raise InputError(
                f"{entry!r} can't be edited: it needs the id of a record that is there: {listed}. To add one, give it "
                f"{', '.join(missing)} as well"
            )
        _check(f"{entry['id']} can't be edited", entry, _OF_ENTRIES)
        if not all(isinstance(place, int) for place in entry.get("order", ())):
            raise InputError(f"{entry['id']} can't be edited: its order must be a list of numbers: {entry['order']!r}")
        failure = entry.get("failure")
        if failure is not None and not all(isinstance(failure.get(name), str) for name in ("kind", "message")):
            raise InputError(
                f"{entry['id']} can't be edited: its failure must be None, or tell a kind and a message: {failure!r}"
            )
    return entries


def checked_turn(turn: Any) -> Mapping[str, Any]:
    """Fields of the turn that are to be merged with those that are there.

    Raises:
        InputError: One has a value that it can't have.
    """
    if not isinstance(turn, _MAPPING):
        raise InputError(f"turn can't be edited: give a mapping of its fields, not {turn!r}")
    _check("turn can't be edited", turn, _OF_TURN)
    for name in ("opened_with", "degraded"):
        if not all(isinstance(one, str) for one in turn.get(name, ())):
            raise InputError(f"turn can't be edited: its {name} must be a list of texts: {turn[name]!r}")
    for record, grant in (turn.get("grants") or {}).items():
        if not isinstance(grant, _MAPPING) or any(not _is_limit(grant.get(name, "")) for name in _GRANT):
            raise InputError(
                f"turn can't be edited: the grant of {record} needs calls, tokens and usd: numbers or None"
            )
    return turn


def _is_limit(value: Any) -> bool:
    return value is None or (isinstance(value, _NUMBER) and not isinstance(value, bool))


def _check(what: str, values: Mapping[str, Any], kinds: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if name in kinds and not isinstance(value, kinds[name]):
            raise InputError(f"{what}: its {name} must be {_in_words(kinds[name])}, not {value!r}")


def _in_words(kind: Any) -> str:
    words = {
        str: "text",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a mapping",
        Mapping: "a mapping",
        type(None): "None",
    }
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return " or ".join(dict.fromkeys(words[one] for one in kinds))
