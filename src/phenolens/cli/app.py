"""The command line: thin commands, one call each; results to stdout, everything else to stderr."""

import logging
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table

from phenolens.cli.options import Device, Json, Out, PrecisionOption, print_json, print_verdicts, stdout
from phenolens.cli.simulate import simulate_app
from phenolens.cli.tables import diagnose, evaluate
from phenolens.core.errors import PhenolensError

app = typer.Typer(
    help="Tell what a microscopy model has actually learned.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

app.add_typer(simulate_app, name="simulate")
app.command()(evaluate)
app.command()(diagnose)

_stderr = Console(stderr=True)


@app.callback()
def _configure(verbose: Annotated[bool, typer.Option("--verbose", help="Log each step.")] = False) -> None:
    handler = RichHandler(console=_stderr, show_path=False)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], format="%(message)s")
    logging.getLogger("phenolens").setLevel(logging.DEBUG if verbose else logging.INFO)
    # Where in the code a warning arose helps no user.
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"


@app.command()
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


@app.command()
def embed(
    manifest: Annotated[Path, typer.Argument(help="The manifest (CSV, TSV, Parquet).")],
    encoder: Annotated[list[str], typer.Option(help="Encoder name; repeat for several.")],
    out: Out = Path("out/embeddings"),
    channel: Annotated[list[str] | None, typer.Option(help="Channel to use; repeat, in order.")] = None,
    crop: Annotated[Literal["whole", "centre", "tiles"], typer.Option(help="What to take of each image.")] = "whole",
    size: Annotated[int | None, typer.Option(help="Side of crops and tiles, in pixels.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Crops per forward pass.")] = 32,
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that read images.")] = None,
    device: Device = "auto",
    precision: PrecisionOption = "fp32",
    max_failed: Annotated[float, typer.Option(min=0, max=1, help="Share of sites that may fail.")] = 0.01,
    as_json: Json = False,
) -> None:
    """Embed every site of a manifest, into one .h5ad per encoder."""
    from phenolens.datasets import read_manifest
    from phenolens.embedding import embed_to_folder
    from phenolens.images import Crop

    embedded = embed_to_folder(
        read_manifest(manifest),
        encoder,
        out,
        channels=channel,
        crop=Crop(crop, size),
        batch_size=batch_size,
        workers=workers,
        device=device,
        precision=precision,
        max_failed=max_failed,
        progress=True,
    )
    shapes = {name: list(vectors.shape) for name, vectors in embedded.embeddings.items()}
    if as_json:
        print_json({"out": str(out), "embeddings": shapes, "quarantine": embedded.quarantine})
        return
    for name, (rows, dim) in shapes.items():
        typer.echo(f"{name}: {rows} sites x {dim}")
    typer.echo(f"{len(embedded.quarantine)} sites could not be read; embeddings in {out}")


@app.command()
def pack(
    manifest: Annotated[Path, typer.Argument(help="The manifest (CSV, TSV, Parquet).")],
    out: Out = Path("out/packed"),
    channel: Annotated[list[str] | None, typer.Option(help="Channel to keep; repeat, in order.")] = None,
    shard_mib: Annotated[int, typer.Option(min=1, help="About how large a shard becomes, in MiB.")] = 256,
    as_json: Json = False,
) -> None:
    """Pack loose images into shards, and write their manifest; goes on where it stopped."""
    from phenolens.datasets import pack as pack_images
    from phenolens.datasets import read_manifest

    packed = pack_images(read_manifest(manifest), out, channels=channel, shard_mib=shard_mib)
    if as_json:
        print_json(asdict(packed))
        return
    for site, reason in packed.quarantine.items():
        typer.echo(f"left out: {site}: {reason}", err=True)
    typer.echo(f"{packed.n_sites} sites in {packed.n_shards} shards; manifest: {packed.manifest}")


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(help="The training recipe (YAML).")],
    out: Out = Path("out/train"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it takes, and do nothing.")] = False,
    channels: Annotated[int, typer.Option(min=1, help="Channels, for a dry run without images.")] = 6,
    devices: Annotated[int, typer.Option(min=1, help="Devices, for a dry run.")] = 1,
    teraflops: Annotated[float, typer.Option(help="Peak of a device, for a dry run; an H100's in bf16.")] = 989.0,
    utilisation: Annotated[float, typer.Option(help="Share of the peak that is reached, for a dry run.")] = 0.4,
    as_json: Json = False,
) -> None:
    """Train an encoder; goes on where it stopped. The checkpoint is an encoder at once: checkpoint:DIR."""
    from phenolens.recipes import TrainingRecipe, load_recipe_of_kind
    from phenolens.workflows.training import estimate_run, run_training

    own = load_recipe_of_kind(recipe, TrainingRecipe)
    if dry_run:
        found = asdict(estimate_run(own, channels, devices=devices, teraflops=teraflops, utilisation=utilisation))
        if as_json:
            print_json(found)
            return
        table = Table("what", own.name)
        for name, value in found.items():
            table.add_row(name.replace("_", " "), f"{value:,}" if isinstance(value, int) else f"{value:.3g}")
        stdout.print(table)
        return
    path = run_training(own, out, progress=True)
    if as_json:
        print_json({"checkpoint": str(path), "encoder": f"checkpoint:{path}"})
        return
    typer.echo(f"encoder: checkpoint:{path}")


