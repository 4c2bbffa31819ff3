"""Commands that read images: embed, segment and pack."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from phenolens.cli.options import (
    AllowCode,
    Device,
    Json,
    NucleusDiameter,
    Out,
    PrecisionOption,
    SegmentationName,
    print_json,
)
from phenolens.core.numbers import count


def embed(
    manifest: Annotated[Path, typer.Argument(help="The manifest: a table, or a folder of class folders.")],
    encoder: Annotated[list[str], typer.Option(help="Encoder; repeatable.")],
    out: Out = Path("out/embeddings"),
    channel: Annotated[list[str] | None, typer.Option(help="Channel to use; repeatable, in order.")] = None,
    crop: Annotated[Literal["whole", "centre", "tiles"], typer.Option(help="Crops to take of each image.")] = "whole",
    size: Annotated[int | None, typer.Option(help="Side of crops and tiles in pixels.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Number of crops per forward pass.")] = 32,
    workers: Annotated[int | None, typer.Option(min=0, help="Number of processes that read images.")] = None,
    device: Device = "auto",
    precision: PrecisionOption = "fp32",
    max_failed: Annotated[float, typer.Option(min=0, max=1, help="Largest share of sites that may fail.")] = 0.01,
    code: AllowCode = False,
    as_json: Json = False,
) -> None:
    """Embed every site of a manifest into one .h5ad per encoder."""
    from phenolens.datasets import read_manifest
    from phenolens.embedding import embed_to_folder
    from phenolens.encoders import allow_code
    from phenolens.images import Crop

    with allow_code(code):
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
    typer.echo(f"{count(len(embedded.quarantine), 'site')} could not be read; embeddings in {out}")


def segment(
    manifest: Annotated[Path, typer.Argument(help="The manifest: a table, or a folder of class folders.")],
    out: Out = Path("out/nuclei"),
    segmentation: SegmentationName = "classical",
    diameter: NucleusDiameter = None,
    channel: Annotated[str | None, typer.Option(help="Nuclear channel; found by its name if not given.")] = None,
    workers: Annotated[int | None, typer.Option(min=0, help="Number of processes.")] = None,
    as_json: Json = False,
) -> None:
    """Segment nuclei into label images, overlays to look at, a table, and a manifest with masks."""
    from phenolens.datasets import read_manifest
    from phenolens.embedding import default_workers
    from phenolens.images import NucleiOptions
    from phenolens.workflows.segment import segment as segment_sites

    found = segment_sites(
        read_manifest(manifest),
        out,
        NucleiOptions(segmentation, diameter),
        channel=channel,
        workers=default_workers(networks=False) if workers is None else workers,
    )
    if as_json:
        sites = found.table.to_dict(orient="records")
        print_json({"manifest": str(found.manifest), "sites": sites, "skipped": found.skipped})
        return
    for site, reason in found.skipped.items():
        typer.echo(f"skipped: {site}: {reason}", err=True)
    flags = found.table["caveats"].str.split("; ").explode()
    for caveat, times in flags[flags != ""].value_counts(sort=False).items():
        typer.echo(f"caveat: {times} of {len(found.table)} sites {caveat}")
    typer.echo(
        f"{found.table['nuclei'].sum()} nuclei in {len(found.table)} sites; manifest with masks: {found.manifest}"
    )


def pack(
    manifest: Annotated[Path, typer.Argument(help="The manifest: a table, or a folder of class folders.")],
    out: Out = Path("out/packed"),
    channel: Annotated[list[str] | None, typer.Option(help="Channel to keep; repeatable, in order.")] = None,
    shard_mib: Annotated[int, typer.Option(min=1, help="Approximate size of a shard in MiB.")] = 256,
    as_json: Json = False,
) -> None:
    """Pack images into shards with a manifest; a stopped run is resumed."""
    from phenolens.datasets import pack as pack_images
    from phenolens.datasets import read_manifest

    packed = pack_images(read_manifest(manifest), out, channels=channel, shard_mib=shard_mib)
    if as_json:
        print_json(asdict(packed))
        return
    for site, reason in packed.quarantine.items():
        typer.echo(f"skipped: {site}: {reason}", err=True)
    typer.echo(f"{packed.n_sites} sites in {packed.n_shards} shards; manifest: {packed.manifest}")
