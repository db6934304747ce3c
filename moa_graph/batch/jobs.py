"""Providers' batch jobs: requests in a file, answers a while later in another, at about half the price.

OpenAI's Batch API (files, then batches, with a window of 24 hours) and Together's, which differs in where files go and
in how it writes a job's state. What was submitted is in the journal before anything else is done, so jobs outlive the
process that submitted them.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage
from langchain_openai.chat_models.base import BaseChatOpenAI
from openai import AsyncOpenAI

from moa_graph.batch.deferring import PendingCall
from moa_graph.batch.journal import Journal
from moa_graph.calls.budget import most_of_one_call
from moa_graph.calls.failures import judge, usage_of
from moa_graph.errors import MoaError
from moa_graph.models.catalogue import Member
from moa_graph.models.prices import cost
from moa_graph.store import Store, entry_of
from moa_graph.views import MESSAGE_BYTES

__all__ = ["Jobs", "SubmittedJob"]

SHARE_OF_THE_PRICE = 0.5
"""OpenAI and Together charge half for jobs (their price lists of November 2026)."""

LINES_OF_A_JOB = 50_000
"""OpenAI's limit of requests in one file."""

FIRST_LOOK = 1.0
LONGEST_WAIT = 60.0
"""Seconds between polls of a job: more each time."""

TRIES = 2
"""Jobs that a request may be part of before it is made directly."""

_OVER = {"completed", "expired", "cancelled", "failed"}


@dataclass(frozen=True)
class SubmittedJob:
    """A job at a provider.

    Args:
        token: Our own name for it: a hash of its requests.
        id: The provider's name for it.
        member: Reference of a model that it asks, which gives its provider, address and key.
    """

    token: str
    id: str
    member: str


class Jobs:
    """Submits requests as jobs, and puts their answers into a store.

    Args:
        journal: Records what was submitted.
        output: The batch's output, after which files are named.
        store: Where the answers go.
        members: The models by reference.
        told: Called with a line about progress.
        first_look: Seconds until a job is first polled.
    """

    def __init__(
        self,
        journal: Journal,
        output: Path,
        store: Store,
        members: Mapping[str, Member],
        told: Callable[[str], None],
        first_look: float = FIRST_LOOK,
    ) -> None:
        self._journal = journal
        self._output = output
        self._store = store
        self._members = members
        self._told = told
        self._first_look = first_look
        self._tries: dict[str, int] = {}
        self.calls = 0
        self.usd = 0.0
        self.usd_complete = True

    async def collect_earlier(self) -> None:
        """Waits for the jobs that an earlier run submitted."""
        for token, job, member in self._journal.jobs.all_open():
            if member not in self._members:
                continue
            async with self._client(self._members[member]) as client:
                found = job or await self._find(client, token)
                if found:
                    await self._wait_and_collect(client, SubmittedJob(token, found, member))
                else:
                    self._journal.jobs.close(token)

    async def answer(self, waiting: Iterable[PendingCall], usd: float | None) -> set[str]:
        """Gets these calls answered.

        Args:
            waiting: The calls.
            usd: Dollars that are left; None is no limit.

        Returns:
            Keys of the calls that failed in jobs, to be made directly.

        Raises:
            MoaError: A provider refuses a job, or what is left of the budget doesn't pay for one.
        """
        asked = {one.key: one for one in waiting}
        groups = list(_grouped(asked.values()))
        most = [sum(_most_of(one) for one in group) for group in groups]
        if usd is not None and sum(most) > usd:
            raise MoaError(
                f"the next {len(asked)} requests may cost up to ${sum(most):.4f} as jobs, and ${usd:.4f} of the limit "
                "is left: raise --usd and run the same command again"
            )
        async with AsyncExitStack() as at_the_end:
            clients = [await at_the_end.enter_async_context(self._client(group[0].member)) for group in groups]
            planned = zip(clients, groups, most, strict=True)
            submitted = [(client, await self._submit(client, group, part)) for client, group, part in planned]
            await _all_of(self._wait_and_collect(client, job) for client, job in submitted)
        for key in asked:
            self._tries[key] = self._tries.get(key, 0) + 1
        return {key for key, tries in self._tries.items() if tries >= TRIES}

    async def _submit(self, client: AsyncOpenAI, group: list[PendingCall], most: float) -> SubmittedJob:
        together = _is_together(group[0].member)
        lines = [_line(one, together=together) for one in group]
        content = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
        token = hashlib.sha256(content).hexdigest()[:24]
        reference = group[0].member.reference
        self._journal.jobs.open(
            token, reference, [(_custom_id(one), one.key, one.member.reference) for one in group], most
        )
        name = f"{self._output.stem}-{token}.jsonl"
        if together:
            uploaded: Any = await client.post(
                "/files/upload",
                cast_to=object,
                body={"purpose": "batch-api", "file_name": name},
                files=[("file", (name, content, "application/jsonl"))],
                options={"headers": {"Content-Type": "multipart/form-data"}},
            )
            made: Any = await client.post(
                "/batches",
                cast_to=object,
                body={"input_file_id": uploaded["id"], "endpoint": "/v1/chat/completions"},
            )
            identity = (made.get("job") or made)["id"]
        else:
            file = await client.files.create(file=(name, content, "application/jsonl"), purpose="batch")
            batch = await client.batches.create(
                input_file_id=file.id,
                endpoint="/v1/chat/completions",
                completion_window="24h",
                metadata={"moa_graph": token},
            )
            identity = batch.id
        self._journal.jobs.note_name(token, identity)
        self._told(f"job {identity}: {len(group)} requests")
        return SubmittedJob(token, identity, reference)

    async def _find(self, client: AsyncOpenAI, token: str) -> str | None:
        """The job with our token, submitted just before an earlier process was killed."""
        found: Any = await client.get("/batches", cast_to=object)
        jobs = found.get("data", []) if isinstance(found, Mapping) else found
        return next((job["id"] for job in jobs if (job.get("metadata") or {}).get("moa_graph") == token), None)

    async def _wait_and_collect(self, client: AsyncOpenAI, job: SubmittedJob) -> None:
        wait = self._first_look
        while True:
            state: Any = await client.get(f"/batches/{job.id}", cast_to=object)
            status = str(state.get("status", "")).lower()
            if status in _OVER:
                break
            await asyncio.sleep(wait)
            wait = min(wait * 1.5, LONGEST_WAIT)
        if status == "failed":
            self._journal.jobs.close(job.token)
            raise MoaError(f"job {job.id} was refused: {_problem_of(state)}")
        answered, calls, usd = 0, 0, 0.0
        if state.get("output_file_id"):
            content = await client.get(f"/files/{state['output_file_id']}/content", cast_to=str)
            for line in content.splitlines():
                if line.strip():
                    kept, price = await self._keep(json.loads(line))
                    answered += kept
                    calls += 1
                    usd += price
        self.calls += calls
        self.usd += usd
        self._journal.jobs.close(job.token, calls, usd)
        self._told(f"job {job.id}: {status}, {answered} answers")

    async def _keep(self, line: Mapping[str, Any]) -> tuple[bool, float]:
        """Puts an answer into the store; returns whether it was one, and its cost."""
        body = (line.get("response") or {}).get("body")
        key, reference = self._journal.jobs.line(line["custom_id"])
        member = self._members.get(reference)
        if not isinstance(body, Mapping) or "choices" not in body or member is None:
            return False, 0.0
        model = member.chat_model(streaming=False).model
        assert isinstance(model, BaseChatOpenAI), "only such models are asked by jobs"
        message = model._create_chat_result(dict(body)).generations[0].message  # noqa: SLF001  (as LangChain reads it)
        assert isinstance(message, AIMessage), "a chat model answers with an AIMessage"
        usage = usage_of(message)
        price = None if usage is None else cost(member.price, usage)
        self.usd_complete &= price is not None
        if judge(message) is not None:
            return False, (price or 0.0) * SHARE_OF_THE_PRICE
        await self._store.backend.put(key, entry_of(message, model=member.reference, usage=usage))
        return True, (price or 0.0) * SHARE_OF_THE_PRICE

    def _client(self, member: Member) -> AsyncOpenAI:
        model = member.chat_model(streaming=False).model
        base_url = getattr(model, "openai_api_base", None) or getattr(model, "base_url", None)
        key = os.environ.get(member.key_variable or "", "") or "none"
        return AsyncOpenAI(api_key=key, base_url=base_url)


