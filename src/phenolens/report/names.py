"""Short names of encoders, for a page that people read: of a file, only the part of its path that tells it apart."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import pandas as pd

from phenolens.report.results import Results

T = TypeVar("T")

# The file of a name such as `timm/vit@weights=/data/run/last.ckpt` or `checkpoint:run/last.ckpt`, or an absolute path.
_PATH = re.compile(r"(?:(?<=[=:])[^@=,|]*|^(?:[A-Za-z]:)?)[\\/][^@=,|]*")
_IN_NAMES = ("encoder", "encoder_id")


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Return name -> the name with each path cut to as few of its last parts as tell all names apart.

    Examples
    --------
    >>> list(short_names(["checkpoint:/data/a/last.ckpt", "checkpoint:/data/b/last.ckpt", "untrained/vit"]).values())
    ['checkpoint:a/last.ckpt', 'checkpoint:b/last.ckpt', 'untrained/vit']
    """
    full = list(dict.fromkeys(names))
    deepest = max((name.count("/") + name.count("\\") for name in full), default=0) + 1
    short: dict[str, str] = {}
    waiting = full
    for parts in range(1, deepest + 1):
        cut = {name: _cut(name, parts) for name in full}
        shared = {each for each in cut.values() if list(cut.values()).count(each) > 1}
        short |= {name: cut[name] for name in waiting if cut[name] not in shared}
        waiting = [name for name in waiting if cut[name] in shared]
    return {name: short.get(name, name) for name in full}


def _cut(name: str, parts: int) -> str:
    """Keep the last parts of each path in a name."""
    return _PATH.sub(lambda path: "/".join(list(filter(None, re.split(r"[\\/]+", path[0])))[-parts:]), name)


def with_short_names(results: Results) -> tuple[Results, dict[str, str]]:
    """Return results in which encoders have short names everywhere, also within sentences, and short -> full name.

    What tells where the numbers come from, the recipe and the list of encoders, keeps the full names.
    """
    names = [name for entry in results.encoders for name in (entry["encoder"], entry["id"])]
    short = {full: cut for full, cut in short_names(names).items() if cut != full}
    if not short:
        return results, {}
    pattern = re.compile("|".join(re.escape(full) for full in sorted(short, key=len, reverse=True)))
    renamed = replace(
        results,
        encoders=[
            entry | {key: short.get(entry[key], entry[key]) for key in ("encoder", "id")} | {"full": entry["id"]}
            for entry in results.encoders
        ],
        scores=_table(results.scores, short),
        units=_table(results.units, short),
        verdicts=_renamed(results.verdicts, pattern, short),
        skipped=_renamed(results.skipped, pattern, short),
        panel_missing=_renamed(results.panel_missing, pattern, short),
        parts=_renamed(results.parts, pattern, short),
        confusions=_renamed(results.confusions, pattern, short),
        evidence=_renamed(results.evidence, pattern, short),
    )
    return renamed, {cut: full for full, cut in short.items()}


def _table(table: pd.DataFrame, short: Mapping[str, str]) -> pd.DataFrame:
    return table.assign(**{column: table[column].map(lambda name: short.get(name, name)) for column in _IN_NAMES})


def _renamed(content: T, pattern: re.Pattern[str], short: Mapping[str, str]) -> T:
    """Return lists, dictionaries and records with every name in their texts in its short form."""

    def of(value: Any) -> Any:
        match value:
            case str():
                return pattern.sub(lambda found: short[found[0]], value)
            case list() | tuple():
                return type(value)(map(of, value))
            case dict():
                return {key: of(each) for key, each in value.items()}
            case _ if is_dataclass(value) and not isinstance(value, type):
                changed = {each.name: getattr(value, each.name) for each in fields(value)}
                return replace(value, **{name: of(each) for name, each in changed.items()})
            case _:
                return value

    return of(content)
