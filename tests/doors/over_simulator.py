"""Runs a command against a door whose models are `moa simulate`'s, and stops both when the command ends.

Run: python -m tests.doors.over_simulator COMMAND ARGUMENT ...      The command finds the door's address in MOA_URL.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.doors.processes import mixture_file, simulator, started

ALIASES = {
    "gpt-5.4": "moa/council",
    "gpt-4o-mini": "moa/council",
    "google/gemma-3-270m-it": "moa/council:writer",
    "moa-google/gemma-3-270m-it": "moa/council",
}
"""Names that suites insist on."""


def main(command: list[str]) -> int:
    """The command's exit status."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with simulator(directory, {}) as models:
            mixture = mixture_file(directory, models, 3, 2, "council")
            aliases = [word for alias, known in ALIASES.items() for word in ("--alias", f"{alias}={known}")]
            options = ["serve", str(mixture), "--port", "0", "--most-choices", "4", *aliases]
            env = {"MOA_API_KEYS": "", "OPENAI_API_KEY": "none"}
            with started(options, env, directory / "serve.log") as (_, url):
                status = subprocess.run(command, env={**os.environ, "MOA_URL": url}, check=False).returncode
        log = (directory / "serve.log").read_text(encoding="utf-8")
        if "Traceback" in log:
            sys.stderr.write(log)
            return status or 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
