"""By tag: the branch for what the caller says the prompt is about; no model is asked.

Kinds of prompts differ in which cheap models can be trusted with them, so a cascade per kind costs less than one for
all: ``moa tune`` finds them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from moa_graph.description import Description
from moa_graph.stage_kit.base import Stage, register
from moa_graph.stage_kit.run_context import RunContext
from moa_graph.stage_kit.selection import Choice, Selection
from moa_graph.stage_kit.written import AnyStage, RouteName

__all__ = ["ByTag"]


class TaggedBranch(Description):
    """The stages for prompts with some tags."""

    tags: tuple[str, ...] = Field(description="Tags of the prompts that it is for.")
    stages: tuple[AnyStage, ...] = Field(min_length=1, description="The steps, in order.")


@register
class ByTag(Selection):
    """Takes the branch of the prompt's tag, which the caller gives as the run-time option ``prompt_tag``.

    Without a tag, or with one that no branch names, the default branch is taken, and the report says so.
    """

    kind: ClassVar[str] = "by_tag"
    shown: ClassVar[bool] = False
    answers: ClassVar[bool] = False

    routes: dict[RouteName, TaggedBranch] = Field(
        min_length=1, description="Name of each branch -> its tags and what it does."
    )
    default: str = Field(description="The branch for prompts without a tag, or with one that no branch names.")

    def branches(self) -> Mapping[str, Sequence[Stage]]:
        """The stages of each branch."""
        return {name: branch.stages for name, branch in self.routes.items()}

    def check(self) -> None:
        """The default is one of the branches, and every tag has one branch."""
        if self.default not in self.routes:
            raise ValueError(f"default: {self.default!r} is none of the routes: {', '.join(self.routes)}")
        counted = Counter(tag for branch in self.routes.values() for tag in branch.tags)
        if repeated := [tag for tag, count in counted.items() if count > 1]:
            raise ValueError(f"routes: {', '.join(repeated)}: a tag can have only one branch")

    def choose(self, run: RunContext) -> Choice:
        """The branch that names the tag, or the default."""
        tag = run.options.prompt_tag
        for name, branch in self.routes.items():
            if tag in branch.tags:
                return Choice(route=name)
        why = "no prompt_tag was given" if tag is None else f"no branch is for prompt_tag {tag!r}"
        return Choice(route=self.default, degraded=f"{run.stage.name}: {why}: the default, {self.default}, was taken")
