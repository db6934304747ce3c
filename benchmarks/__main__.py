"""``python -m benchmarks``: measures every figure, prints the table, and says which goals are reached."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import traceback
from collections.abc import Iterable
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.figure import Effort, Result, failed
from benchmarks.figures import FIGURES
from benchmarks.models import PROFILES
from benchmarks.processes import cores
from benchmarks.server import Server, served

CLEARED = ("MOA_", "LANGSMITH_", "LANGCHAIN_", "OPENAI_", "TOGETHER_", "OPENROUTER_", "ANTHROPIC_", "OTEL_", "AIOHTTP_")
"""How variables begin that would change what is measured: stand-ins, traces, other addresses."""

OF_PYTHON = ("PYTHONASYNCIODEBUG", "PYTHONDEVMODE", "PYTHONDONTWRITEBYTECODE", "PYTHONMALLOC", "PYTHONTRACEMALLOC")
"""Those that make Python slower, or have it compile what it imports at every start."""

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute, and less exact")
    parser.add_argument("--only", metavar="NAME", choices=FIGURES, nargs="+", default=FIGURES, help=", ".join(FIGURES))
    parser.add_argument("--json", metavar="FILE", type=Path, help="write a list of {figure, value, goal, met}")
    parser.add_argument("--plot", metavar="FILE", type=Path, help="write a PNG; needs matplotlib")
    options = parser.parse_args()
    clear_environment()
    console = Console()
    results: list[Result] = []
    with served(PROFILES) as server:
        for name in options.only:
            console.print(f"[dim]{name} ...[/dim]", highlight=False)
            results += measured(name, Effort(options.quick), server)
            if options.json:
                written = json.dumps([result.as_json() for result in results], indent=2, ensure_ascii=False)
                options.json.write_text(written + "\n", encoding="utf-8")
    console.print(_table(results))
    if options.plot:
        from benchmarks.plot import plot

        plot(results, options.plot)


def clear_environment() -> None:
    """Leaves out the variables of whoever runs this that would change what is measured."""
    for name in [*os.environ]:
        if name.startswith(CLEARED) or name in OF_PYTHON or name.upper() in PROXIES:
            del os.environ[name]


def measured(name: str, effort: Effort, server: Server) -> list[Result]:
    """The lines of one figure; where it fails, one that says so."""
    try:
        lines: list[Result] = importlib.import_module(f"benchmarks.figures.{name}").measure(effort, server)
    except Exception as error:
        traceback.print_exc()
        return [failed(name, error)]
    return lines


def _table(results: Iterable[Result]) -> Table:
    machine = f"{cores()} cores, {platform.machine()}, Python {platform.python_version()}"
    table = Table(title=machine, title_justify="left", box=box.MARKDOWN)
    for heading in ("figure", "value", "goal", "met", "from"):
        table.add_column(heading, overflow="fold")
    for result in results:
        goal = f"{result.test} {result.goal:g} {result.unit}".strip()
        met = "[green]yes[/green]" if result.met else "[red]no[/red]"
        value = "failed" if result.failed else f"{result.value:.3g} {result.unit}".strip()
        table.add_row(result.figure, value, "" if result.failed else goal, met, result.detail)
    return table


if __name__ == "__main__":
    main()
