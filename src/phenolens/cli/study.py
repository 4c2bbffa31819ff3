"""The commands of a study: run it, write its report again, check a file, list what there is, look at the machine."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table

from phenolens.cli.options import Json, Out, print_json, print_verdicts, stdout, without_garbage_collection


def run(
    recipe: Annotated[Path, typer.Argument(help="The recipe (YAML).")],
    out: Out = Path("out"),
    as_json: Json = False,
) -> None:
    """Run a study: embed, profile, ask, diagnose, report. Goes on where it stopped."""
    from phenolens.recipes import Recipe, load_recipe_of_kind
    from phenolens.workflows.study import run as run_study

    results = run_study(load_recipe_of_kind(recipe, Recipe), out, progress=True)
    if as_json:
        print_json({"report": str(out / "report.html"), "verdicts": results.verdicts})
        return
    print_verdicts(results.verdicts)
    typer.echo(f"report: {out / 'report.html'}")


def report(folder: Annotated[Path, typer.Argument(help="A folder that run has written.")]) -> None:
    """Write the HTML report of a study again."""
    from phenolens.report import write_report

    typer.echo(f"report: {write_report(folder)}")


def list_(
    what: Annotated[Literal["encoders", "datasets", "tasks", "profilers"], typer.Argument()],
    as_json: Json = False,
) -> None:
    """List what there is."""
    with without_garbage_collection():
        from phenolens.workflows.catalogue import catalogue, task_options

        entries = catalogue(what)
        options = task_options() if what == "tasks" else {}
    if as_json:
        described = {
            name: {"question": entries[name], "options": {key: asdict(option) for key, option in of_task.items()}}
            for name, of_task in options.items()
        }
        print_json(described or entries)
        return
    table = Table("name", "what it is", *(["options"] if options else []))
    for name, summary in entries.items():
        table.add_row(name, summary, *([", ".join(options[name])] if options else []))
    stdout.print(table)


def validate(
    file: Annotated[Path, typer.Argument(help="A recipe of any kind (YAML), or a manifest.")],
    as_json: Json = False,
) -> None:
    """Check a recipe and its data set, or a manifest, before any work starts."""
    with without_garbage_collection():
        from phenolens.workflows.validate import validate as validate_file

        found = validate_file(file)
    if as_json:
        print_json({"valid": True, "kind": found.kind, "manifest": found.source, "n_sites": found.n_sites})
        return
    typer.echo(f"valid: {file}; {found.n_sites} sites in {found.source}")


def doctor(as_json: Json = False) -> None:
    """Tell what this machine can do, before a long job."""
    from phenolens.workflows.doctor import examine

    findings = examine()
    if as_json:
        print_json(findings)
        return
    table = Table("what", "found")
    for name, finding in findings.items():
        table.add_row(name, str(finding))
    stdout.print(table)
