"""Writes ``docs/mixture.md``: every field of a description, from the JSON Schema.

python docs/make_mixture.py
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from moa_graph import Mixture

FILE = Path(__file__).with_name("mixture.md")

Schema = Mapping[str, Any]

EXAMPLES = {
    "Two models answer, a third writes": """\
proposers: ["openai:gpt-5.4-mini", "anthropic:claude-sonnet-5-5"]
aggregator: "openai:gpt-6.1-terra"
layers: 2   # as the paper counts: the aggregator is the last layer
""",
    "Layers of models of one's own, with a quorum and a budget": """\
name: at-home
models:                                   # named once, used by name
  qwen: {model: "openai:qwen3:8b", base_url: "http://localhost:11434/v1", max_tokens: 512}
  gemma: {model: "openai:gemma3:4b", base_url: "http://localhost:11434/v1", max_tokens: 512}
stages:
  - propose: {slots: [qwen, gemma, {model: qwen, samples: 2, temperature: 1}], quorum: 3, grace: 2s, timeout: 5m}
  - propose: {slots: [qwen, gemma]}
  - aggregate: {slot: qwen, fallbacks: [gemma]}
budget: {calls: 20, deadline: 10m}
limits: {openai: {concurrency: 1}}        # one call at a time
""",
    "A vote, and a judge where it is tied": """\
name: vote-then-judge
stages:
  - propose: {slots: [strong-1, strong-2, strong-3]}   # parts: a cast says which models play them
  - vote: {extract: auto, tie: escalate}
  - judge: {slot: judge}
""",
}

HEAD = """\
# The description of a mixture

Every field, with its meaning and default. This page is made from the JSON Schema (`moa show --format schema`), and a
test keeps it true. A description is YAML, TOML or JSON; in Python, plain data or `moa_graph.Mixture`. Mistakes are
reported before any call, with the file, the line and the field:

```text
mine.yaml:7: mixture: stages.0.propose.quorm: there is no such field; look for a misspelling. Did you mean quorum?
```

`--set stages.0.propose.quorum=2` changes one field for one run, and `moa show NAME` prints any preset as a description
to begin from.

A model is a name from `models`, a part that a cast plays (`strong-1`, `cheap-1`, `frontier-1`, `writer`, `judge`), or
`provider:name`. Where a slot is wanted, its model alone is enough. A duration is a number of seconds, or text such as
`500ms`, `2s`, `1.5m`, `1h`. Keys are never part of a description.
"""


def document() -> str:
    """The whole page."""
    schema = Mixture.json_schema()
    parts = [HEAD, "## Three whole examples\n", *_examples()]
    parts += ["## The top\n", _table(schema)]
    definitions = schema["$defs"]
    kinds = {
        kind: reference for form in definitions["Stage"]["oneOf"] for kind, reference in form["properties"].items()
    }
    named = {_name(reference) for reference in kinds.values()}
    for name in sorted(set(definitions) - named - {"Stage"}):
        parts += [f"## {name}\n", *_section(definitions[name])]
    parts.append("## Stages\n\nA stage is one kind with its fields, as in `- propose: {slots: [a, b]}`.\n")
    for kind, reference in sorted(kinds.items()):
        parts += [f"### {kind}\n", *_section(definitions[_name(reference)])]
    return "\n".join(parts)


def _examples() -> Iterator[str]:
    for title, text in EXAMPLES.items():
        yield f"{title}:\n\n```yaml\n{text}```\n"


def _section(schema: Schema) -> Iterator[str]:
    """What something is, and its fields. One that may be written as its model alone has two forms."""
    described = next((form for form in schema.get("anyOf", ()) if "properties" in form), schema)
    yield described.get("description", "").strip().replace("``", "`") + "\n"
    yield _table(described)


def _table(schema: Schema) -> str:
    rows = ["| field | what it takes | default | meaning |", "| --- | --- | --- | --- |"]
    needed = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        default = "needed" if name in needed else _default(field)
        meaning = " ".join(field.get("description", "").split())
        rows.append("| " + " | ".join((f"`{name}`", _takes(field), default, _cell(meaning))) + " |")
    return "\n".join(rows) + "\n"


def _default(field: Schema) -> str:
    if field.get("default") is None:
        return ""
    return f"`{json.dumps(field['default'])}`"


def _takes(field: Schema) -> str:
    """What may be written, in a few words."""
    if "$ref" in field:
        return _link(_name(field))
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if forms := field.get("anyOf") or field.get("oneOf"):
        if any("(ms|s|m|h)" in form.get("pattern", "") for form in forms):
            return "duration"
        return " or ".join(dict.fromkeys(_takes(form) for form in forms if form.get("type") != "null"))
    if field.get("type") == "array":
        return f"list of {_takes(field.get('items', {}))}"
    if field.get("type") == "object":
        inner = field.get("additionalProperties")
        return f"names to {_takes(inner)}" if isinstance(inner, dict) else "mapping"
    return _WORDS.get(field.get("type", ""), "anything") + _bounds(field)


_WORDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}

_BOUNDS = {"minimum": "from {}", "exclusiveMinimum": "above {}", "maximum": "to {}", "exclusiveMaximum": "below {}"}


def _bounds(field: Schema) -> str:
    told = [words.format(f"{field[bound]:g}") for bound, words in _BOUNDS.items() if bound in field]
    return f" {' '.join(told)}" if told else ""


def _name(reference: Schema) -> str:
    return str(reference["$ref"]).rpartition("/")[2]


def _link(name: str) -> str:
    return f"[{'stage' if name == 'Stage' else name}](#{'stages' if name == 'Stage' else name.lower()})"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("``", "`")


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
