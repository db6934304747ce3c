"""The door within LangGraph's server: ``"http": {"app": "moa_graph.server.openai.mounted:app"}`` in ``langgraph.json``.

``MOA_MIXTURES`` names the mixtures, presets or files, between commas; without it, it is the one that ``MOA_MIXTURE``
names, or that the keys in the environment choose. ``MOA_API_KEYS`` are the keys; without keys, only clients on this
machine may ask. The page is at ``/moa``.
"""

from __future__ import annotations

import os

from starlette.applications import Starlette

from moa_graph.detection import detect
from moa_graph.mixture import Mixture
from moa_graph.server.openai.app import OpenAIApp
from moa_graph.server.openai.mixtures import served_mixtures
from moa_graph.server.openai.settings import KEYS_VARIABLE, Settings, read_keys

__all__ = ["app"]


def _named() -> list[str | Mixture]:
    named = os.environ.get("MOA_MIXTURES") or os.environ.get("MOA_MIXTURE") or ""
    names: list[str | Mixture] = [name.strip() for name in named.split(",") if name.strip()]
    return names or [detect(offline=True)[0]]


def _app() -> Starlette:
    settings = Settings(keys=read_keys(os.environ.get(KEYS_VARIABLE, "")), page_path="/moa")
    return OpenAIApp(served_mixtures(_named()), settings, mounted=True).app


app = _app()
