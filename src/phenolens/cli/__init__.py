"""The command line: thin commands that print results to stdout and everything else to stderr."""

from phenolens.cli.app import main

__all__ = ["main"]
