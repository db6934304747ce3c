"""What all contenders do: three layers of six proposals each, and an aggregator."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from moa_graph.stage_kit.instruction import AGGREGATE_AND_SYNTHESIZE

__all__ = [
    "LAYERS",
    "MAX_TOKENS",
    "MODEL",
    "PROPOSERS",
    "STREAMED_MODEL",
    "TEMPERATURE",
    "Message",
    "by_hand",
    "messages_for",
]

MODEL = "instant"
STREAMED_MODEL = "torrent"
LAYERS = 3
PROPOSERS = 6
TEMPERATURE = 0.7
MAX_TOKENS = 512

Message = dict[str, str]


def messages_for(question: str, references: Sequence[str]) -> list[Message]:
    """The conversation, with the references in a system message."""
    asked = {"role": "user", "content": question}
    if not references:
        return [asked]
    shown = "\n\n".join(
        f"<<response {number} | 0123456789ab>>\n{text}\n<<end of response {number} | 0123456789ab>>"
        for number, text in enumerate(references, start=1)
    )
    return [{"role": "system", "content": f"{AGGREGATE_AND_SYNTHESIZE}\n\n{shown}"}, asked]


def by_hand(call: Callable[[list[Message]], Awaitable[str]]) -> Callable[[str], Awaitable[str]]:
    """The loop that one writes by hand around one model call."""

    async def ask(question: str) -> str:
        references: list[str] = []
        for _ in range(LAYERS):
            messages = messages_for(question, references)
            references = await asyncio.gather(*(call(messages) for _ in range(PROPOSERS)))
        return await call(messages_for(question, references))

    return ask
