"""The one progress bar of long work."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def progress_bar(what: str, total: int, *, done: int = 0, shown: bool) -> Iterator[Callable[[int], None]]:
    """Draw a bar on stderr; yield a function that takes how much is done.

    Parameters
    ----------
    what
        What is done, in one word.
    total
        How much there is to do.
    done
        How much of it is done already.
    shown
        Whether to draw it.
    """
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr), disable=not shown) as bar:
        task = bar.add_task("", total=total, completed=done)
        yield lambda now: bar.update(task, completed=now)
