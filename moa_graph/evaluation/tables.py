"""Results as a table of candidate by item, which other tools open too: Parquet, CSV or JSON lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from moa_graph.errors import InputError
from moa_graph.evaluation.recordings import UNKNOWN, Recordings
from moa_graph.evaluation.strategies import AnyStrategy, Strategy, play_tagged

__all__ = ["COLUMNS", "played_results", "read_results", "results_of", "write_results"]

COLUMNS = (
    *("candidate", "id", "question", "reference", "answer", "extracted", "right", "usd"),
    *("input_tokens", "output_tokens", "seconds", "calls", "escalations", "group", "failure"),
)
"""One row per candidate and item. ``right`` is empty without a reference, ``usd`` where a price is unknown."""


def write_results(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Writes results in the format that the file's ending names: .parquet, .csv or .jsonl."""
    import pandas as pd

    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["right"] = table["right"].astype("boolean")
    if path.suffix == ".parquet":
        table.to_parquet(path, index=False)
    elif path.suffix == ".csv":
        table.to_csv(path, index=False)
    else:
        table.to_json(path, orient="records", lines=True)


def read_results(path: Path) -> Any:
    """The table of results, as pandas has it.

    Raises:
        InputError: It can't be read, or isn't a table of results.
    """
    import pandas as pd

    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        elif path.suffix == ".csv":
            table = pd.read_csv(path, dtype={"id": str, "group": str})
        else:
            table = pd.read_json(path, orient="records", lines=True, dtype={"id": str, "group": str})
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: can't be read as results: {error}") from error
    if missing := [name for name in ("candidate", "id", "right") if name not in table.columns]:
        raise InputError(f"{path}: no column {', '.join(missing)}: give what moa eval wrote, or recorded answers")
    for name in COLUMNS:
        if name not in table.columns:
            table[name] = None
    return table


def results_of(recordings: Recordings) -> Any:
    """Recorded answers as a table of results. Each row's tag is its item's group."""
    import pandas as pd

    rows = []
    for column, model in enumerate(recordings.models):
        for place, identity in enumerate(recordings.ids):
            code, right = int(recordings.answers[place, column]), int(recordings.right[place])
            names = recordings.names[place]
            rows.append(
                {
                    "candidate": model,
                    "id": identity,
                    "question": recordings.questions[place],
                    "reference": names[right] if right >= 0 else None,
                    "answer": recordings.texts[model][place],
                    "extracted": names[code] if code >= 0 else None,
                    "right": None if right == UNKNOWN else code == right,
                    "usd": float(recordings.costs[place, column]),
                    "group": None,
                }
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def played_results(name: str, strategy: AnyStrategy, recordings: Recordings) -> Any:
    """What a strategy would have answered on the recordings, as a table of results of a candidate ``name``."""
    import pandas as pd

    played = play_tagged(strategy, recordings.answers, recordings.costs, recordings.tags)
    rows = []
    for place, identity in enumerate(recordings.ids):
        code, right = int(played.answers[0, place]), int(recordings.right[place])
        names = recordings.names[place]
        own = strategy if isinstance(strategy, Strategy) else strategy.of(recordings.tags[place])
        giver = next((column for column in own.models if recordings.answers[place, column] == code), None)
        rows.append(
            {
                "candidate": name,
                "id": identity,
                "question": recordings.questions[place],
                "reference": names[right] if right >= 0 else None,
                "answer": None if giver is None else recordings.texts[recordings.models[giver]][place],
                "extracted": names[code] if code >= 0 else None,
                "right": None if right == UNKNOWN else code == right,
                "usd": float(played.costs[0, place]),
                "calls": int(played.calls[0, place]),
                "escalations": own.escalations(int(played.calls[0, place])),
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))
