"""A door over simulated models, in a thread, for the tests of one module; and clients of it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from openai import OpenAI

from moa_graph.server.openai.app import OpenAIApp
from moa_graph.server.openai.serve import running_door
from moa_graph.server.openai.settings import Settings
from tests.doors.panels import served_panels


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The address of a door that anybody may ask."""
    with running_door(OpenAIApp(served_panels(), Settings(quiet=0.2))) as address:
        yield address


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=20) as asking:
        yield asking


@pytest.fixture
def openai_client(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as asking:
        yield asking
