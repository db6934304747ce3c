"""What of a model's text a reader is meant to see: no reasoning blocks, control characters; of an answer, no fences.

A block is reasoning where it begins the text, or stands at the beginning of a line or right behind a word, as models
write them. What is quoted, in code or set off by spaces is an answer *about* such a block, and stays.
"""

from __future__ import annotations

import re

from moa_graph.fences import unfinished_fence, without_fences

__all__ = ["VisibleStream", "answer_text", "hidden_text", "visible_text"]

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_TOKEN = re.compile(r"(?P<code>```)|(?P<opens><think(?:ing)?>)|(?P<closes></think(?:ing)?>)", re.IGNORECASE)
_CLOSES = re.compile(r"(?P<closes></think(?:ing)?>)", re.IGNORECASE)
_UNFINISHED = re.compile(r"(?:</?[a-z]{0,8}|<think(?:ing)?>)\Z", re.IGNORECASE)
"""What may become a tag, or an opening one of which it isn't known yet what stands behind it."""
_QUOTES = frozenset("`'\"([")
_QUOTES_BEHIND = frozenset("`'\")]")


def visible_text(text: str) -> str:
    """``text`` as a reader is meant to see it.

    Some servers leave out a reasoning block's opening tag, since it stands in their prompt: what comes before a closing
    tag without an opening one is reasoning too.
    """
    if "think" not in text.lower():
        return _CONTROL.sub("", text).strip()
    scanner = _Scanner()
    shown = "".join([*scanner.feed(text), *scanner.finish()])
    return _CONTROL.sub("", shown).strip()


def answer_text(text: str) -> str:
    """``text`` as the answer of a run: its visible part, without fence lines of ours that the model has repeated."""
    return without_fences(visible_text(text)).strip()


def hidden_text(text: str) -> str:
    """The reasoning that :func:`visible_text` leaves out."""
    if "think" not in text.lower():
        return ""
    scanner = _Scanner()
    scanner.feed(text)
    scanner.finish()
    return "\n\n".join(scanner.hidden).strip()


class VisibleStream:
    """The visible part of an answer that comes in pieces; all that it gives together is ``answer_text`` of the whole.

    It takes time in proportion to the text, however small the pieces are.
    """

    def __init__(self) -> None:
        self.length = 0
        self._shown: list[str] = []
        self._scanner = _Scanner()
        self._unfinished = ""
        self._space = ""

    @property
    def shown(self) -> str:
        """What has been given so far."""
        return "".join(self._shown)

    @property
    def has_begun_now(self) -> bool:
        """Whether only one piece has been given so far."""
        return len(self._shown) == 1

    def feed(self, piece: str) -> str | None:
        """What ``piece`` adds to the visible text; None where it shows that what came before was reasoning.

        After None, the whole text is to be fed to another stream.
        """
        visible = self._scanner.feed(piece)
        return self._show(visible, last=False)

    def finish(self) -> str | None:
        """What was held back until it was clear that nothing follows."""
        visible = self._scanner.finish()
        return self._show(visible, last=True)

    def _show(self, visible: list[str], *, last: bool) -> str | None:
        if self._scanner.took_back:
            self._unfinished = self._space = ""
            if self._shown:
                return None
        clean = self._unfinished + _CONTROL.sub("", "".join(visible))
        end = len(clean) if last else unfinished_fence(clean)
        self._unfinished = clean[end:]
        text = self._space + without_fences(clean[:end])
        if not self._shown:
            text = text.lstrip()
        added = text.rstrip()
        self._space = text[len(added) :]
        if added:
            self._shown.append(added)
            self.length += len(added)
        return added


class _Scanner:
    """Goes once through a text that comes in pieces, and tells its visible parts from its reasoning."""

    def __init__(self) -> None:
        self.hidden: list[str] = []
        self.took_back = False
        self._rest = ""
        self._before = "\n"
        self._has_text = False
        self._in_code = False
        self._has_opened = False
        self._block: list[str] | None = None
        self._may_be_text = False

    def feed(self, piece: str) -> list[str]:
        """The visible parts of what is clear by now."""
        self.took_back = False
        text = self._rest + piece
        end = _clear_until(text)
        self._rest = text[end:]
        return self._visible(text, end)

    def finish(self) -> list[str]:
        """The visible parts of what was held back."""
        self.took_back = False
        text, self._rest = self._rest, ""
        shown = self._visible(text, len(text))
        if self._block is not None and self._may_be_text:  # a tag alone, with text before it
            shown.extend(self._block)
        elif self._block is not None:
            self.hidden.append("".join(self._block))
        self._block = None
        return shown

    def _visible(self, text: str, end: int) -> list[str]:
        shown: list[str] = []
        start = 0
        while token := (_TOKEN if self._block is None else _CLOSES).search(text, start, end):
            self._take(text[start : token.start()], shown)
            start = token.end()
            self._take_token(token, text[start : start + 1], shown)
        self._take(text[start:end], shown)
        return shown

    def _take(self, part: str, shown: list[str]) -> None:
        if not part:
            return
        self._before = part[-1]
        if self._block is not None:
            self._block.append(part)
            return
        self._has_text = self._has_text or not part.isspace()
        shown.append(part)

    def _take_token(self, token: re.Match[str], behind: str, shown: list[str]) -> None:
        written, is_quoted = token[0], self._before in _QUOTES
        if token.lastgroup == "opens":
            is_quoted = is_quoted or behind in _QUOTES_BEHIND
        if token.lastgroup == "code":
            self._in_code = not self._in_code and self._block is None
        elif token.lastgroup == "opens":
            if self._block is None and self._opens_reasoning(is_quoted):
                self._block, self._may_be_text = [written], self._has_text and self._before == "\n"
                self._before = ">"
                self._has_opened = True
                return
            self._has_opened = True
        elif self._block is not None and not is_quoted:
            self.hidden.append("".join([*self._block, written]))
            self._block, self._before = None, "\n"
            return
        elif self._block is None and self._ends_headless_reasoning(is_quoted):
            self.hidden.append("".join([*shown, written]))
            shown.clear()
            self.took_back, self._has_opened, self._has_text, self._before = True, True, False, "\n"
            return
        self._take(written, shown)

    def _opens_reasoning(self, is_quoted: bool) -> bool:
        return not self._has_text or not (is_quoted or self._in_code or self._before in " \t")

    def _ends_headless_reasoning(self, is_quoted: bool) -> bool:
        return not (self._has_opened or is_quoted or self._in_code or self._before in " \t")


def _clear_until(text: str) -> int:
    """Where what may become a token begins, or the end of the text."""
    if unfinished := _UNFINISHED.search(text, max(len(text) - 12, 0)):
        return unfinished.start()
    return len(text) - (len(text) - len(text.rstrip("`"))) % 3
