"""The command that writes a manifest and a recipe for images or vectors as people have them."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phenolens.cli.options import Json, parse_options, print_json, without_garbage_collection

if TYPE_CHECKING:
    from phenolens.workflows.init import Drafted


def init(
    folder: Annotated[list[Path] | None, typer.Argument(help="The folder of images.")] = None,
    tables: Annotated[
        list[Path] | None, typer.Option(help="Table of vectors (CSV, Parquet, .h5ad, .npz); repeatable.")
    ] = None,
    platemap: Annotated[Path | None, typer.Option(help="Table of what is in each well.")] = None,
    controls: Annotated[
        list[str] | None, typer.Option(help="Perturbation that is a negative control; repeatable.")
    ] = None,
    channel: Annotated[list[str] | None, typer.Option(help="Name of a channel, such as 1=dna; repeatable.")] = None,
    pattern: Annotated[
        str | None, typer.Option(help="Layout of the folder, or a regular expression of file names.")
    ] = None,
    table: Annotated[Path | None, typer.Option(help="Table that names the images.")] = None,
    z: Annotated[str | None, typer.Option("--z", help="The z-plane to read, if there are several.")] = None,
    time: Annotated[str | None, typer.Option(help="The time point to read, if there are several.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for manifest.csv and recipe.yaml; by default beside the images.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a manifest and a recipe for a folder of images, or a recipe for tables of vectors."""
    paths = folder or []
    of_images = {"platemap": platemap, "channel": channel, "pattern": pattern, "table": table, "z": z, "time": time}
    if tables:
        given = [f"--{name}" for name, value in of_images.items() if value]
        if given:
            raise typer.BadParameter(f"{given[0]} is for folders of images, and --tables for tables of vectors")
        from phenolens.workflows.init_tables import init_tables

        drafted = init_tables([*tables, *paths], out, controls=controls or [])
    else:
        if len(paths) != 1:
            raise typer.BadParameter("name one folder of images, or tables of vectors (--tables FILE)")
        with without_garbage_collection():
            from phenolens.datasets.layouts import PlateChoices
            from phenolens.workflows.init import init as init_images

            drafted = init_images(
                paths[0],
                out,
                platemap=platemap,
                controls=controls or [],
                pattern=pattern,
                table=table,
                choices=PlateChoices(z, time, _channels(channel or [])),
            )
    if as_json:
        print_json({**asdict(drafted), "written": [str(path) for path in drafted.written]})
        return
    _print(drafted)


def _channels(texts: list[str]) -> dict[str, str]:
    # `parse_options` puts underscores for hyphens, which names of channels may have.
    options = {}
    for text in texts:
        name = text.partition("=")[0]
        options[name] = next(iter(parse_options([text], "--channel").values()))
    return options


def _print(drafted: "Drafted") -> None:
    for line in drafted.found:
        typer.echo(f"found: {line}")
    for line in drafted.guesses:
        typer.echo(f"guessed: {line}")
    for line in drafted.missing:
        typer.echo(f"fill in: {line}")
    for path in drafted.written:
        typer.echo(f"written: {path}")
    typer.echo(f"next: {drafted.next_step}")