@app.command()
def scale(
    recipe: Annotated[Path, typer.Argument(help="The scaling recipe (YAML).")],
    out: Out = Path("out/scale"),
    as_json: Json = False,
) -> None:
    """Train what a recipe varies, and fit scores against operations; goes on where it stopped."""
    from phenolens.recipes import ScalingRecipe, load_recipe_of_kind
    from phenolens.workflows.scaling import run_scaling

    scores, fits = run_scaling(load_recipe_of_kind(recipe, ScalingRecipe), out, progress=True)
    if as_json:
        print_json({"scores": scores.to_dict("records"), "fits": fits.to_dict("records")})
        return
    for row in fits.itertuples():
        typer.echo(
            f"{row.task}, {row.profiling}: {row.slope:+.3f} [{row.low:+.3f}, {row.high:+.3f}] for ten times the "
            f"operations, over {row.n_points} runs"
        )
    typer.echo(f"figure: {out / 'scaling.html'}")


@app.command()
def push(
    checkpoint: Annotated[Path, typer.Argument(help="The checkpoint, or the folder that train has written.")],
    repository: Annotated[str, typer.Argument(help="OWNER/NAME on the Hugging Face hub.")],
    licence: Annotated[str, typer.Option(help="Licence of the weights, if the recipe has not said it.")] = "",
    public: Annotated[bool, typer.Option("--public", help="Whether all may see a new repository.")] = False,
) -> None:
    """Publish a checkpoint on the Hugging Face hub."""
    from phenolens.training import push as push_checkpoint

    typer.echo(f"encoder: {push_checkpoint(checkpoint, repository, licence=licence, private=not public)}")


@app.command()
def report(folder: Annotated[Path, typer.Argument(help="A folder that run has written.")]) -> None:
    """Write the HTML report of a study again."""
    from phenolens.report import write_report

    typer.echo(f"report: {write_report(folder)}")


@app.command("ls")
def list_(
    what: Annotated[Literal["encoders", "datasets", "tasks", "profilers"], typer.Argument()],
    as_json: Json = False,
) -> None:
    """List what there is."""
    from phenolens.workflows.catalogue import catalogue

    entries = catalogue(what)
    if as_json:
        print_json(entries)
        return
    table = Table("name", "what it is")
    for name, summary in entries.items():
        table.add_row(name, summary)
    stdout.print(table)


@app.command()
def validate(
    file: Annotated[Path, typer.Argument(help="A recipe of any kind (YAML), or a manifest.")],
    as_json: Json = False,
) -> None:
    """Check a recipe and its data set, or a manifest, before any work starts."""
    from phenolens.workflows.validate import validate as validate_file

    found = validate_file(file)
    if as_json:
        print_json({"valid": True, "kind": found.kind, "manifest": found.source, "n_sites": found.n_sites})
        return
    typer.echo(f"valid: {file}; {found.n_sites} sites in {found.source}")


@app.command()
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


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a stated failure ends it with one line and exit code 1."""
    try:
        app(arguments)
    except (PhenolensError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
