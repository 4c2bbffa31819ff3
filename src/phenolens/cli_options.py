"""What the commands share: options that mean the same everywhere, and strict JSON."""

import json
import math
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from phenolens.errors import PhenolensError

Out = Annotated[Path, typer.Option("--out", help="Folder for the results.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...; auto takes a GPU if there is one.")]
PrecisionOption = Annotated[Literal["fp32", "bf16"], typer.Option(help="Number format of networks.")]


def parse_options(texts: list[str], what: str = "--option") -> dict[str, str]:
    """Return options from texts such as ``name=value``."""
    options = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise PhenolensError(f"{what} takes name=value, not '{text}'")
        options[name.replace("-", "_")] = value
    return options


def print_json(content: Any) -> None:
    """Print strict JSON: NaN, which JSON has not, becomes null."""
    sys.stdout.write(json.dumps(_finite(content), indent=1, default=str, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
