"""Commands for studies: run, report, validate, ls and doctor."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from phenolens.cli.options import (
    AllowCode,
    Json,
    Out,
    Strict,
    fail_if_unanswered,
    print_json,
    print_table,
    print_unanswered,
    print_verdicts,
    without_garbage_collection,
)
from phenolens.core.numbers import duration


def run(
    recipe: Annotated[Path, typer.Argument(help="The recipe (YAML).")],
    out: Out = Path("out"),
    strict: Strict = False,
    code: AllowCode = False,
    as_json: Json = False,
) -> None:
    """Run a study: embed, profile, evaluate, diagnose, report. A stopped run is resumed."""
    from phenolens.encoders import allow_code
    from phenolens.recipes import Recipe, load_recipe_of_kind
    from phenolens.report import unanswered
    from phenolens.workflows.study import run as run_study

    with allow_code(code):
        results = run_study(load_recipe_of_kind(recipe, Recipe), out, progress=True)
    if as_json:
        verdicts = [asdict(verdict) for verdict in results.verdicts]
        missing = unanswered(results)
        print_json({"report": str(out / "report.html"), "unanswered": missing, "verdicts": verdicts})
    else:
        print_unanswered(results)
        print_verdicts(results.verdicts)
        typer.echo(f"report: {out / 'report.html'}")
    if strict:
        fail_if_unanswered(results, out)


def report(folder: Annotated[Path, typer.Argument(help="The output folder of a run.")]) -> None:
    """Rewrite the HTML report of a study."""
    from phenolens.report import write_report

    typer.echo(f"report: {write_report(folder)}")


def list_(
    what: Annotated[
        Literal["encoders", "datasets", "tasks", "profilers", "segmentations", "options"], typer.Argument()
    ],
    as_json: Json = False,
) -> None:
    """List encoders, datasets, tasks, profilers, segmentations of nuclei, or the options of tasks."""
    if what == "options":
        _list_options(as_json)
        return
    with without_garbage_collection():
        from phenolens.workflows.catalogue import catalogue

        entries = catalogue(what)
    if as_json:
        print_json(entries)
        return
    print_table(("name", "description"), entries.items())


def _list_options(as_json: bool) -> None:
    with without_garbage_collection():
        from phenolens.workflows.catalogue import task_options

        options = task_options()
    if as_json:
        print_json({task: {name: asdict(option) for name, option in found.items()} for task, found in options.items()})
        return
    rows = []
    for task, found in options.items():
        for name, option in found.items():
            kind = f"{option.type}, repeatable" if option.repeatable else option.type
            default = "required" if option.required else str(option.default)
            rows.append((task, name, kind, default, option.help))
    print_table(("task", "option", "type", "default", "description"), rows)


def validate(
    file: Annotated[Path, typer.Argument(help="A recipe of any kind (YAML), or a manifest.")],
    code: AllowCode = False,
    as_json: Json = False,
) -> None:
    """Validate a recipe with its data set, or a manifest."""
    with without_garbage_collection():
        from phenolens.encoders import allow_code
        from phenolens.workflows.validate import validate as validate_file

        with allow_code(code):
            found = validate_file(file, progress=not as_json)
    if as_json:
        of = {"kind": found.kind, "manifest": found.source, "n_sites": found.n_sites}
        cost = None if found.cost is None else asdict(found.cost)
        print_json({"valid": True, **of, "warnings": list(found.warnings), "cost": cost})
        return
    for warning in found.warnings:
        typer.echo(f"warning: {warning}")
    typer.echo(f"valid: {file}; {found.n_sites} sites in {found.source}")
    if found.cost is not None:
        typer.echo(
            f"embedding them with {found.cost.n_encoders} encoders on {found.cost.device} takes about "
            f"{duration(found.cost.seconds)} and {found.cost.gib:.1f} GiB"
        )


def doctor(as_json: Json = False) -> None:
    """Show the hardware, libraries and optional packages of this machine."""
    from phenolens.workflows.doctor import examine

    findings = examine()
    if as_json:
        print_json(findings)
        return
    print_table(("what", "found"), [(name, str(finding)) for name, finding in findings.items()])
