"""Who answered what: a line for each answer that the last stage was shown, or all of them whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from moa_graph.cli.tally import counted, money
from moa_graph.state import CHOICE, Record

__all__ = ["in_short", "whole"]

NARROWEST_TEXT = 12
"""Columns below which an answer's beginning and end say nothing."""


def in_short(records: Sequence[Record], width: int) -> list[str]:
    """A line for each proposal of the last stage that proposed, and for each choice that was made.

    Failures aren't told: they were, when they happened.

    Args:
        records: Everything that slots gave.
        width: Columns of the terminal.
    """
    live = [record for record in records if record["status"] == "live"]
    proposals = [record for record in live if record["kind"] == "proposal"]
    last = max((record["order"][0] for record in proposals), default=-1)
    shown = [record for record in proposals if record["order"][0] == last]
    rows = [(_name(record), _told(record)) for record in shown] if len(shown) > 1 else []
    rows += [(record["stage"], "; ".join(record["notes"])) for record in live if _is_choice(record) and record["notes"]]
    names = min(max((len(name) for name, _ in rows), default=0), max(width // 3, NARROWEST_TEXT))
    room = max(width - names - 3, NARROWEST_TEXT)
    return [f"{_end_of(name, names):{names}}  {_both_ends(text, room)}" for name, text in rows]


def whole(records: Sequence[Record]) -> Iterator[tuple[str, str]]:
    """Every answer but the last, in the configured order: a headline and the text."""
    for record in records[:-1] if records and records[-1]["kind"] == "synthesis" else records:
        if _is_choice(record):
            yield f"{record['stage']}: {'; '.join(record['notes'])}", ""
            continue
        facts = [record["model"], f"{record['seconds']:.1f} s"]
        if record["usage"]:
            facts.append(counted(record["usage"]["input"] + record["usage"]["output"], "token"))
        if record["cost"] is not None:
            facts.append(money(record["cost"]))
        failure = record["failure"]
        text = record["text"] if failure is None else f"{failure['kind']}: {failure['message']}"
        yield f"{_name(record)} ({', '.join([*facts, *record['notes']])})", text


def _is_choice(record: Record) -> bool:
    return record["kind"] == CHOICE


def _name(record: Record) -> str:
    """The slot, and which of its samples."""
    sample = f" ({record['sample'] + 1})" if record["sample"] > 0 else ""
    name = record["stage"] if record["stage"] == record["slot"] else f"{record['stage']}/{record['slot']}"
    return name + sample


def _told(record: Record) -> str:
    """The answer in a line, behind what a reader should know of it."""
    notes = "".join(f"[{note}] " for note in record["notes"])
    return notes + " ".join(record["text"].split())


def _both_ends(text: str, width: int) -> str:
    """The beginning and the end of a text: answers begin with what they are about, and end with what they come to."""
    if len(text) <= width:
        return text
    tail = (width - 3) * 2 // 5
    return f"{text[: width - 3 - tail].rstrip()} … {text[len(text) - tail :].lstrip()}"


def _end_of(name: str, width: int) -> str:
    """A name, of which the end tells most."""
    return name if len(name) <= width else f"…{name[1 - width :]}"
