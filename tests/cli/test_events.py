"""The page about events says what runs really tell."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter

from moa_graph.calls import events
from tests.cli.conftest import Moa

PAGE = Path(__file__).parents[2] / "docs" / "events.md"
KINDS: dict[str, Any] = {get_args(kind.__annotations__["type"])[0]: kind for kind in get_args(events.Event)} if not (
    isinstance(events.RunStarted.__annotations__["type"], str)
) else {}
