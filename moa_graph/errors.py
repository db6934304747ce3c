"""What can go wrong, as one tree. Every message says what is wrong, where, and what to do.

MoaError
├── MixtureError          the description can't work (also a ValueError); raised before any call
│   ├── ServerUnusable    the server of models that the environment names can't be used
│   └── UnknownPreset
├── OptionsError          a run-time option is out of its bounds
├── InputError            the conversation can't be answered as it is; raised before any call
├── MissingKey            a model needs a key that the environment doesn't hold; raised before any call
├── ServerSilent          a server accepts connections, but doesn't say which models it serves
├── StoreMiss             a replay met a call that was never recorded
└── RunFailed             a run ended without an answer
    ├── AnswerBeganAgain  a streamed answer began anew, where tokens can't be taken back
    ├── BudgetTooSmall    the budget can't pay for the least that an answer takes; raised before any call
    └── TooFewProposals   fewer live proposals than the mixture's ``min_live``

A model that fails is not an error but a record with a ``Failure``: see ``moa_graph.state``.

Each is a ValueError or a RuntimeError too: a LangGraph server tells its clients the messages of Python's own errors,
and of any other kind only that "an internal error occurred".
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "AnswerBeganAgain",
    "BudgetTooSmall",
    "InputError",
    "MissingKey",
    "MixtureError",
    "MoaError",
    "OptionsError",
    "RunFailed",
    "ServerSilent",
    "ServerUnusable",
    "StoreMiss",
    "TooFewProposals",
    "UnknownPreset",
]


class MoaError(Exception):
    """Base of every error that this package raises."""


class MixtureError(MoaError, ValueError):
    """The description of a mixture can't work; the message names the field."""


class UnknownPreset(MixtureError):
    """No preset has this name."""


class OptionsError(MoaError, ValueError):
    """A run-time option is unknown or out of its bounds."""


class InputError(MoaError, ValueError):
    """The conversation can't be answered as it is."""


class MissingKey(MoaError, RuntimeError):
    """A model needs a key that the environment doesn't hold."""


class ServerSilent(MoaError, RuntimeError):
    """A server of models accepts connections, but doesn't say in time which models it serves."""


class ServerUnusable(MixtureError):
    """The server of models that the environment names can't be used."""


class StoreMiss(MoaError, RuntimeError):
    """A replay met a call that was never recorded."""


class RunFailed(MoaError, RuntimeError):
    """A run ended without an answer."""


class BudgetTooSmall(RunFailed):
    """The budget can't pay for the least that an answer takes: ``min_live`` proposals and the call that writes it."""


class AnswerBeganAgain(RunFailed):
    """A streamed answer began anew after its first tokens, and the protocol has no way to take them back."""


ASK_AGAIN = "Ask again to ask only the failed slots again, or change their models."


class TooFewProposals(RunFailed):
    """Fewer live proposals than ``min_live``; the message lists every slot with its reason.

    Args:
        stage: Name of the stage that came up short.
        live: Number of live proposals that it got.
        needed: ``min_live`` of the mixture.
        reasons: One line a failed slot: its name, the kind of failure and the provider's own words.
        remedy: What to do, as a sentence.
    """

    def __init__(self, stage: str, live: int, needed: int, reasons: Iterable[str], remedy: str = ASK_AGAIN) -> None:
        self.stage = stage
        self.live = live
        self.needed = needed
        self.reasons = list(reasons)
        listed = "".join(f"\n  {reason}" for reason in self.reasons)
        super().__init__(f"{stage}: {live} live proposal(s), {needed} needed (min_live). {remedy}{listed}")
