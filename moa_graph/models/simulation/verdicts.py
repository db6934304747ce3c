"""What a simulated judge says where it is asked for a line ``Verdict: ...`` on answers between marks.

It really judges: an answer is right if it comes to the reference, or else to what the model itself makes of the
question. Without either it has no verdict.
"""

from __future__ import annotations

import re

from moa_graph.models.simulation.draws import Draws
from moa_graph.models.simulation.known_answers import find_problem, solve
from moa_graph.models.simulation.profile import Profile
from moa_graph.models.simulation.reading import final_answer, same_answer

__all__ = ["verdict_on"]

_MARKED = re.compile(
    r"^<(?P<mark>question|reference|answer(?:_\d+)?)>\n(?P<text>.*?)\n</(?P=mark)>$", re.MULTILINE | re.DOTALL
)


def verdict_on(asked: str, profile: Profile, draws: Draws) -> str | None:
    """The judge's answer, a line with its verdict; None where that isn't what is asked for."""
    if "Verdict:" not in asked:
        return None
    marked = [(found["mark"], found["text"]) for found in _MARKED.finditer(asked)]
    answers = [text for mark, text in marked if mark.startswith("answer")]
    problem = find_problem(dict(marked).get("question", ""))
    reference = dict(marked).get("reference")
    expected = reference if problem is None or reference is not None else solve(problem, profile, draws)
    if not answers or expected is None:
        return None
    result = final_answer(expected) or expected
    right = [same_answer(final_answer(text, problem) or text, result) for text in answers]
    if len(answers) == 1:
        verdict = "right" if right[0] else "wrong"
    elif "tie" in asked.rpartition("Verdict:")[2]:
        verdict = "tie" if right[0] == right[1] else str(1 + right.index(True))
    else:
        verdict = str(1 + right.index(True)) if any(right) else "none"
    return f"It should come to {result}.\n\nVerdict: {verdict}"
