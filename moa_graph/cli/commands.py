"""``moa`` and its commands."""

from __future__ import annotations

import click

import moa_graph
from moa_graph.cli.ask import ask
from moa_graph.cli.batch import batch
from moa_graph.cli.chat import chat
from moa_graph.cli.compare import compare
from moa_graph.cli.doctor import doctor
from moa_graph.cli.evaluate import evaluate
from moa_graph.cli.failing import OneLineErrors
from moa_graph.cli.models import models
from moa_graph.cli.presets import presets
from moa_graph.cli.roles import roles
from moa_graph.cli.serve import serve
from moa_graph.cli.show import show
from moa_graph.cli.simulate import simulate
from moa_graph.cli.tune import tune
from moa_graph.cli.upper_bound import upper_bound

__all__ = ["main"]


@click.group(
    cls=OneLineErrors,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 answer, 1 the run failed, 2 bad usage, 130 interrupted.",
)
@click.version_option(moa_graph.__version__, prog_name="moa")
def main() -> None:
    """Mixtures of models: several answer side by side, one writes the answer.

    Without keys the models are simulated, and say so.
    """


_COMMANDS = (
    ask, chat, batch, presets, models, show, doctor, serve, simulate, evaluate, compare, tune, roles, upper_bound,
)  # fmt: skip
for _command in _COMMANDS:
    main.add_command(_command)
