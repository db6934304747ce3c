"""What a simulated model makes of a conversation: its own answer, and what it thinks of the references."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from moa_graph.models.simulation.conversation import Conversation
from moa_graph.models.simulation.draws import Draws
from moa_graph.models.simulation.known_answers import Problem, find_problem, solve
from moa_graph.models.simulation.profile import Profile
from moa_graph.models.simulation.prose import own_text, solved_text, synthesis, voted_text
from moa_graph.models.simulation.reading import final_answer, plurality, same_answer
from moa_graph.models.simulation.verdicts import verdict_on

__all__ = ["Judgement"]


@dataclass(frozen=True)
class Judgement:
    """One model's reading of one conversation; everything in it follows from the three arguments."""

    profile: Profile
    conversation: Conversation
    draws: Draws

    @cached_property
    def problem(self) -> Problem | None:
        """What is asked, if its answer is known."""
        return find_problem(self.conversation.question)

    @cached_property
    def own_answer(self) -> str | None:
        """The answer that the model finds by itself."""
        return None if self.problem is None else solve(self.problem, self.profile, self.draws)

    @cached_property
    def answers(self) -> list[str | None]:
        """The final answer of each reference."""
        return [final_answer(text, self.problem) for text in self.conversation.references]

    @cached_property
    def agreed(self) -> list[int]:
        """The references that agree most, a tie going to the first."""
        return plurality(self.answers)

    @cached_property
    def text(self) -> str:
        """The model's answer in words: from the references if it is shown any, else its own."""
        question, references = self.conversation.question, self.conversation.references
        if (verdict := verdict_on(question, self.profile, self.draws)) is not None:
            return verdict
        if self.agreed:
            answer = self.answers[self.agreed[0]]
            return voted_text(str(answer), len(self.agreed), len(references))
        if references:
            return synthesis(self.profile.name, len(references), self.profile.fewest_tokens)
        if self.problem is not None and self.own_answer is not None:
            return solved_text(self.problem, self.own_answer, self.draws)
        return own_text(self.profile.name, question, self.profile.fewest_tokens)

    @property
    def short_answer(self) -> str:
        """The answer without its explanation, where there is one."""
        return final_answer(self.text, self.problem) or self.text

    @cached_property
    def scores(self) -> list[float]:
        """How good each reference seems, from 0 to 1: agreement counts first, then the model's own answer."""
        return [self._score(index) for index in range(len(self.answers))]

    def _score(self, index: int) -> float:
        taste = Draws(self.profile.seed).uniform("taste", self.conversation.references[index])
        answer = self.answers[index]
        if answer is None:
            return 0.3 + 0.5 * taste
        agrees = len(self.agreed) > 1 and index in self.agreed
        confirmed = self.own_answer is not None and same_answer(answer, self.own_answer)
        return 0.1 + 0.6 * agrees + 0.2 * confirmed

    @cached_property
    def ranking(self) -> list[int]:
        """The references' numbers, counted from 1, best first; equals keep their order."""
        order = sorted(range(len(self.scores)), key=lambda index: -self.scores[index])
        return [index + 1 for index in order]

    @property
    def unanimous(self) -> bool:
        """Whether all references come to one answer."""
        return bool(self.agreed) and len(self.agreed) == len(self.answers)
