"""What must be known before the answers are believed: each thing once, what changes them most first."""

from collections.abc import Sequence
from dataclasses import dataclass

from phenolens.core.numbers import count, listed
from phenolens.diagnosis.records import MetricRange
from phenolens.report.results import Results
from phenolens.report.scores import TaskScores
from phenolens.report.text import capital, task_phrase
from phenolens.report.unanswered import TITLE, unanswered

_GRADES = {
    "cannot tell": "The metric cannot tell encoders apart",
    "too few units": "Too few units to tell encoders apart",
    "tells only gross differences": "The metric tells only gross differences",
    "leaves little room": "The best baseline leaves little room",
}


@dataclass(frozen=True)
class Caveat:
    """A reservation, and the text of the notes on scores that refer to it."""

    title: str
    text: str
    note: str = ""


def caveats(results: Results, tasks: Sequence[TaskScores]) -> list[Caveat]:
    """Return what was asked and not answered, what voids scores, what metrics cannot tell, and notes on scores."""
    ranges = results.evidence.of(MetricRange)
    found = _said(results, "collapse", "no_baseline")
    found += _limits(ranges, "cannot tell", "too few units")
    found += _said(results, "leak")
    found += [Caveat(TITLE, capital(sentence)) for sentence in unanswered(results)]
    found += _limits(ranges, "tells only gross differences", "leaves little room")
    left_out = [item for item in results.panel_missing if item.get("by_recipe")]
    if left_out:
        text = (
            f"The recipe left out {count(len(left_out), 'default baseline')}: a gain over the rest is a weaker claim."
        )
        found.append(Caveat("Incomplete panel", text))
    return found + _notes(tasks)


def _said(results: Results, *kinds: str) -> list[Caveat]:
    """Return the verdicts of some rules."""
    return [Caveat(each.title, capital(each.claim)) for each in results.verdicts if each.kind in kinds]


def _limits(ranges: Sequence[MetricRange], *grades: str) -> list[Caveat]:
    found = []
    for grade in grades:
        by_task: dict[str, list[str]] = {}
        for each in ranges:
            if each.grade == grade:
                by_task.setdefault(each.task, []).append(each.profiling)
        if by_task:
            questions = [f"{task_phrase(task)} ({', '.join(profilings)})" for task, profilings in by_task.items()]
            found.append(Caveat(_GRADES[grade], capital(listed(questions, limit=10)) + "."))
    return found


def _notes(tasks: Sequence[TaskScores]) -> list[Caveat]:
    """Gather notes on scores, those on most scores first."""
    scopes: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    for task in tasks:
        for each in task.caveats:
            if not each.is_leak:
                scopes.setdefault(each.text, []).append(f"{task_phrase(task.task)} ({each.scope})")
                sizes[each.text] = sizes.get(each.text, 0) + each.n_scores
    texts = sorted(scopes, key=lambda text: -sizes[text])
    return [
        Caveat(
            "Note on scores", f"{capital(text)}. Concerns {listed(list(dict.fromkeys(scopes[text])), limit=10)}.", text
        )
        for text in texts
    ]
