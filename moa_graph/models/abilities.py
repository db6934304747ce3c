"""What a chat model can be asked for, whoever wrote its class."""

from __future__ import annotations

from dataclasses import dataclass

from langchain_core.language_models import BaseChatModel

from moa_graph.models.objects import asks_through_openai_sdk

__all__ = ["Abilities", "abilities_of"]


@dataclass(frozen=True)
class Abilities:
    """What a chat model can be asked for beyond what all of LangChain's can. A class may declare its own as a class
    attribute named ``abilities``.

    Args:
        takes_n: Whether one request may ask for several answers, as ``n``.
        takes_response_format: Whether a request may hold OpenAI's ``response_format``.
        takes_sample: Whether it gives equal requests the same answer unless each bears a number of its own, ``sample``.
        says_why_it_ended: Whether every whole answer, streamed or not, has a ``finish_reason``.
    """

    takes_n: bool = False
    takes_response_format: bool = False
    takes_sample: bool = False
    says_why_it_ended: bool = False


_UNKNOWN = Abilities()
_COMPLETIONS = Abilities(takes_n=True, takes_response_format=True, says_why_it_ended=True)
_RESPONSES = Abilities(takes_response_format=True, says_why_it_ended=True)


def abilities_of(model: BaseChatModel) -> Abilities:
    """What ``model`` can be asked for: as its class declares, or as its protocol is known to allow.

    OpenAI's chat completions take ``n``; its responses don't.
    """
    declared = getattr(type(model), "abilities", None)
    if isinstance(declared, Abilities):
        return declared
    if not asks_through_openai_sdk(model):
        return _UNKNOWN
    return _RESPONSES if getattr(model, "use_responses_api", None) else _COMPLETIONS
