"""How long a cold import and the command's help take: the median of several new processes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from statistics import median

from benchmarks.figure import Effort, Result, at_most
from benchmarks.server import Server


def measure(effort: Effort, server: Server) -> list[Result]:
    nothing = _seconds([sys.executable, "-c", "pass"], effort)
    imported = _seconds([sys.executable, "-c", "import moa_graph"], effort)
    helped = _seconds([sys.executable, "-c", "from moa_graph.cli import main; main()", "--help"], effort)
    ask = "from moa_graph.cli import main; main()"
    asked = _seconds([sys.executable, "-c", ask, "ask", "--simulate", "What is 17 * 24 + 3?"], effort)
    return [
        at_most(0.15, "cold import moa_graph", imported, "s", f"an empty process takes {nothing:.2f} s"),
        at_most(0.4, "moa --help", helped, "s"),
        at_most(1.0, "moa ask with stand-ins", asked, "s"),
    ]


def _seconds(command: Sequence[str], effort: Effort) -> float:
    return median(_once(command) for _ in range(effort.rounds + 1))


def _once(command: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began
