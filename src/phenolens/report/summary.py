"""What was evaluated, and every sentence of the diagnosis under the question that it answers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from phenolens.core.numbers import MISSING, count, decimals_for, interval, listed, number
from phenolens.diagnosis.evidence import Verdict
from phenolens.report.results import Results
from phenolens.report.text import task_phrase

_SECTION_OF = {
    "gain": "beats",
    "gain_over_untrained": "beats",
    "difference": "beats",
    "strong_phenotypes_only": "beats",
    "baselines": "beats",
    "activity": "beats",
    "profiling_changes_answer": "beats",
    "layer": "beats",
    "shortcut": "relies",
    "ablation": "relies",
    "dominance": "relies",
    "component": "relies",
    "concept": "encodes",
    "concepts_not_detected": "encodes",
    "concepts_not_assessed": "encodes",
    "concept_difference": "encodes",
    "nuisance": "biology",
    "robustness": "biology",
    "collapse": "data",
    "metric": "data",
    "leak": "data",
    "no_baseline": "data",
}
_DIFFERENCES = {"gain", "gain_over_untrained", "difference", "concept_difference", "layer"}


@dataclass(frozen=True)
class Finding:
    """One verdict."""

    section: str
    task: str
    profiling: str
    title: str
    claim: str
    effect: str
    limits: str
    context: str


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


def scope(results: Results) -> str:
    """Say in one line what was looked at, and how many encoders were held against what."""
    nouns = {"n_sites": "site", "n_wells": "well", "n_plates": "plate", "n_perturbations": "perturbation"}
    sizes = [count(results.dataset[key], noun) for key, noun in nouns.items() if results.dataset.get(key)]
    tested = results.tested
    baselines = {entry["encoder"] for entry in results.encoders if entry["baseline"]}
    held = count(len(baselines), "baseline") if baselines else "no baseline"
    compared = f"{count(len(tested), 'encoder')} under test beside {held}" if tested else f"{held}, none under test"
    return f"{listed(sizes) or 'No site'}; {compared}."


def findings(results: Results) -> list[Finding]:
    """Return every verdict, in the order of the rules; one that the page does not know stands in ``further``."""
    return [_finding(verdict) for verdict in results.verdicts]


def _finding(verdict: Verdict) -> Finding:
    decimals = decimals_for([verdict.high - verdict.low])
    context = [
        f"against {verdict.baseline}" if verdict.baseline else "",
        task_phrase(verdict.task) if verdict.task else "",
        verdict.profiling,
    ]
    is_difference = verdict.kind in _DIFFERENCES
    return Finding(
        section=_SECTION_OF.get(verdict.kind, "further"),
        task=verdict.task,
        profiling=verdict.profiling,
        title=verdict.title,
        claim=verdict.claim,
        effect=number(verdict.effect, decimals, signed=is_difference) if math.isfinite(verdict.effect) else "",
        limits=interval(verdict.low, verdict.high, decimals),
        context=", ".join(filter(None, context)),
    )
