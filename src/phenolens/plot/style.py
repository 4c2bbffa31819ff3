"""What all figures share: axes, colours that colour-blind readers tell apart, and names as plain text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from phenolens.core.errors import PhenolensError, did_you_mean
from phenolens.diagnosis.evidence import Evidence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito (2008). Each also has a marker of its own, for print without colour.
TESTED, BASELINE, UNTRAINED, QUIET = "#0072B2", "#555555", "#D55E00", "#BBBBBB"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

_LONGEST = 56  # characters of a name
_WIDTH, _ROW, _REST = 8.0, 0.3, 1.3  # inches


class HasEvidence(Protocol):
    """A `Card` or `Results`: whatever has evidence."""

    evidence: Evidence


class OfQuestion(Protocol):
    """A record of one question."""

    @property
    def task(self) -> str:
        """The task."""
        ...

    @property
    def profiling(self) -> str:
        """The profiling."""
        ...


R = TypeVar("R", bound=OfQuestion)


def axes_for(ax: Axes | None, n_rows: int | None = None) -> Axes:
    """Return the given axes, or those of a new figure, high enough for rows of text if there are any.

    Raises
    ------
    PhenolensError
        If matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot as plt  # noqa: PLC0415 - optional
    except ImportError as error:
        raise PhenolensError("figures need matplotlib; install it: pip install 'phenolens[plots]'") from error
    if ax is None:
        height = 4.0 if n_rows is None else _REST + _ROW * n_rows
        _, ax = plt.subplots(figsize=(_WIDTH, height), layout="constrained")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def shorten(text: object, longest: int = _LONGEST) -> str:
    """Return a name in one line, and shortened."""
    line = " ".join(str(text).split())
    return line if len(line) <= longest else f"{line[: longest - 1]}\u2026"


def plain(text: object) -> str:
    """Return a shortened name as text that matplotlib does not read as a formula, nor as a label to be hidden."""
    short = shorten(text).replace("$", r"\$")
    return f" {short}" if short.startswith("_") else short


def label_rows(ax: Axes, names: Sequence[object]) -> None:
    """Name rows, the first of which is drawn at the top."""
    ax.set_yticks(range(len(names)), [plain(name) for name in names])
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)


def legend(ax: Axes, title: str | None = None) -> None:
    """Explain colours and lines beside the axes, where nothing is drawn."""
    ax.legend(title=title, fontsize="small", frameon=False, loc="upper left", bbox_to_anchor=(1, 1))


def title(ax: Axes, task: str, profiling: str) -> None:
    """Name the question that is drawn."""
    ax.set_title(plain(f"{task}, {profiling}"), loc="left", fontsize="medium")


def of_one_question(records: Iterable[R], task: str | None, profiling: str | None, what: str) -> list[R]:
    """Return the records of one question, by default of the first that there is.

    Raises
    ------
    PhenolensError
        If there are none.
    """
    found = list(records)
    if not found:
        raise PhenolensError(f"there is nothing to draw: the diagnosis found no {what}; see what it skipped, and why")
    for name, asked in (("task", task), ("profiling", profiling)):
        known = list(dict.fromkeys(getattr(each, name) for each in found))
        wanted = known[0] if asked is None else asked
        if wanted not in known:
            raise PhenolensError(f"no {what} of the {name} '{wanted}'{did_you_mean(wanted, known)}")
        found = [each for each in found if getattr(each, name) == wanted]
    return found
