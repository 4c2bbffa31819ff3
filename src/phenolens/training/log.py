"""The log of a training run as CSV, to which a resumed run adds."""

import csv
from argparse import Namespace
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from phenolens.core.files import write_whole

_STEP = "step"


class CsvLog(Logger):
    """Metrics in a CSV file, each row on disk as soon as it is known.

    Parameters
    ----------
    path
        The file.
    start
        The number of steps that are done already: rows of earlier runs are kept up to there, since later ones follow
        again.
    """

    def __init__(self, path: Path, start: int) -> None:
        super().__init__()
        self.path = path
        self.start = start
        self._columns: list[str] | None = None

    @property
    def name(self) -> str:
        """No name; the folder of the run has one."""
        return ""

    @property
    def version(self) -> str:
        """The folder within that of the run."""
        return self.path.parent.name

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Write nothing: the checkpoint holds the recipe."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Add a row."""
        row = {**metrics, _STEP: step}
        if self._columns is None or not set(row) <= set(self._columns):
            before = self.start if self._columns is None else None
            self._rewrite(_rows(self.path, before), row)
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, self._columns or []).writerow(row)

    def _rewrite(self, earlier: list[dict[str, str]], row: Mapping[str, Any]) -> None:
        """Write earlier rows with the columns that another one needs too."""
        self._columns = sorted({*row, *(earlier[0] if earlier else ())})
        content = StringIO(newline="")
        writer = csv.DictWriter(content, self._columns)
        writer.writeheader()
        writer.writerows(earlier)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, content.getvalue().encode())


def _rows(path: Path, before: int | None) -> list[dict[str, str]]:
    """Return the whole rows of a log, those before a step if one is given; none if there is no log."""
    if not path.is_file():
        return []
    with path.open(newline="", errors="replace") as file:
        rows = [row for row in csv.DictReader(file) if None not in row and (row.get(_STEP) or "").isdecimal()]
    return [row for row in rows if before is None or int(row[_STEP]) < before]
