"""How the command fails: one line on stderr that says what to do, and an exit code that a script can tell apart."""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeGuard

import click

from moa_graph.cli.saying import say
from moa_graph.cli.tuning import seldom_collecting
from moa_graph.errors import InputError, MixtureError, MoaError, OptionsError, TooFewProposals
from moa_graph.secrets import redact

__all__ = ["BAD_USAGE", "INTERRUPTED", "RUN_FAILED", "OneLineErrors", "one_line"]

RUN_FAILED = 1
BAD_USAGE = 2
INTERRUPTED = 128 + signal.SIGINT
PIPE_CLOSED = 128 + 13
"""As the shell tells of a program that a closed pipe has ended."""

TRACEBACK_VARIABLE = "MOA_TRACEBACK"

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""A full disk, a quota, a file system's limit, a broken disk."""


class OneLineErrors(click.Group):
    """A group of commands whose errors are one line each."""

    def main(self, args: Sequence[str] | None = None, standalone_mode: bool = True, **extra: Any) -> Any:  # type: ignore[override]  # fewer overloads
        """Runs the command and ends the process with its exit code, as click does."""
        if not standalone_mode:
            return super().main(args, standalone_mode=False, **extra)
        if args is not None:
            sys.exit(self._code_of(args, **extra))
        with seldom_collecting():  # the process's own command line: nobody else lives in it
            sys.exit(self._code_of(None, **extra))

    def _code_of(self, args: Sequence[str] | None, **extra: Any) -> int:
        """The exit code of the command, whose error was told."""
        try:
            code = super().main(args, standalone_mode=False, **extra)
        except click.Abort:
            code = INTERRUPTED
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            code = error.exit_code
        except Exception as error:
            if os.environ.get(TRACEBACK_VARIABLE):
                raise
            _tell(error)
            code = _exit_code(error)
        return code if isinstance(code, int) else 0

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; that nobody reads its output any more ends it quietly."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            _forget_stdout()
            ctx.exit(PIPE_CLOSED)
        return result


def _tell(error: Exception) -> None:
    """Tells what went wrong on stderr; where stderr can't be written either, the exit code alone tells of it."""
    if _is_lost_output(error):
        _forget_stdout()
    with suppress(OSError):
        say(one_line(error))


def one_line(error: BaseException) -> str:
    """What went wrong and what to do, in one line."""
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "moa"
        text = f"{error.format_message()} See: {command} --help"
    elif isinstance(error, click.ClickException):
        text = error.format_message()
    elif isinstance(error, TooFewProposals) and sys.stderr.isatty():
        text = str(error).partition("\n")[0]  # every reason stands above, where it happened
    elif isinstance(error, MoaError | ImportError):
        text = str(error)
    elif _is_lost_output(error):
        text = f"stdout can't be written: {error.strerror}. Free some space, or write elsewhere"
    else:
        text = (
            f"{type(error).__name__}: {error}. This is a bug in moa_graph: please report it, with what "
            f"{TRACEBACK_VARIABLE}=1 shows."
        )
    return _folded(redact(text))


def _is_lost_output(error: BaseException) -> TypeGuard[OSError]:
    """Whether stdout couldn't be written: errors of any other file name it."""
    return isinstance(error, OSError) and error.errno in NO_ROOM and error.filename is None


def _folded(text: str) -> str:
    """A message's headline and the reasons in the lines under it, as one line."""
    headline, *reasons = (line.strip() for line in text.strip().splitlines())
    return re.sub(r"[\x00-\x1f\x7f]", " ", headline + "".join(f"; {reason}" for reason in reasons if reason))


def _exit_code(error: Exception) -> int:
    """2 where what was asked for can't work, 1 where it could have."""
    if isinstance(error, click.ClickException):
        return error.exit_code
    return BAD_USAGE if isinstance(error, MixtureError | OptionsError | InputError) else RUN_FAILED


def _forget_stdout() -> None:
    """Nobody reads stdout any more, or it can't be written: what Python would write to it at its end goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
