"""How a response format is requested: by its JSON Schema, as a JSON object, by a tool, or in words alone.

Servers of OpenAI's protocol differ in what they take, and some say so only by an error. What one refused isn't asked of
it again: each address and model has its rung, remembered for the event loop.
"""

from __future__ import annotations

import re
from typing import Literal

from langchain_core.language_models import BaseChatModel

from moa_graph.calls.failures import Diagnosis
from moa_graph.calls.mend import Attempt
from moa_graph.models.abilities import abilities_of
from moa_graph.models.catalogue import Member
from moa_graph.models.clients import of_running_loop

__all__ = ["Rung", "highest_rung", "one_rung_down", "rung_of"]

Rung = Literal["schema", "object", "tool", "words"]

LADDER: tuple[Rung, ...] = ("schema", "object", "tool", "words")

ASKED = {"object": "a JSON object was asked for", "tool": "a tool was offered", "words": "it was asked in words"}
REFUSED = {"schema": "a JSON Schema", "object": "a JSON object", "tool": "the tool"}

_REFUSES = re.compile(
    r"response_?format|json_?schema|json_?object|structured.output|grammar|guided_|tool", re.IGNORECASE
)
"""What the errors of servers name that don't support a response format."""


def rung_of(member: Member) -> Rung:
    """How a member is asked for a response format: by the highest rung accepted so far. Call it in its calls' loop."""
    known = _rungs_of_running_loop().get(_place(member))
    return known or highest_rung(member.chat_model(streaming=False).model)


def highest_rung(model: BaseChatModel) -> Rung:
    """How a model is asked for a response format that has refused nothing yet."""
    return "schema" if abilities_of(model).takes_response_format else "tool"


def one_rung_down(attempt: Attempt, failure: Diagnosis) -> Attempt | None:
    """The attempt with its response format requested in a more common way; None if that isn't the problem.

    Args:
        attempt: How the member was asked.
        failure: What came of it.
    """
    at = attempt.rung
    if at is None or at == "words" or failure.kind not in ("bad_request", "server"):
        return None
    if not _REFUSES.search(failure.message):
        return None
    lower = LADDER[LADDER.index(at) + 1]
    rungs, place = _rungs_of_running_loop(), _place(attempt.member)
    rungs[place] = max(lower, rungs.get(place, lower), key=LADDER.index)
    note = f"the server refused {REFUSED[at]}, so {ASKED[rungs[place]]}"
    return attempt.changed(note, rung=rungs[place])


def _place(member: Member) -> tuple[str, str | None]:
    return member.reference, member.settings.base_url


def _rungs_of_running_loop() -> dict[tuple[str, str | None], Rung]:
    rungs: dict[tuple[str, str | None], Rung] = of_running_loop().once("rungs of response formats", dict)
    return rungs