async def _all_of(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Runs all parts; if one fails, the rest is cancelled and the first error is raised on its own."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for part in work:
                tasks.create_task(part)
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None


def _grouped(waiting: Iterable[PendingCall]) -> Iterator[list[PendingCall]]:
    """The calls of each job: of one address and key, and at OpenAI of one model."""
    groups: defaultdict[tuple[str, ...], list[PendingCall]] = defaultdict(list)
    for one in waiting:
        settings = one.member.settings
        elsewhere = settings.base_url or os.environ.get("OPENAI_BASE_URL") or ""
        alone = one.member.reference if one.member.provider == "openai" and not elsewhere else ""
        groups[one.member.provider, elsewhere, one.member.key_variable or "", alone].append(one)
    for group in groups.values():
        for start in range(0, len(group), LINES_OF_A_JOB):
            yield group[start : start + LINES_OF_A_JOB]


def _custom_id(one: PendingCall) -> str:
    """A line's name at the provider, which limits its length."""
    return one.key[:40]


def _line(one: PendingCall, *, together: bool) -> dict[str, Any]:
    line = {"custom_id": _custom_id(one), "body": dict(one.body)}
    return line if together else {**line, "method": "POST", "url": "/v1/chat/completions"}


def _is_together(member: Member) -> bool:
    return member.provider == "together"


def _most_of(one: PendingCall) -> float:
    """The most that a call may cost in a job, in US dollars."""
    length = len(json.dumps(one.body, default=str).encode()) + MESSAGE_BYTES * len(one.body.get("messages", ()))
    most = most_of_one_call(length, one.member.most_output, one.member.price)
    return (most["usd"] or 0.0) * SHARE_OF_THE_PRICE


def _problem_of(state: Mapping[str, Any]) -> str:
    errors = (state.get("errors") or {}).get("data") or []
    return str(state.get("error") or (errors[0].get("message") if errors else None) or "the provider gives no reason")
