"""What the commands share: options that mean the same everywhere, and how they print."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from phenolens.core.errors import PhenolensError
from phenolens.core.json import strict_json
from phenolens.core.spec import parse_option

Out = Annotated[Path, typer.Option("--out", help="Folder for the results.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...; auto takes a GPU if there is one.")]
PrecisionOption = Annotated[Literal["fp32", "bf16"], typer.Option(help="Number format of networks.")]

# Of tables of ready-made vectors.
Profilings = Annotated[list[str] | None, typer.Option(help="raw, tvn, ...; see: phenolens ls profilers; repeat.")]
BatchBy = Annotated[list[str] | None, typer.Option(help="Column of batches for profiling; repeat.")]
Features = Annotated[list[str] | None, typer.Option(help="Feature column or pattern such as feat_*; repeat.")]
MissingValues = Annotated[
    Literal["refuse", "rows", "features", "median"], typer.Option(help="What to do about missing values.")
]
Label = Annotated[str | None, typer.Option(help="Column that a probe predicts, or of mechanisms.")]
Perturbation = Annotated[str | None, typer.Option(help="Column that names perturbations.")]
PerturbationType = Annotated[str | None, typer.Option(help="Column: crispr, orf, compound, sirna.")]
Dose = Annotated[str | None, typer.Option(help="Column of doses.")]
Role = Annotated[str | None, typer.Option(help="Column that tells controls from treatments.")]
NegativeControls = Annotated[
    list[str] | None, typer.Option(help="Role, or perturbation, that is a negative control; repeat.")
]
Plate = Annotated[str | None, typer.Option(help="Column of plates.")]
Well = Annotated[str | None, typer.Option(help="Column of wells.")]
Batch = Annotated[str | None, typer.Option(help="Column of batches.")]
Seed = Annotated[int, typer.Option(help="Seed of permutations and bootstrap.")]

stdout = Console(width=None if sys.stdout.isatty() else 160)  # files and pipes have no width


def parse_options(texts: list[str], what: str = "--option") -> dict[str, str]:
    """Return options from texts such as ``name=value``."""
    options = {}
    for text in texts:
        try:
            name, value = parse_option(text)
        except ValueError as error:
            raise PhenolensError(f"{what} takes name=value, not '{text}'") from error
        options[name.replace("-", "_")] = value
    return options


def print_json(content: Any) -> None:
    """Print strict JSON: NaN, which JSON has not, becomes null."""
    sys.stdout.write(strict_json(content, ensure_ascii=True) + "\n")


def print_verdicts(verdicts: list[dict[str, Any]]) -> None:
    """Print each verdict on a line, behind the question that it answers."""
    for verdict in verdicts:
        question = ", ".join(filter(None, [verdict["task"], verdict["profiling"]]))
        typer.echo(": ".join(filter(None, [question, verdict["claim"]])))
