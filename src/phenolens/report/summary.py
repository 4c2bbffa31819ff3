"""The opening of the page: what was evaluated on which data, and what was found."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phenolens.core.numbers import MISSING, count, decimals_for, interval, listed, number
from phenolens.diagnosis.evidence import Verdict
from phenolens.report.results import Results
from phenolens.report.scores import TaskScores
from phenolens.report.text import task_phrase
from phenolens.report.unanswered import TITLE, unanswered

_FLAGGED = {"collapse", "metric", "leak", "shortcut", "no_baseline"}
_DIFFERENCES = {"gain", "gain_over_untrained", "difference", "concept_difference", "layer"}


@dataclass(frozen=True)
class Finding:
    """One verdict, or one note on scores."""

    title: str
    claim: str
    effect: str
    limits: str
    context: str
    flagged: bool


def facts(dataset: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the counts that describe a dataset, each with its name; what is unknown is left out."""
    named = [
        ("Sites", "n_sites"),
        ("Wells", "n_wells"),
        ("Plates", "n_plates"),
        ("Perturbations", "n_perturbations"),
        ("Negative controls", "n_negative_controls"),
    ]
    found = [(label, count(dataset.get(key))) for label, key in named]
    found.append(("Channels", ", ".join(str(c) for c in dataset.get("channels") or [])))
    groups = dataset.get("groups")
    for key, value in groups.items() if isinstance(groups, Mapping) else ():
        found.append((str(key).capitalize(), count(value) if isinstance(value, int | float) else str(value)))
    return [(label, text) for label, text in found if text and text != MISSING]


def paragraph(results: Results, tasks: Sequence[TaskScores]) -> list[str]:
    """Say in a few sentences which questions were evaluated on what, and which encoders were compared."""
    sentences = [_scope(results.dataset)]
    questions = list(dict.fromkeys(task.task for task in tasks))
    if questions:
        names = listed([task_phrase(question) for question in questions], limit=8)
        sentences.append(
            f"{count(len(questions), 'task')} {'was' if len(questions) == 1 else 'were'} evaluated: {names}."
        )
    return [*sentences, *_encoders(results), *_reservations(results, tasks)]


def _scope(dataset: Mapping[str, Any]) -> str:
    """Say how large the data set is."""
    rows = _counts(dataset, {"n_sites": "site", "n_wells": "well", "n_plates": "plate"})
    covered = _counts(dataset, {"n_perturbations": "perturbation", "n_negative_controls": "negative control"})
    said = "The data set holds " + (listed(rows) or "no site")
    return said + (f", with {listed(covered)}." if covered else ".")


def _counts(dataset: Mapping[str, Any], nouns: Mapping[str, str]) -> list[str]:
    return [count(dataset[key], noun) for key, noun in nouns.items() if dataset.get(key)]


def findings(results: Results, tasks: Sequence[TaskScores]) -> list[Finding]:
    """List what was not answered, then verdicts, those that call a score into question first, and notes on scores.

    That a split leaks, a verdict says.
    """
    found = [_finding(verdict) for verdict in results.verdicts]
    scopes: dict[str, list[str]] = {}
    for task in tasks:
        for caveat in task.caveats:
            if not caveat.is_leak:
                scopes.setdefault(caveat.text, []).append(f"{task_phrase(task.task)} ({caveat.scope})")
    for text, scope in scopes.items():
        found.append(Finding("Caveat", text[:1].upper() + text[1:] + ".", "", "", listed(scope), True))
    missing = [
        Finding(TITLE, sentence[:1].upper() + sentence[1:], "", "", "", True) for sentence in unanswered(results)
    ]
    return [*missing, *sorted(found, key=lambda finding: not finding.flagged)]


def _finding(verdict: Verdict) -> Finding:
    decimals = decimals_for([verdict.high - verdict.low])
    context = [
        f"against {verdict.baseline}" if verdict.baseline else "",
        task_phrase(verdict.task) if verdict.task else "",
        verdict.profiling,
    ]
    is_difference = verdict.kind in _DIFFERENCES
    return Finding(
        title=verdict.title,
        claim=verdict.claim,
        effect=number(verdict.effect, decimals, signed=is_difference) if math.isfinite(verdict.effect) else "",
        limits=interval(verdict.low, verdict.high, decimals),
        context=", ".join(filter(None, context)),
        flagged=verdict.kind in _FLAGGED,
    )


def _encoders(results: Results) -> list[str]:
    tested: dict[str, int] = {}
    baselines: dict[str, int] = {}
    for entry in results.encoders:
        group = baselines if entry["baseline"] else tested
        group[entry["encoder"]] = group.get(entry["encoder"], 0) + 1
    if not baselines:
        return [f"{listed(list(tested))} stood beside no baseline, so no gain can be claimed."] if tested else []
    against = f"{count(len(baselines), 'baseline')} ({listed(list(baselines), limit=8)})"
    seeds = max(baselines.values())
    of_seeds = f"; untrained networks and other random baselines have {seeds} seeds each" if seeds > 1 else ""
    if not tested:
        return [f"Only baselines were compared: {against}{of_seeds}."]
    return [f"{listed(list(tested))} {'was' if len(tested) == 1 else 'were'} compared with {against}{of_seeds}."]


def _reservations(results: Results, tasks: Sequence[TaskScores]) -> list[str]:
    said = []
    with_caveat = {task.task for task in tasks if task.caveats}
    if with_caveat:
        said.append(f"Scores of {count(len(with_caveat), 'task')} have a caveat, marked wherever they appear.")
    if results.skipped:
        said.append(f"{count(len(results.skipped), 'score')} could not be computed; the reasons are listed below.")
    left_out = sum(bool(item.get("by_recipe")) for item in results.panel_missing)
    if left_out:
        said.append(f"The panel is incomplete: the recipe left out {count(left_out, 'default baseline')}.")
    return said
