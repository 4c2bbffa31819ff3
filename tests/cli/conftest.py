"""The command line as tests call it."""

import pytest

from phenolens.cli import main


@pytest.fixture
def call(capsys):
    """Run the command line; return exit code, stdout and stderr."""

    def run(*arguments):
        try:
            main([str(argument) for argument in arguments])
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
