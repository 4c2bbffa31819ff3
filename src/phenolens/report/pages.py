"""What each section of the page shows: figures first, then sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phenolens.report.headlines import Headline
from phenolens.report.layout import Table
from phenolens.report.scores import TaskScores
from phenolens.report.section_figures import Group
from phenolens.report.summary import Finding
from phenolens.report.tables import SECTIONS

_MOST_SENTENCES = 6


@dataclass(frozen=True)
class Page:
    """One section: its figures, the sentences that stand open and those that are folded."""

    figures: tuple[Group, ...]
    first: tuple[Finding, ...]
    rest: tuple[Finding, ...]
    is_empty: bool


def pages(
    figures: Mapping[str, tuple[Group, ...]],
    tasks: Sequence[TaskScores],
    shown: Sequence[Headline],
    found: Sequence[Finding],
    tables: Mapping[str, Sequence[Table]],
) -> dict[str, Page]:
    """Return section -> what it shows.

    Parameters
    ----------
    figures
        The figures of each section; see `section_figures`.
    tasks
        All scores.
    shown
        The questions, each under the post-processing that is shown first.
    found
        All sentences; those of scores stand with the score of their task, and not here.
    tables
        The tables of each section.
    """
    laid_out = {}
    scored_tasks = {task.task for task in tasks}
    for section in SECTIONS:
        here = [each for each in found if each.section == section]
        if section == "beats":
            here = [each for each in here if each.task not in scored_tasks]
        first, rest = split_sentences(here, shown)
        drawn = figures.get(section, ())
        is_empty = not (drawn or here or tables[section] or (section == "beats" and tasks))
        laid_out[section] = Page(drawn, first, rest, is_empty)
    return laid_out


def sentences_by_task(
    found: Sequence[Finding], shown: Sequence[Headline]
) -> dict[str, tuple[tuple[Finding, ...], tuple[Finding, ...]]]:
    """Return task -> the sentences on its scores that stand open, and those that are folded."""
    by_task: dict[str, list[Finding]] = {}
    for each in found:
        if each.section == "beats" and each.task:
            by_task.setdefault(each.task, []).append(each)
    return {task: split_sentences(of_task, shown) for task, of_task in by_task.items()}


def split_sentences(
    found: Sequence[Finding], shown: Sequence[Headline]
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """Return the first few sentences on what is shown first, and all others."""
    headline = {(each.task, each.profiling) for each in shown}
    open_ones = [each for each in found if not each.task or (each.task, each.profiling) in headline]
    first = open_ones[:_MOST_SENTENCES]
    chosen = {id(each) for each in first}
    return tuple(first), tuple(each for each in found if id(each) not in chosen)
