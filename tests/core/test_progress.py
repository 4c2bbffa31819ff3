"""Long work says how far it is: a line now and then where there is no terminal, a bar where there is one."""

import sys

import pytest
from rich.console import Console

from phenolens.core import progress
from phenolens.core.progress import progress_bar


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""
    at = {"now": 0.0}
    monkeypatch.setattr(progress.time, "monotonic", lambda: at["now"])
    return at


def test_a_line_is_written_every_half_minute_with_the_time_left(clock, capsys):
    with progress_bar("evaluating", 100, done=20, shown=True) as show:
        for now, seconds in ((20, 1), (25, 20), (30, 40), (35, 50), (60, 100), (100, 200)):
            clock["now"] = seconds
            show(now, "one, activity, raw")
    assert capsys.readouterr().err.splitlines() == [
        "evaluating: 30 of 100, about 5 min left; next: one, activity, raw",
        "evaluating: 60 of 100, about 2 min left; next: one, activity, raw",
    ]


def test_no_time_is_told_before_anything_is_done(clock, capsys):
    with progress_bar("diagnosing", 3, shown=True) as show:
        clock["now"] = 31
        show(0, "compare shortcuts")
    assert capsys.readouterr().err == "diagnosing: 0 of 3; next: compare shortcuts\n"


def test_a_terminal_has_a_bar_in_which_names_are_no_markup(monkeypatch, capsys):
    terminal = Console(file=sys.stderr, force_terminal=True, width=200)
    monkeypatch.setattr(progress, "Console", lambda file: terminal)
    with progress_bar("evaluating", 4, shown=True) as show:
        show(3, "[bold]mine[/nothing]")
    shown = capsys.readouterr().err
    assert "3/4" in shown
    assert "[bold]mine[/nothing]" in shown


def test_nothing_is_shown_unless_asked(clock, capsys):
    with progress_bar("evaluating", 4, shown=False) as show:
        clock["now"] = 100
        show(3)
    assert capsys.readouterr() == ("", "")
