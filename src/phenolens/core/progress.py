"""How far long work is: a bar on a terminal, now and then a line in a file of messages."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column

from phenolens.core.numbers import duration

_SECONDS_BETWEEN_LINES = 30.0


class Show(Protocol):
    """Shows how much is done, and what is done next."""

    def __call__(self, now: int, then: str = "") -> None:
        """Take how much is done, and the name of the step that follows."""


@contextmanager
def progress_bar(what: str, total: int, *, done: int = 0, shown: bool) -> Iterator[Show]:
    """Show on stderr how far work is, and about how long it still takes.

    A terminal has a bar; elsewhere, as in the log of a cluster, a line is written every half minute.

    Parameters
    ----------
    what
        What is done, in one word.
    total
        How much there is to do.
    done
        How much of it is done already.
    shown
        Whether to show anything.
    """
    if not shown:
        yield _show_nothing
        return
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield _Lines(what, total, done)
    else:
        columns = (
            TextColumn(what),
            BarColumn(20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True)),
        )
        with Progress(*columns, console=console, expand=True) as bar:
            task = bar.add_task("", total=total, completed=done)
            yield lambda now, then="": bar.update(task, completed=now, description=then)


def _show_nothing(now: int, then: str = "") -> None:
    pass


class _Lines:
    """Writes a line every half minute."""

    def __init__(self, what: str, total: int, done: int) -> None:
        self._what, self._total, self._first = what, total, done
        self._start = self._written = time.monotonic()

    def __call__(self, now: int, then: str = "") -> None:
        at = time.monotonic()
        if at - self._written < _SECONDS_BETWEEN_LINES or now >= self._total:
            return
        self._written = at
        left = ""
        if now > self._first:
            left = f", about {duration((at - self._start) / (now - self._first) * (self._total - now))} left"
        following = f"; next: {then}" if then else ""
        print(f"{self._what}: {now} of {self._total}{left}{following}", file=sys.stderr, flush=True)
