"""What each encoder knows, level by level, and what its vectors look like."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phenolens.core.numbers import MISSING, count, number


@dataclass(frozen=True)
class LevelCell:
    """How well one level is read."""

    text: str
    best: str
    gain: str
    known: bool
    strength: int  # 0..100


@dataclass(frozen=True)
class Shape:
    """What the vectors of one encoder look like."""

    encoder: str
    tested: bool
    cells: tuple[str, ...]
    finding: str


@dataclass(frozen=True)
class Knowledge:
    """The section of the page: levels and explained variance by family, and shapes by encoder."""

    levels: tuple[str, ...]
    known: tuple[tuple[str, bool, tuple[LevelCell | None, ...]], ...]
    blocks: tuple[str, ...]
    variance: tuple[tuple[str, bool, tuple[str, ...]], ...]
    shapes: tuple[Shape, ...]
    truth: bool


SHAPE_COLUMNS = ("effective dimensions", "first component", "mean cosine", "hubness", "ties", "oddities")


def knowledge(record: Mapping[str, Any], encoders: Sequence[Mapping[str, Any]]) -> Knowledge:
    """Lay out what the evidence says of these encoders; those under test first."""
    tested = {str(one[key]) for one in encoders if not one["baseline"] for key in ("name", "family")}
    levels = tuple(dict.fromkeys(row["level"] for row in record.get("levels", ())))
    blocks = tuple(dict.fromkeys(row["block"] for row in record.get("variance", ())))
    by_level = _by_family(record.get("levels", ()), "level", tested)
    by_block = _by_family(record.get("variance", ()), "block", tested)
    return Knowledge(
        levels,
        tuple((name, name in tested, tuple(_cell(own.get(level)) for level in levels)) for name, own in by_level),
        blocks,
        tuple(
            (name, name in tested, tuple(_share(own.get(block, {}).get("alone")) for block in blocks))
            for name, own in by_block
        ),
        tuple(_shape(row, str(row["encoder"]) in tested) for row in record.get("degeneracy", ())),
        bool(record.get("truth")),
    )


def _by_family(
    rows: Sequence[Mapping[str, Any]], key: str, tested: Collection[str]
) -> list[tuple[str, dict[str, Mapping[str, Any]]]]:
    families: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        families.setdefault(str(row["family"]), {})[str(row[key])] = row
    return sorted(families.items(), key=lambda item: item[0] not in tested)


def _cell(row: Mapping[str, Any] | None) -> LevelCell | None:
    if row is None:
        return None
    r, gain = float(row["r"]), row["gain"]
    said = f"{number(gain, 2, signed=True)} over its twin" if gain is not None and math.isfinite(gain) else ""
    return LevelCell(number(r, 2), str(row["best"]), said, bool(row["known"]), round(100 * min(max(r, 0.0), 1.0)))


def _share(value: float | None) -> str:
    return MISSING if value is None or not math.isfinite(value) else f"{max(value, 0.0):.0%}"


def _shape(row: Mapping[str, Any], tested: bool) -> Shape:
    odd = [
        count(int(row[key]), *words)
        for key, words in {
            "duplicates": ("repeated row",),
            "zero": ("zero row",),
            "dead": ("dead feature",),
            "not_finite": ("row that is not finite", "rows that are not finite"),
        }.items()
        if row[key]
    ]
    cells = (
        f"{number(row['effective_dimensions'], 1)} of {row['n_features']}",
        _share(row["top_share"]),
        number(row["mean_cosine"], 2),
        number(row["hubness"], 1),
        _share(row["ties"]),
        ", ".join(odd) or "none",
    )
    return Shape(str(row["encoder"]), tested, cells, str(row["finding"]))
