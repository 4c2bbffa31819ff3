"""Commands that simulate images with known true factors."""

from typing import Annotated, Literal

import typer

from phenolens.cli.options import Out, parse_options
from phenolens.core.errors import PhenolensError

simulate_app = typer.Typer(help="Simulate images with known true factors.", no_args_is_help=True)


@simulate_app.command("cells")
def simulate_cells_command(
    out: Out,
    preset: Annotated[str, typer.Option(help="Kind of screen; see: phenolens ls datasets.")] = "one-factor",
    plates: Annotated[int, typer.Option(min=1)] = 2,
    wells: Annotated[int, typer.Option(min=1, help="Wells per plate.")] = 48,
    perturbations: Annotated[int | None, typer.Option(help="Number of treatments.")] = None,
    size: Annotated[int, typer.Option(min=1, help="Side of a site in pixels.")] = 256,
    channel: Annotated[list[str] | None, typer.Option(help="Channel to image; repeatable, in order.")] = None,
    level: Annotated[list[str] | None, typer.Option(help="Strength of a level, e.g. intensity=0; repeatable.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Simulate a fluorescence screen: images, manifest, cells and relations."""
    from phenolens.simulation import CELL_PAINTING, simulate_cells

    manifest = simulate_cells(
        out,
        preset=preset,
        plates=plates,
        wells=wells,
        perturbations=perturbations,
        size=size,
        channels=channel or CELL_PAINTING,
        levels={name: _parse_number(name, value) for name, value in parse_options(level or [], "--level").items()},
        seed=seed,
    )
    typer.echo(f"manifest: {manifest}")


@simulate_app.command("tissue")
def simulate_tissue_command(
    out: Out,
    preset: Annotated[
        str, typer.Option(help="What the classes differ in: composition, arrangement, stain, morphology.")
    ] = "composition",
    variant: Annotated[Literal["he", "multiplex"], typer.Option(help="Stain of the tissue.")] = "he",
    patients: Annotated[int, typer.Option(min=1)] = 6,
    slides: Annotated[int, typer.Option(min=1, help="Slides per patient.")] = 2,
    tiles: Annotated[int, typer.Option(min=1, help="Tiles along the side of a slide.")] = 4,
    size: Annotated[int, typer.Option(min=1, help="Side of a tile in pixels.")] = 256,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Simulate tissue slides, cut into tiles: images, masks, manifest and cells."""
    from phenolens.simulation import simulate_tissue

    manifest = simulate_tissue(
        out, preset=preset, variant=variant, patients=patients, slides=slides, tiles=tiles, size=size, seed=seed
    )
    typer.echo(f"manifest: {manifest}")


def _parse_number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise PhenolensError(f"{name} must be a number, found '{text}'") from error
