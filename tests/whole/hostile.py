"""Everything that a model can say, made from a seed: texts, JSON, counts of tokens, metadata, answers, pieces."""

from __future__ import annotations

import json
import random
from typing import Any

__all__ = ["Hostile"]

LONGEST_TEXT = 100_000

ATOMS = (
    *("{", "{{", "[", "}", '{"a":', '{"ranking": ', '{"confidence": ', '"', "1/", "1/1/", "1,", "1e"),
    *("1e99999999999999999999", "Answer: ", "answer is ", "\\boxed{", "#### ", "\\frac{1}{2}", "{,}", "(A)", "**B**"),
    *("A is the ", "not C ", "option D", "<think>", "</think>", "<thinking>", "`<think>`", "```", "`", "<", "</"),
    *(
        "\n",
        "\n\n",
        " ",
        "\t",
        "\x00",
        "\x1b[31m",
        "\ud800",
        "\udfff",
        "é",
        "\u0661",
        "½",
        "\u2212",
        "-",
        "$",
        "%",
        "=",
    ),
    *(";", "because ", "0", "7", "nan", "Infinity", "-1", "NaN", "<<response 1 | 0123456789ab>>", "<<end of question"),
    *("[... left out ...]", "null", "true", "word ", "🙂", "\u202e"),
)


class Hostile:
    """Gives one thing after another.

    Args:
        seed: Equal seeds give equal things.
    """

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)

    def text(self) -> str:
        """A text, mostly short, sometimes one thing again and again, or very long."""
        return self._any_text()[:LONGEST_TEXT]

    def _any_text(self) -> str:
        dice = self._dice
        kind = dice.random()
        if kind < 0.25:
            return dice.choice(ATOMS) * dice.choice((1, 10, 100, 3_000, 50_000))
        if kind < 0.35:
            return "".join(dice.choices(ATOMS, k=2)) * dice.choice((1, 10, 1_000, 10_000))
        return "".join(dice.choices(ATOMS, k=dice.choice((0, 1, 3, 10, 50, 300))))

    def number(self) -> Any:
        """A count, or what stands in its place."""
        return self._dice.choice(
            (
                0,
                1,
                7,
                250,
                -1,
                -5_000,
                10**12,
                10**400,
                1.5,
                -0.0,
                float("nan"),
                float("inf"),
                True,
                None,
                "12",
                "-3",
                "all",
            )
        )

    def value(self, depth: int = 3) -> Any:
        """Any JSON."""
        dice = self._dice
        kind = dice.randrange(8 if depth else 5)
        if kind < 2:
            return self.number()
        if kind < 5:
            return "".join(dice.choices(ATOMS, k=dice.randrange(4)))
        if kind == 5:
            return [self.value(depth - 1) for _ in range(dice.randrange(4))]
        return {self._name(): self.value(depth - 1) for _ in range(dice.randrange(4))}

    def usage(self) -> Any:
        """What a server tells of tokens."""
        if self._dice.random() < 0.2:
            return self.value()
        return {
            "prompt_tokens": self.number(),
            "completion_tokens": self.number(),
            "total_tokens": self.number(),
            "prompt_tokens_details": self._maybe({"cached_tokens": self.number(), "audio_tokens": self.number()}),
            "completion_tokens_details": self._maybe({"reasoning_tokens": self.number()}),
        }

    def answer(self) -> Any:
        """The body of an answer in OpenAI's protocol, or nearly."""
        if self._dice.random() < 0.05:
            return self.value()
        message = self._message({"role": self._maybe("assistant"), "content": self._maybe(self.text())})
        choice = {"index": self._maybe(0), "message": self._maybe(message), "finish_reason": self._maybe("stop")}
        return {
            "id": self._maybe("1"),
            "model": self._maybe("m"),
            "service_tier": self._maybe("flex"),
            "choices": self._maybe([self._maybe(choice)]),
            "usage": self._maybe(self.usage()),
        }

    def chunks(self) -> list[Any]:
        """The pieces of an answer that is streamed."""
        pieces = []
        for _ in range(self._dice.randrange(1, 6)):
            delta = self._message({"role": self._maybe("assistant"), "content": self._maybe(self.text()[:200])})
            choice = {"index": self._maybe(0), "delta": self._maybe(delta), "finish_reason": self._maybe(None)}
            pieces.append({"choices": self._maybe([self._maybe(choice)]), "usage": self._maybe(self.usage())})
        return [self._maybe(piece) for piece in pieces]

    def metadata(self) -> dict[str, Any]:
        """What stands beside a message."""
        names = (
            "finish_reason",
            "stop_reason",
            "incomplete_details",
            "prompt_feedback",
            "report",
            "model_name",
            "logprobs",
        )
        return {name: self.value() for name in self._dice.sample(names, self._dice.randrange(4))}

    def pieces(self, text: str) -> list[str]:
        """A text as it is streamed."""
        pieces, start = [], 0
        while start < len(text):
            length = self._dice.choice((1, 2, 5, 40, 1_000))
            pieces.append(text[start : start + length])
            start += length
        return pieces

    def _message(self, message: dict[str, Any]) -> dict[str, Any]:
        dice = self._dice
        if dice.random() < 0.3:
            function = {"name": self._maybe("tool"), "arguments": self._maybe(json.dumps(self.value(), default=str))}
            call = {
                "index": self._maybe(0),
                "id": self._maybe("c"),
                "type": "function",
                "function": self._maybe(function),
            }
            message["tool_calls"] = self._maybe([self._maybe(call)])
        for name in dice.sample(
            ("refusal", "function_call", "name", "audio", "reasoning_content", "id"), dice.randrange(2)
        ):
            message[name] = self.value()
        return message

    def _maybe(self, value: Any) -> Any:
        return self.value() if self._dice.random() < 0.08 else value

    def _name(self) -> str:
        return self._dice.choice(("type", "text", "content", "role", "ranking", "best", "score", "confidence", "a", ""))
