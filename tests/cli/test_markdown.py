from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from moa_graph.cli.markdown import MarkdownStream, blocks_of
from moa_graph.cli.printable import printable

TEXT = """\
# Title

A paragraph with **bold** words
over two lines.

- one
- two

  still two

```python
x = 1

y = 2
```

| a | b |
|---|---|
| 1 | 2 |

The end.
"""


def drawn(*chunks: str) -> str:
    """What stands on a terminal when all has come."""
    out = io.StringIO()
    stream = MarkdownStream(Console(file=out, width=60, force_terminal=False))
    for chunk in chunks:
        stream.add(chunk)
    stream.end()
    return out.getvalue()


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("", [""]),
        ("one block", ["one block"]),
        ("one\n\ntwo", ["one\n\n", "two"]),
        ("```\na\n\nb", ["```\na\n\nb"]),
        ("- a\n- b\n\nafter", ["- a\n- b\n\n", "after"]),
        ("- a\n\n- b\n", ["- a\n\n- b\n"]),
        ("a\u2028b\n\nc", ["a\u2028b\n\n", "c"]),
    ],
)
def test_a_text_is_cut_between_its_outermost_blocks(text: str, blocks: list[str]) -> None:
    assert blocks_of(text) == blocks


@given(st.text(alphabet="ab \n-#`*|", max_size=60))
def test_nothing_is_lost_in_splitting(text: str) -> None:
    assert "".join(blocks_of(text)) == text


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_text_looks_the_same_however_it_came(size: int) -> None:
    chunks = [TEXT[start : start + size] for start in range(0, len(TEXT), size)]
    assert drawn(*chunks) == drawn(TEXT)
    for word in ("Title", "bold", "still two", "y = 2", "The end."):
        assert drawn(*chunks).count(word) == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]8;;http://e\x1b\\link", "link"),
        ("be\x07ll\x08\r", "bell"),
        ("\x9b31mred", "31mred"),
        ("naïve 日本 🙂", "naïve 日本 🙂"),
    ],
)
def test_a_model_cannot_steer_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown
