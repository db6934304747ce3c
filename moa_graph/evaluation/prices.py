"""What recorded answers cost: dollars per million tokens, from a file, the price library, or a bundled list of 2024."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from moa_graph.description import ModelSettings, Price
from moa_graph.errors import MixtureError
from moa_graph.models.prices import price_of

__all__ = ["PriceList", "prices_of", "read_prices"]

LIST_OF_2024 = {
    "gpt-4o-2024-08-06": 10.0,
    "Mistral-Large-2": 6.0,
    "gpt-4o-mini-2024-07-18": 0.6,
    "Meta-Llama-3.1-70B-Instruct": 0.88,
    "gemini-1.5-flash": 0.3,
    "claude-3-haiku-20240307": 1.25,
    "gemma-2-9b-it": 0.3,
    "Meta-Llama-3.1-8B-Instruct": 0.18,
    "Phi-3.5-mini-instruct": 0.1,
    "Mistral-Nemo-Instruct-2407": 0.3,
    "Qwen2-7B-Instruct": 0.2,
    "Mixtral-8x7B-Instruct-v0.1": 0.6,
}
"""Rounded list prices of 2024 for a million output tokens, of models that public recordings of that year hold."""

FORM = "write a JSON or YAML mapping of model to {input: DOLLARS, output: DOLLARS} per million tokens"


class PriceList(dict[str, Price]):
    """Model -> its price. If any model lacks an input price, input isn't counted for any: a mixed sum would mislead.

    Args:
        prices: The prices.
        source: Where they come from, for certificates.
        counts_input: Whether input tokens count.
    """

    def __init__(self, prices: Mapping[str, Price], source: str, *, counts_input: bool) -> None:
        super().__init__(prices)
        self.source = source
        self.counts_input = counts_input


def prices_of(models: Sequence[str], file: str | Path | None = None) -> PriceList:
    """The prices of ``models``.

    Args:
        models: As the recordings name them.
        file: Prices by model; default: the price library for ``provider:name``, else the bundled list of 2024.

    Raises:
        MixtureError: A model's price isn't known, or the file can't be read.
    """
    given = _known(models) if file is None else read_prices(file)
    if missing := [model for model in models if model not in given]:
        where = f"{file} has" if file else "There is"
        raise MixtureError(f"{where} no price for {', '.join(missing)}. Give --prices FILE: {FORM}.")
    counts_input = all(given[model][0] is not None for model in models)
    prices = {
        model: Price(input=(given[model][0] or 0.0) if counts_input else 0.0, output=given[model][1])
        for model in models
    }
    source = str(file) if file else "list prices" + ("" if counts_input else " of 2024, output tokens only")
    return PriceList(prices, source, counts_input=counts_input)


def _known(models: Sequence[str]) -> dict[str, tuple[float | None, float]]:
    found: dict[str, tuple[float | None, float]] = {}
    for model in models:
        if ":" in model and (price := price_of(ModelSettings(model=model))) is not None:
            found[model] = (price.input, price.output)
        elif model in LIST_OF_2024:
            found[model] = (None, LIST_OF_2024[model])
    return found


def read_prices(file: str | Path) -> dict[str, tuple[float | None, float]]:
    """Model -> its input price, None where the file has just one price, and its output price.

    The file is JSON or YAML, a mapping of model to ``{"input": 2.5, "output": 10}``, ``[2.5, 10]`` or the price of
    output alone; or CSV with the columns model, input and output.

    Raises:
        MixtureError: The file can't be read.
    """
    path = Path(file)
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix.lower() == ".csv":
            rows = list(csv.DictReader(text.splitlines()))
            data: Any = {
                row["model"]: {name: row[name] for name in ("input", "output") if row.get(name)} for row in rows
            }
        else:
            data = json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
        data = data.get("prices", data) if isinstance(data, Mapping) else data
        return {str(model): _price(price) for model, price in data.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise MixtureError(f"{file}: the prices can't be read ({type(error).__name__}: {error}): {FORM}.") from error


def _price(given: Any) -> tuple[float | None, float]:
    if isinstance(given, Mapping):
        read = given.get("input", given.get("prompt"))
        written = given["output"] if "output" in given else given["completion"]
        prices = (None if read is None else float(read), float(written))
    elif isinstance(given, list):
        prices = (float(given[0]), float(given[1]))
    else:
        prices = (None, float(given))
    if min(price for price in prices if price is not None) < 0:
        raise ValueError(f"{given!r} is below 0")
    return prices
