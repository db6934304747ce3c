"""What holds for every test: no keys, no traces sent, and the event loop that the test asks for."""

from __future__ import annotations

import asyncio
import gc
import os
import re
from collections.abc import Callable, Mapping

import hypothesis
import pytest

from tests.virtual_clock import VirtualClockLoop

LEFT_OUT_OF_TESTS = re.compile(r"(_API_KEY|_BASE_URL)$|^(LANGCHAIN|LANGSMITH|MOA|OTEL)_|^OLLAMA_HOST$")

hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)


def pytest_configure(config: pytest.Config) -> None:
    """Make every machine alike: settings of the person who runs the tests don't reach them."""
    for name in filter(LEFT_OUT_OF_TESTS.search, list(os.environ)):
        del os.environ[name]
    os.environ["MOA_CONFIG_DIR"] = os.devnull  # nobody's saved cast
    os.environ["LANGSMITH_TRACING"] = "false"
    os.environ["LANGGRAPH_CLI_NO_ANALYTICS"] = "1"
    if not config.getoption("--hypothesis-profile"):
        hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.hookimpl(optionalhook=True)  # a mutation tester runs without xdist
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two more than there are processors: much of the tests' time they wait for servers, processes and clocks."""
    return (os.cpu_count() or 1) + 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no worker is left alone with them at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Collect garbage seldom: to look through all modules again and again took a quarter of the tests' time."""
    gc.set_threshold(10_000, 20, 100)


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """An event loop with a virtual clock for tests with that mark, a real one for the others."""
    if item.get_closest_marker("virtual_clock"):
        return {"virtual": VirtualClockLoop}
    return {"real": asyncio.new_event_loop}
