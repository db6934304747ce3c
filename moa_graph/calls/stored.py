"""How a call is told from every other in the store, and what of it is stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage

from moa_graph.calls.failures import usage_of
from moa_graph.calls.mend import Attempt
from moa_graph.calls.request import Request
from moa_graph.models.catalogue import Member
from moa_graph.store import CallIdentity, Entry, Store, entry_of, message_of, message_record

__all__ = ["through"]


async def through(
    store: Store | None,
    request: Request,
    attempt: Attempt,
    call: Callable[[], Awaitable[AIMessage]],
    is_whole: Callable[[AIMessage], bool],
) -> tuple[AIMessage, bool]:
    """The message that the store has for a call or that ``call`` gives, and whether it was there already.

    Args:
        store: Where to look and to put; None calls at once.
        request: What is asked.
        attempt: Which model is asked, with which prompt, before anything about it was mended: what a slot is asked
            is what the store knows its answer by, however often it had to be asked until it came.
        call: Asks the model.
        is_whole: Whether a message is a whole success, which alone is stored.
    """
    if store is None or store.mode == "off":
        return await call(), False

    async def fresh() -> tuple[AIMessage, Entry | None]:
        message = await call()
        if not is_whole(message):
            return message, None
        return message, entry_of(message, model=attempt.member.reference, usage=usage_of(message))

    return await store.once(_identity(request, attempt), fresh, message_of)


def _identity(request: Request, attempt: Attempt) -> CallIdentity:
    parameters = dict(request.parameters)
    return CallIdentity(
        model=attempt.member.reference,
        stage=request.stage,
        slot=request.slot,
        sample=request.sample,
        messages=[message_record(message) for message in attempt.prompt.messages()],
        parameters={**_settings(attempt.member), **parameters},
        base_url=attempt.member.settings.base_url,
        tools=attempt.prompt.tools,
    )


def _settings(member: Member) -> dict[str, Any]:
    settings = member.settings
    names = ("temperature", "max_tokens", "top_p", "stop", "seed", "extra")
    given = {name: getattr(settings, name) for name in names}
    if isinstance(settings.model, BaseChatModel):
        given["object"] = {name: str(value) for name, value in settings.model._identifying_params.items()}  # noqa: SLF001
    return given
