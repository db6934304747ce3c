"""The messages of a question: what is typed, what stands in stdin and in files, and a system message."""

from __future__ import annotations

import base64
import mimetypes
import os
import stat
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from moa_graph.cli.saying import say

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

__all__ = ["attached", "messages_of", "typed"]

SAID_AFTER = 2.0
"""Seconds of waiting for stdin after which a person is told so."""

SYSTEM_ID = "moa-system"
"""Identity of the system message: in a conversation that is kept, a new one takes the place of the one before."""

BLOCKS = {"image": "image", "audio": "audio", "video": "video", "application/pdf": "file"}
"""Kind of a file, by its media type or the part of it before the slash -> LangChain's content block."""


def messages_of(text: str, files: Sequence[Path] = (), system: str | None = None) -> list[BaseMessage]:
    """The messages of one turn.

    Args:
        text: What the user says.
        files: What stands behind it: texts as text, images, recordings and PDFs as such.
        system: How the models shall answer.

    Raises:
        click.UsageError: A file can't be read.
    """
    from langchain_core.messages import HumanMessage, SystemMessage

    blocks = [_block(file) for file in files]
    texts = [text, *(block["text"] for block in blocks if block["type"] == "text")]
    media = [block for block in blocks if block["type"] != "text"]
    said = "\n\n".join(texts)
    content: Any = [{"type": "text", "text": said}, *media] if media else said
    before = [SystemMessage(system, id=SYSTEM_ID)] if system else []
    return [*before, HumanMessage(content)]


def typed(words: Sequence[str], *, with_files: bool = False) -> str:
    """The question that the command line and stdin hold; stdin is what the question is about, or the question itself.

    Args:
        words: The arguments; more than one is a question that wasn't quoted.
        with_files: Whether files are given, which a question must say what to do with.

    Raises:
        click.UsageError: There is no question.
    """
    if len(words) > 1:
        raise click.UsageError(f'Quote the question, so that it is a single argument: moa ask "{" ".join(words)}"')
    prompt = words[0] if words else None
    if prompt == "-" or prompt is None:
        if prompt is None and (with_files or sys.stdin is None or sys.stdin.isatty()):
            raise click.UsageError('There is no question. Write it, as in: moa ask "Why is the sky blue?"')
        question = _read_stdin()
        if not question.strip():
            raise click.UsageError("The question is empty.")
        return question
    if not prompt.strip():
        raise click.UsageError("The question is empty.")
    material = _read_stdin() if _stdin_is_material() else ""
    return f"{prompt}\n\n{_named('stdin', material)}" if material.strip() else prompt


def attached(path: Path) -> str:
    """What is said of a file that was attached: its name and what it is taken for.

    Raises:
        click.UsageError: It can't be read.
    """
    return f"{path.name} ({_block(path)['type']})"


def _stdin_is_material() -> bool:
    """Whether stdin holds something for this command: a pipe, or a file that nobody has begun to read.

    A file that is read already belongs to a loop of the shell around this command.
    """
    if sys.stdin is None or sys.stdin.isatty():
        return False
    with suppress(OSError, ValueError):  # no file of the system's
        number = sys.stdin.fileno()
        if stat.S_ISREG(os.fstat(number).st_mode):
            return os.lseek(number, 0, os.SEEK_CUR) == 0
    return True


def _read_stdin() -> str:
    """All of stdin; where that takes long, what is being waited for is said."""
    waiting = "waiting for stdin to end (use </dev/null if there is no input)"
    timer = threading.Timer(SAID_AFTER, lambda: say(waiting))
    timer.daemon = True
    if not sys.stdin.isatty():
        timer.start()
    try:
        return sys.stdin.read().rstrip("\n")
    except UnicodeDecodeError as error:
        raise click.UsageError(f"stdin isn't text ({error}). Pass an image or a PDF with --file FILE.") from None
    finally:
        timer.cancel()


def _named(name: str, text: str) -> str:
    """A text with its name, marked off from what the user says."""
    return f'<document name="{name}">\n{text}\n</document>'


def _block(path: Path) -> dict[str, Any]:
    """A file as a content block."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise click.UsageError(f"--file {path} can't be read: {error.strerror}.") from None
    kind = mimetypes.guess_type(path.name)[0] or ""
    block = BLOCKS.get(kind) or BLOCKS.get(kind.partition("/")[0])
    if block is not None:
        named = {"filename": path.name} if block == "file" else {}
        return {"type": block, "base64": base64.b64encode(content).decode(), "mime_type": kind, **named}
    try:
        return {"type": "text", "text": _named(path.name, content.decode())}
    except UnicodeDecodeError:
        raise click.UsageError(
            f"--file {path} doesn't look like text, an image, a recording or a PDF: its extension is unknown."
        ) from None
