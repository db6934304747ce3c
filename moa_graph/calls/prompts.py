"""Equal prompts of one stage as one object, so that what is sent of it is written and measured once."""

from __future__ import annotations

from collections.abc import Hashable

from moa_graph.views import Prompt

__all__ = ["SharedPrompts"]


class SharedPrompts:
    """The prompts of a stage's calls, each once."""

    def __init__(self) -> None:
        self._prompts: dict[Hashable, Prompt] = {}

    def shared(self, prompt: Prompt) -> Prompt:
        """The first of the prompts that are equal to this one."""
        known = self._prompts.setdefault(prompt.told, prompt)
        return known if known == prompt else prompt
