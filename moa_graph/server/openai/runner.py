"""One run for one request: what is asked of the graph, and what is noted of it on the way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from moa_graph.errors import InputError, MoaError
from moa_graph.options import AnswerSettings, Options
from moa_graph.report import make_report
from moa_graph.response_format import ResponseFormat
from moa_graph.runs import Outcome, RunItem, follow
from moa_graph.server.openai.admission import Admission
from moa_graph.server.openai.advice import AdviceShelf
from moa_graph.server.openai.asked import ModelRequest, Writing
from moa_graph.server.openai.books import Books
from moa_graph.server.openai.errors import ApiError, as_api_error, draining, refused
from moa_graph.server.openai.mixtures import ServedMixture, ServedMixtures
from moa_graph.state import Record, Turn

__all__ = ["Run", "Runner"]

log = logging.getLogger("moa_graph.server")

Given = Callable[[list[Record]], None]

STARTS = 2
"""Runs that start at once. To start takes milliseconds, in which newcomers would wait for their first chunk."""


@dataclass(frozen=True)
class Run:
    """A run that can begin: nothing that was asked for is refused any more.

    Args:
        asked: The request.
        owner: Whose key it bears.
        served: The mixture.
        options: Its run-time options.
        settings: What is asked of the answer.
        turn: The name of the user's turn.
        left_out: What was asked for and isn't done, by field, with the reason.
    """

    asked: ModelRequest
    owner: str
    served: ServedMixture
    options: Options
    settings: AnswerSettings
    turn: str
    left_out: Mapping[str, str]


class Runner:
    """Runs mixtures for requests.

    Args:
        mixtures: The mixtures.
        books: Where runs are counted and paid for.
        admission: Who may run one now.
        advice: What panels gave in turns that call tools.
        log_prompts: Whether the log holds what users ask.
    """

    def __init__(
        self,
        mixtures: ServedMixtures,
        books: Books,
        admission: Admission,
        advice: AdviceShelf | None = None,
        *,
        log_prompts: bool = False,
    ) -> None:
        self.mixtures = mixtures
        self.attended = 0
        self._limits: set[asyncio.Timeout] = set()
        self._starting = asyncio.Semaphore(STARTS)
        self._books = books
        self._admission = admission
        self._advice = advice or AdviceShelf()
        self._log_prompts = log_prompts

    @contextmanager
    def attending(self) -> Iterator[None]:
        """Counts a request that is being answered, in ``attended``."""
        self.attended += 1
        try:
            yield
        finally:
            self.attended -= 1

    @asynccontextmanager
    async def until_stopped(self) -> AsyncIterator[None]:
        """What goes on within it ends when :meth:`stop` is called.

        Raises:
            ApiError: 503, the server is stopped.
        """
        async with asyncio.timeout(None) as limit:
            self._limits.add(limit)
            try:
                yield
            except asyncio.CancelledError:
                if not limit.expired():
                    raise
                raise draining() from None
            finally:
                self._limits.discard(limit)

    def stop(self) -> None:
        """Ends what goes on."""
        for limit in self._limits:
            limit.reschedule(0)

    def prepare(self, asked: ModelRequest, owner: str) -> Run:
        """The run that a request asks for.

        Args:
            asked: The request.
            owner: Whose key it bears.

        Raises:
            ApiError: The request can't be met, or not now.
        """
        served = self.mixtures.for_request(
            asked.model, _last_text(asked.messages), reasoning=asked.writing.reasoning_effort != "none"
        )
        options = _options(served, asked)
        parameters = asked.writing.parameters()
        left_out = dict(asked.left_out) | asked.writing.effort_left_out()
        if not served.writes:
            left_out |= dict.fromkeys(parameters, f"no model writes the answer of {served.id}")
            parameters = {}
        extras = asked.writing.extras()
        if extras and not served.speaks_openai:
            name = next(iter(extras))
            why = f"'{name}' can't be forwarded: the model behind {served.id} doesn't speak OpenAI's protocol."
            raise refused(name, f"{why} Leave it out.", "unsupported_by_mixture")
        settings = replace(_settings(served, asked.writing, parameters, extras), live=asked.live)
        turn = self._advice.turn_of(owner, served.id, asked.options, asked.messages)
        self._admission.check(owner)
        if self._log_prompts:
            log.info("%s is asked: %r", served.id, _last_text(asked.messages))
        return Run(asked, owner, served, options, settings, turn, left_out)

    async def parts(self, run: Run, given: Given | None = None) -> AsyncGenerator[RunItem, None]:
        """What the run tells.

        Args:
            run: What to do.
            given: Told what slots gave, where somebody reads along.

        Raises:
            ApiError: The run failed.
        """
        entry = self._books.open(run.served, run.owner, run.asked.messages)
        try:
            async with self._admission.enter(run.owner), aclosing(self._followed(run, given)) as parts:
                async for part in parts:
                    entry.note(part)
                    yield part
        except Exception as error:
            entry.failed()
            if not isinstance(error, MoaError | ApiError):
                log.exception("a run of %s failed", run.served.id)
            raise as_api_error(error) from error
        finally:
            entry.close()

    async def _followed(self, run: Run, given: Given | None) -> AsyncGenerator[RunItem, None]:
        """The parts of a run that may begin."""
        if run.settings.parameters.get("max_tokens") == 0:
            yield _of_no_tokens(run.served)
            return
        messages = self._advice.given(run.turn, run.asked.messages)
        parts = follow(
            run.served.compiled,
            messages,
            options=run.options,
            answer=run.settings,
            tokens=given is not None,
            given=given,
        )
        async with AsyncExitStack() as start, aclosing(parts):
            await start.enter_async_context(self._starting)
            async for part in parts:
                await start.aclose()  # with the first part a run has started
                if isinstance(part, Outcome):
                    self._advice.put(run.turn, part.message)
                yield part

    async def outcome(self, run: Run) -> Outcome:
        """What a run gives, with which nobody reads along."""
        async with aclosing(self.parts(run)) as parts:
            async for part in parts:
                if isinstance(part, Outcome):
                    return part
        raise RuntimeError("a run ends with its outcome or an error")


def _of_no_tokens(served: ServedMixture) -> Outcome:
    """The answer of no tokens that some clients ask for: nobody need be asked."""
    turn: Turn = {"simulated": served.graph.plan.simulated, "end": "an answer of no tokens was asked for"}
    report = make_report(
        {"messages": [], "records": [], "ledger": [], "turn": turn, "report": {}}, served.graph.mixture.name, []
    )
    return Outcome(AIMessage("", response_metadata={"finish_reason": "length"}), [], report)


def _last_text(messages: list[BaseMessage]) -> str:
    return str(messages[-1].text) if messages else ""


def _options(served: ServedMixture, asked: ModelRequest) -> Options:
    try:
        return served.options(**asked.options)
    except Exception as error:
        raise as_api_error(error) from error


def _settings(
    served: ServedMixture, writing: Writing, parameters: Mapping[str, Any], extras: Mapping[str, Any]
) -> AnswerSettings:
    """What is asked of the answer, where a model writes it."""
    for name in ("tools", "response_format"):
        if getattr(writing, name) and not served.writes:
            message = f"{served.id} chooses an answer: it can't call tools or give structured output."
            raise refused(name, message, "unsupported_by_mixture")
    return AnswerSettings(
        tools=writing.tools,
        tool_settings={**_tool_settings(writing), **extras},
        response_format=_response_format(writing),
        stop=writing.stop,
        parameters=parameters,
        capped="max_tokens" in parameters,
        says_nothing=True,
        advise="user_turn" if writing.tools else "every_call",
    )


def _tool_settings(writing: Writing) -> dict[str, Any]:
    settings = {"tool_choice": writing.tool_choice, "parallel_tool_calls": writing.parallel_tool_calls}
    return {name: value for name, value in settings.items() if value is not None}


def _response_format(writing: Writing) -> ResponseFormat | None:
    if writing.response_format is None:
        return None
    try:
        return ResponseFormat.of(writing.response_format)
    except InputError as error:
        raise refused("response_format", str(error)) from error
