"""What was skipped or set aside, and where the numbers come from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phenolens.evaluation import Skipped
from phenolens.report.text import task_phrase

_SITES_SHOWN = 20


@dataclass(frozen=True)
class SkippedGroup:
    """What was skipped of one question or part for one reason."""

    title: str
    reason: str
    profilings: tuple[str, ...]
    encoders: tuple[str, ...]
    times: int


@dataclass(frozen=True)
class Quarantine:
    """One reason, and the sites left out for it."""

    reason: str
    sites: tuple[str, ...]
    more: int


@dataclass(frozen=True)
class Missing:
    """One reason, and the baselines of the panel that are not there for it."""

    reason: str
    by_recipe: bool
    names: tuple[str, ...]


@dataclass(frozen=True)
class Provenance:
    """Where the numbers come from."""

    rows: tuple[tuple[str, str], ...]
    recipe: str
    seeded: bool


def gather_skipped(entries: Sequence[Skipped]) -> list[SkippedGroup]:
    """Gather what was skipped by what it is and by reason, so that one reason is read once."""
    groups: dict[tuple[str, str], list[Skipped]] = {}
    for entry in entries:
        reason = entry.reason.removeprefix(f"{entry.task}: ")  # the title names the task
        groups.setdefault((skipped_title(entry), reason), []).append(entry)
    found = []
    for (title, reason), group in groups.items():
        profilings = _distinct(entry.profiling for entry in group)
        encoders = _distinct(entry.encoder for entry in group)
        found.append(SkippedGroup(title, reason, profilings, encoders, len(group)))
    return found


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(filter(None, dict.fromkeys(names)))


def skipped_title(entry: Skipped) -> str:
    """Return of what something is missing: a task whose score is, or a part of the diagnosis."""
    task = task_phrase(entry.task) if entry.task else ""
    if entry.part == "score":
        return task or "every task"
    return ", ".join(filter(None, [entry.part.replace("_", " "), entry.what, task]))


def quarantine(entries: Sequence[Mapping[str, str]]) -> list[Quarantine]:
    """Gather quarantined sites by reason; long lists are cut, and results.json holds them all."""
    groups: dict[str, list[str]] = {}
    for entry in entries:
        groups.setdefault(str(entry.get("reason", "")), []).append(str(entry.get("site_id", "")))
    found = []
    for reason, sites in groups.items():
        found.append(Quarantine(reason, tuple(sites[:_SITES_SHOWN]), max(0, len(sites) - _SITES_SHOWN)))
    return found


def panel_missing(entries: Sequence[Mapping[str, Any]]) -> list[Missing]:
    """Gather missing baselines by reason, those that the recipe left out first."""
    groups: dict[tuple[bool, str], list[str]] = {}
    for entry in sorted(entries, key=lambda entry: not entry.get("by_recipe")):
        key = (bool(entry.get("by_recipe")), str(entry.get("reason", "")))
        groups.setdefault(key, []).append(str(entry.get("name", "")))
    return [Missing(reason, by_recipe, tuple(names)) for (by_recipe, reason), names in groups.items()]


def provenance(origin: Mapping[str, Any], dataset: Mapping[str, Any]) -> Provenance:
    """Lay out versions, hashes, precision, device and seed as rows of name and value."""
    rows = [
        ("Manifest", str(dataset.get("manifest") or "")),
        ("Manifest hash", str(dataset.get("manifest_hash") or "")),
    ]
    first = ("created", "seed", "precision", "device")
    for key in dict.fromkeys((*first, *origin)):
        if key not in ("versions", "recipe") and origin.get(key) is not None:
            rows.append((key.replace("_", " ").capitalize(), _words(origin[key])))
    versions = origin.get("versions")
    if isinstance(versions, Mapping):
        rows.append(("Versions", ", ".join(f"{name} {version}" for name, version in versions.items())))
    return Provenance(
        rows=tuple((label, value) for label, value in rows if value),
        recipe=str(origin.get("recipe") or ""),
        seeded=origin.get("seed") is not None,
    )


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k}: {v}" for k, v in value.items())
    return ", ".join(str(v) for v in value) if isinstance(value, list) else str(value)
