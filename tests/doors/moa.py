"""The command ``moa`` of this tree: python -m tests.doors.moa ..."""

from moa_graph.cli import main

main(prog_name="moa")
