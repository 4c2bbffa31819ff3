"""The application of the command line; each command imports what it needs when it runs."""

import logging
import sys
import warnings
from typing import Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler

from phenolens.cli.embedding import embed, pack, segment
from phenolens.cli.init import init
from phenolens.cli.simulate import simulate_app
from phenolens.cli.study import doctor, list_, report, run, validate
from phenolens.cli.tables import TASK_OPTIONS, diagnose, evaluate
from phenolens.cli.training import push, scale, train
from phenolens.cli.view import view
from phenolens.core.errors import PhenolensError

app = typer.Typer(
    help="Evaluate what a microscopy model has actually learned.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

for command in (init, run, report, view, validate, doctor, embed, segment, pack, train, scale, push, diagnose):
    app.command()(command)
app.command("ls")(list_)
app.command(context_settings=TASK_OPTIONS)(evaluate)
app.add_typer(simulate_app, name="simulate")

_stderr = Console(stderr=True)


@app.callback()
def _configure(verbose: Annotated[bool, typer.Option("--verbose", help="Log each step.")] = False) -> None:
    handler = RichHandler(console=_stderr, show_path=False)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], format="%(message)s")
    logging.getLogger("phenolens").setLevel(logging.DEBUG if verbose else logging.INFO)
    # The place of a warning in the code does not help users.
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; expected failures end it with one line and exit code 1."""
    try:
        app(arguments)
    except (PhenolensError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
