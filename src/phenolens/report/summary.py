"""The opening of the page: what was asked, of what, and what was found, in plain words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phenolens.core.numbers import MISSING, count, decimals_for, interval, listed, number
from phenolens.report.results import Results
from phenolens.report.scores import TaskScores
from phenolens.report.text import task_phrase

_FLAGGED = {"leak", "caveat", "shortcut", "degenerate", "metric"}
_SIGNED = {"gain", "twins", "pair", "layer"}  # differences; other effects are levels


@dataclass(frozen=True)
class Finding:
    """One verdict, or one caveat that no verdict speaks of."""

    kind: str
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
    """Say in a few sentences what was asked, of what, and which encoders were compared."""
    data = results.dataset
    parts = [
        count(data[key], *nouns)
        for key, nouns in (
            ("n_sites", ("site",)),
            ("n_wells", ("well",)),
            ("n_plates", ("plate",)),
        )
        if data.get(key)
    ]
    where = " from ".join([parts[0], " on ".join(parts[1:])]) if len(parts) > 1 else "".join(parts)
    covers = [
        count(data[key], noun)
        for key, noun in (("n_perturbations", "perturbation"), ("n_negative_controls", "negative control"))
        if data.get(key)
    ]
    questions = list(dict.fromkeys(t.task for t in tasks))
    asked = f"This study asked {count(len(questions), 'question')}" + (f" of {where}" if where else "")
    sentences = [asked + (f", covering {listed(covers)}" if covers else "") + "."]
    if questions:
        sentences.append(f"The questions: {listed([task_phrase(q) for q in questions], limit=8)}.")
    return [*sentences, *_families(results), *_reservations(results, tasks)]


def findings(results: Results, tasks: Sequence[TaskScores]) -> list[Finding]:
    """List the verdicts, those that call a score into question first, and caveats nothing else names."""
    verdicts = [_finding(v) for v in results.verdicts]
    told = {(v.get("task"), "leak") for v in results.verdicts if v.get("kind") == "leak"}
    claims = " ".join(str(v.get("claim", "")) for v in results.verdicts)
    touched: dict[str, dict[str, str]] = {}
    for task in tasks:
        for caveat in task.caveats:
            covered = caveat.text in claims or (caveat.text.startswith("leak") and (task.task, "leak") in told)
            if not covered:
                touched.setdefault(caveat.text, {})[task_phrase(task.task)] = caveat.scope
    for text, scopes in touched.items():
        claim = text[:1].upper() + text[1:] + "."
        where = listed([f"{task} ({scope})" for task, scope in scopes.items()])
        verdicts.append(Finding("caveat", claim, "", "", where, True))
    return sorted(verdicts, key=lambda f: not f.flagged)


def _finding(verdict: Mapping[str, Any]) -> Finding:
    kind = str(verdict.get("kind") or "finding")
    effect, low, high = (_float(verdict.get(k)) for k in ("effect", "low", "high"))
    decimals = decimals_for([high - low])
    context = [
        f"against {verdict['baseline']}" if verdict.get("baseline") else "",
        task_phrase(str(verdict["task"])) if verdict.get("task") else "",
        str(verdict.get("profiling") or ""),
    ]
    return Finding(
        kind=kind.replace("_", " ").replace("-", " "),
        claim=str(verdict.get("claim") or ""),
        effect=number(effect, decimals, signed=kind in _SIGNED) if math.isfinite(effect) else "",
        limits=interval(low, high, decimals),
        context=", ".join(c for c in context if c),
        flagged=kind in _FLAGGED,
    )


def _families(results: Results) -> list[str]:
    by_kind: dict[bool, dict[str, int]] = {False: {}, True: {}}
    for encoder in results.encoders:
        family = str(encoder.get("family") or encoder.get("name"))
        group = by_kind[bool(encoder.get("baseline"))]
        group[family] = group.get(family, 0) + 1
    tested, baselines = by_kind[False], by_kind[True]
    if not tested and not baselines:
        return []
    if not baselines:
        names = listed(list(tested))
        return [f"It looked at {names}, held against no baseline, so that no gain can be claimed."]
    against = f"{count(len(baselines), 'baseline')} ({listed(list(baselines), limit=8)})"
    seeds = sum(n for n in baselines.values() if n > 1)
    of_seeds = f", of which {seeds} networks are seeds of untrained families" if seeds else ""
    if not tested:
        return [f"It looked at baselines only: {against}{of_seeds}."]
    return [f"It compared {listed(list(tested))} with {against}{of_seeds}."]


def _reservations(results: Results, tasks: Sequence[TaskScores]) -> list[str]:
    said = []
    touched = {t.task for t in tasks if t.caveats}
    if touched:
        verb = "carries" if len(touched) == 1 else "carry"
        said.append(f"{count(len(touched), 'question')} {verb} a caveat, marked wherever its scores appear.")
    if results.skipped:
        said.append(f"{count(len(results.skipped), 'answer')} could not be given; the reasons are listed below.")
    left_out = sum(bool(item.get("by_recipe")) for item in results.panel_missing)
    if left_out:
        said.append(f"The panel was shrunk: the recipe left out {count(left_out, 'default baseline')}.")
    return said


def _float(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
