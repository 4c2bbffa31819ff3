"""The command that opens the explorer."""

import contextlib
import webbrowser
from pathlib import Path
from typing import Annotated

import typer


def view(
    folder: Annotated[Path, typer.Argument(help="The output folder of run or embed.")],
    manifest: Annotated[
        Path | None, typer.Option(help="The manifest of the images, if it has moved or the folder names none.")
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port; a free one if not given.")] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
) -> None:
    """Explore the embeddings of a study, with its images, on a local page."""
    from phenolens.view import ViewServer, open_study

    typer.echo(f"reading the embeddings in {folder}", err=True)
    study = open_study(folder, manifest)
    with ViewServer(study, port) as server:
        for note in study.notes:
            typer.echo(f"note: {note}", err=True)
        typer.echo(f"{len(study.sites)} sites, {len(study.encoders)} encoders: {server.url}")
        typer.echo("for this machine only; Ctrl+C ends it")
        if browser:
            webbrowser.open(server.url)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
