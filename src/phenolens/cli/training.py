"""Commands for training: train, scale and push."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from phenolens.cli.options import Json, Out, print_json, print_table


def train(
    recipe: Annotated[Path, typer.Argument(help="The training recipe (YAML).")],
    out: Out = Path("out/train"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only estimate the cost.")] = False,
    channels: Annotated[int, typer.Option(min=1, help="Number of channels, for a dry run without images.")] = 6,
    devices: Annotated[int, typer.Option(min=1, help="Number of devices, for a dry run.")] = 1,
    teraflops: Annotated[float, typer.Option(help="Peak of a device, for a dry run; default: H100 in bf16.")] = 989.0,
    utilisation: Annotated[float, typer.Option(help="Share of the peak that is reached, for a dry run.")] = 0.4,
    as_json: Json = False,
) -> None:
    """Train an encoder, which can be used as checkpoint:DIR. A stopped run is resumed."""
    from phenolens.recipes import TrainingRecipe, load_recipe_of_kind
    from phenolens.workflows.training import estimate_run, run_training

    training = load_recipe_of_kind(recipe, TrainingRecipe)
    if dry_run:
        found = asdict(estimate_run(training, channels, devices=devices, teraflops=teraflops, utilisation=utilisation))
        if as_json:
            print_json(found)
            return
        texts = {name: f"{value:,}" if isinstance(value, int) else f"{value:.3g}" for name, value in found.items()}
        print_table(("what", training.name), [(name.replace("_", " "), text) for name, text in texts.items()])
        return
    path = run_training(training, out, progress=True)
    if as_json:
        print_json({"checkpoint": str(path), "encoder": f"checkpoint:{path}"})
        return
    typer.echo(f"encoder: checkpoint:{path}")


def scale(
    recipe: Annotated[Path, typer.Argument(help="The scaling recipe (YAML).")],
    out: Out = Path("out/scale"),
    as_json: Json = False,
) -> None:
    """Train all runs of a scaling recipe, and regress scores on operations. A stopped run is resumed."""
    from phenolens.recipes import ScalingRecipe, load_recipe_of_kind
    from phenolens.workflows.scaling import run_scaling

    result = run_scaling(load_recipe_of_kind(recipe, ScalingRecipe), out, progress=True)
    if as_json:
        fits = [fit.as_row() for fit in result.fits]
        print_json({"scores": [asdict(score) for score in result.scores], "fits": fits})
        return
    for fit in result.fits:
        slope = f"{fit.slope.value:+.3f} [{fit.slope.low:+.3f}, {fit.slope.high:+.3f}]"
        typer.echo(f"{fit.task}, {fit.profiling}: {slope} for ten times the operations, over {fit.n_encoders} runs")
    typer.echo(f"figure: {out / 'scaling.html'}")


def push(
    checkpoint: Annotated[Path, typer.Argument(help="The checkpoint, or the output folder of train.")],
    repository: Annotated[str, typer.Argument(help="OWNER/NAME on the Hugging Face hub.")],
    licence: Annotated[str, typer.Option(help="Licence of the weights, if the recipe does not give it.")] = "",
    public: Annotated[bool, typer.Option("--public", help="Make a new repository public.")] = False,
) -> None:
    """Publish a checkpoint on the Hugging Face hub."""
    from phenolens.training import push as push_checkpoint

    typer.echo(f"encoder: {push_checkpoint(checkpoint, repository, licence=licence, private=not public)}")
