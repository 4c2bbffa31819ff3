"""The command line: thin commands, one call each; results to stdout, everything else to stderr."""

from phenolens.cli.app import main

__all__ = ["main"]
