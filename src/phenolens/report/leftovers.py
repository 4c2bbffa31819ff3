"""What was skipped or set aside, and where the numbers come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_SITES_SHOWN = 20


@dataclass(frozen=True)
class Skip:
    """One reason, and everything skipped for it."""

    task: str
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


def skipped(entries: Sequence[Mapping[str, str]]) -> list[Skip]:
    """Gather skipped answers by task and reason, so that one reason is read once."""
    groups: dict[tuple[str, str], list[Mapping[str, str]]] = {}
    for entry in entries:
        groups.setdefault((str(entry.get("task", "")), str(entry.get("reason", ""))), []).append(entry)
    return [
        Skip(task, reason, _distinct(own, "profiling"), _distinct(own, "encoder"), len(own))
        for (task, reason), own in groups.items()
    ]


def quarantine(entries: Sequence[Mapping[str, str]]) -> list[Quarantine]:
    """Gather quarantined sites by reason; long lists are cut, results.json holds them all."""
    groups: dict[str, list[str]] = {}
    for entry in entries:
        groups.setdefault(str(entry.get("reason", "")), []).append(str(entry.get("site_id", "")))
    return [
        Quarantine(reason, tuple(sites[:_SITES_SHOWN]), max(0, len(sites) - _SITES_SHOWN))
        for reason, sites in groups.items()
    ]


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
    others = [k for k in origin if k not in (*first, "versions", "recipe")]
    for key in (*first, *others):
        if origin.get(key) is not None:
            rows.append((key.replace("_", " ").capitalize(), _words(origin[key])))
    versions = origin.get("versions")
    if isinstance(versions, Mapping):
        rows.append(("Versions", ", ".join(f"{name} {version}" for name, version in versions.items())))
    return Provenance(
        rows=tuple((label, value) for label, value in rows if value),
        recipe=str(origin.get("recipe") or ""),
        seeded=origin.get("seed") is not None,
    )


def _distinct(entries: Sequence[Mapping[str, str]], key: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(e[key]) for e in entries if e.get(key)))


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k}: {v}" for k, v in value.items())
    return ", ".join(str(v) for v in value) if isinstance(value, list) else str(value)
