"""Options and output that commands share."""

import gc
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from phenolens.core.errors import PhenolensError, did_you_mean
from phenolens.core.json import strict_json
from phenolens.core.renamed import current_option
from phenolens.core.spec import parse_option

if TYPE_CHECKING:
    from phenolens.diagnosis import Verdict
    from phenolens.report import Results

Out = Annotated[Path, typer.Option("--out", help="Folder for the results.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...; auto uses a GPU if there is one.")]
PrecisionOption = Annotated[Literal["fp32", "bf16"], typer.Option(help="Precision of networks.")]

SegmentationName = Annotated[str, typer.Option(help="classical, cellpose, instanseg, or one of an installed package.")]
NucleusDiameter = Annotated[
    tuple[float, float] | None, typer.Option(help="Least and greatest diameter of nuclei in microns, such as 4 20.")
]

# Options for tables of existing vectors.
Profilings = Annotated[list[str] | None, typer.Option(help="raw, tvn, ...; see: phenolens ls profilers; repeatable.")]
BatchBy = Annotated[list[str] | None, typer.Option(help="Column of batches for profiling; repeatable.")]
Features = Annotated[list[str] | None, typer.Option(help="Feature column or pattern such as feat_*; repeatable.")]
MissingValues = Annotated[
    Literal["refuse", "rows", "features", "median"], typer.Option(help="How to handle missing values.")
]
Label = Annotated[str | None, typer.Option(help="Column of labels, such as phenotypes or mechanisms.")]
Perturbation = Annotated[str | None, typer.Option(help="Column of perturbations.")]
PerturbationType = Annotated[
    str | None, typer.Option(help="Column of perturbation types: crispr, orf, compound, sirna.")
]
Dose = Annotated[str | None, typer.Option(help="Column of doses.")]
Role = Annotated[str | None, typer.Option(help="Column of roles, which marks controls and treatments.")]
NegativeControls = Annotated[
    list[str] | None, typer.Option(help="Role or perturbation of negative controls; repeatable.")
]
Plate = Annotated[str | None, typer.Option(help="Column of plates.")]
Well = Annotated[str | None, typer.Option(help="Column of wells.")]
Batch = Annotated[str | None, typer.Option(help="Column of batches.")]
Key = Annotated[
    str | None, typer.Option(help="Column by which rows of different files are matched; found if not given.")
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Fail, after writing everything, if something asked for was not answered.")
]
AllowCode = Annotated[
    bool,
    typer.Option("--allow-code", help="Let encoders python:MODULE:FUNCTION run code; only if you trust it."),
]
Seed = Annotated[int, typer.Option(help="Seed of permutations and bootstrap.")]

stdout = Console(width=None if sys.stdout.isatty() else 160)  # for files and pipes, which have no width


def parse_options(texts: list[str], what: str = "--option") -> dict[str, str]:
    """Return options from texts such as ``name=value``."""
    options = {}
    for text in texts:
        try:
            name, value = parse_option(text)
        except ValueError as error:
            raise PhenolensError(f"{what} takes name=value, found '{text}'") from error
        options[name.replace("-", "_")] = value
    return options


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Disable garbage collection during a short command, where it takes a sixth of the time of imports."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def split_arguments(arguments: list[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Separate ``--name value`` and ``--name=value`` from other arguments.

    Raises
    ------
    typer.BadParameter
        If a name has no value.
    """
    plain, pairs = [], []
    remaining = iter(arguments)
    for argument in remaining:
        if not argument.startswith("-"):
            plain.append(argument)
            continue
        flag, equals, value = argument.partition("=")
        if not equals:
            following = next(remaining, None)
            if following is None:
                raise typer.BadParameter(f"{flag} needs a value")
            value = following
        pairs.append((flag, value))
    return plain, pairs


def options_from_flags(
    pairs: list[tuple[str, str]], task: str, repeatable: Mapping[str, bool], known: Iterable[str]
) -> dict[str, str | list[str]]:
    """Return the options of a task from ``--name value`` pairs.

    Parameters
    ----------
    pairs
        Pairs of flag and value, in order.
    task
        The name of the task, for messages.
    repeatable
        Option of the task -> whether it takes several values; then ``--target`` also stands for ``targets``.
    known
        The flags of the command itself, for hints.

    Raises
    ------
    typer.BadParameter
        If the task has no such option, or an option with one value is given twice.
    """
    names = {_flag(name): name for name in repeatable}
    names.update({_flag(name).removesuffix("s"): name for name, many in repeatable.items() if many})
    options: dict[str, str | list[str]] = {}
    for given, text in pairs:
        option, value = current_option(task, given.removeprefix("--").replace("-", "_"), text)
        flag = _flag(option) if option in repeatable else given
        if flag not in names:
            raise typer.BadParameter(f"{task} has no option {flag}{did_you_mean(flag, [*names, *known])}")
        name = names[flag]
        if repeatable[name]:
            options[name] = [*options.get(name, []), value]
        elif name in options:
            raise typer.BadParameter(f"{flag} is given twice, and takes one value")
        else:
            options[name] = value
    return options


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; square brackets in names from files are no markup."""
    table = Table(*(Column(Text(name)) for name in columns))
    for row in rows:
        table.add_row(*map(Text, row))
    stdout.print(table)


def print_json(content: Any) -> None:
    """Print strict JSON; NaN, which JSON does not have, becomes null."""
    sys.stdout.write(strict_json(content, ensure_ascii=True) + "\n")


def print_unanswered(results: "Results") -> None:
    """Print what was asked and could not be answered, a line each."""
    from phenolens.report import TITLE, unanswered

    for sentence in unanswered(results):
        typer.echo(f"{TITLE.lower()}: {sentence}")


def fail_if_unanswered(results: "Results", out: Path) -> None:
    """Fail if anything that was asked could not be answered, for `--strict`.

    Raises
    ------
    PhenolensError
        If so; the message holds the first.
    """
    from phenolens.report import unanswered

    missing = unanswered(results)
    if missing:
        all_of_them = f"; all {len(missing)} are in {out / 'card.md'}" if len(missing) > 1 else ""
        raise PhenolensError(f"asked and not answered: {missing[0].rstrip('.')}{all_of_them}")


def print_verdicts(verdicts: "Sequence[Verdict]") -> None:
    """Print each verdict on a line, after its question."""
    for verdict in verdicts:
        question = ", ".join(filter(None, [verdict.task, verdict.profiling]))
        typer.echo(": ".join(filter(None, [question, verdict.claim])))
