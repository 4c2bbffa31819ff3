"""The evidence of the card as plain tables: for the page, and for the card in Markdown."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phenolens.core.numbers import MISSING, interval, number
from phenolens.report.text import task_phrase

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Table:
    """A table with its title and what a reader must know to read it."""

    title: str
    intro: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def credibility(evidence: Mapping[str, Any]) -> tuple[Table, ...]:
    """Lay out whether scores can be believed: what metrics can tell, and biology beside nuisance."""
    return _there(
        Table(
            "Can the metric tell?",
            "Head-room is the share of the range from chance to ceiling that the best baseline leaves. The best "
            "encoder is held against copies of itself, of whose variance a part is that of other wells: the "
            "smallest part that is noticed, and how likely the better of two copies looks better. Rank "
            "agreement is Kendall's tau with other ways to ask the same.",
            (
                "Question",
                "chance",
                "ceiling",
                "best baseline",
                "head-room",
                "notices",
                "better looks better",
                "ranks",
                "",
            ),
            _rows(
                evidence,
                "metrics",
                lambda row: (
                    _question(row),
                    number(row["chance"], 2),
                    f"{number(row['ceiling'], 2)} ({row['ceiling_is']})",
                    f"{row['best_baseline']} {number(row['best_baseline_value'], 2)}",
                    _share(row["headroom"]),
                    _share(row["finest"]),
                    _share(row["sensitivity"]),
                    _within(row, "stability", "tau_low", "tau_high"),
                    str(row["grade"]),
                ),
            ),
        ),
        Table(
            "Biology or nuisance?",
            "On the same wells (or tiles): mean average precision with which they find others of their biology, "
            "and of their nuisance. Robustness is the share of neighbours that agree in biology among those "
            "that agree in one of the two alone; beside it, that of random neighbours. Mixing is the effective "
            "number of nuisances among neighbours, as a share of the most there could be.",
            ("Encoder", "post-processing", "nuisance", "biology", "nuisance score", "robustness", "random", "mixing"),
            _rows(
                evidence,
                "nuisances",
                lambda row: (
                    str(row["family"]),
                    str(row["profiling"]),
                    str(row["nuisance"]),
                    _within(row, "biology_score", "biology_low", "biology_high"),
                    _within(row, "nuisance_score", "nuisance_low", "nuisance_high"),
                    _within(row, "robustness", "robustness_low", "robustness_high"),
                    number(row["robustness_chance"], 2),
                    _share(row["lisi"]),
                ),
            ),
        ),
    )


def known_levels(evidence: Mapping[str, Any]) -> tuple[Table, ...]:
    """Lay out what encoders know, and what is large in their vectors, level by level."""
    return _there(
        _crossed(
            evidence.get("levels", ()),
            "level",
            lambda row: f"{'**' if row['known'] else ''}{number(row['r'], 2)}{'**' if row['known'] else ''}",
            "What it knows",
            "Correlation with what is left of each level's best factor once batch, treatment and all other levels are "
            "known; levels that are known stand out.",
        ),
        _crossed(
            evidence.get("variance", ()),
            "block",
            lambda row: _share(row["alone"]),
            "What is large in the vectors",
            "The share of their variance that each block explains by itself.",
        ),
        _crossed(
            evidence.get("variance", ()),
            "block",
            lambda row: _share(row["first"]),
            "What the largest component follows",
            "The share of the first principal component that each block explains by itself.",
        ),
    )


def _taken_away(row: Mapping[str, Any]) -> str:
    return f"{row['shortcut']}, {row['way']}" + (" (fitted on all)" if row["fit"] == "all" else "")


def uses(evidence: Mapping[str, Any]) -> tuple[Table, ...]:
    """Lay out what scores use: what is left of them without shortcuts, and after each intervention."""
    without = _rows(evidence, "shortcuts", lambda row: _use(row, _taken_away(row)))
    after = _rows(evidence, "interventions", lambda row: _use(row, f"after {row['intervention']}"))
    return _there(
        Table(
            "What is left of scores",
            "The share of the distance between score and chance that is left: with a shortcut regressed out of "
            "the vectors, with all that goes with it where there are too few controls to fit it on; "
            "among wells that are alike in it (matched), or without neighbours that share it (left out), "
            "beside as many candidates at random; or once something has been taken from the pixels. "
            "Moved: how far vectors then moved, relative to the distance between wells.",
            ("Encoder", "question", "taken away", "before", "after", "left", "95 % interval", "units", "moved"),
            (*without, *after),
        ),
        Table(
            "Whose similarities",
            "Correlation of an encoder's similarities of wells with those of a shortcut, treatment held fixed; "
            "with the sameness of treatment, the shortcut held fixed; and with treatment alone.",
            ("Encoder", "shortcut", "follows it", "follows treatment", "treatment, nothing fixed"),
            _rows(
                evidence,
                "similarities",
                lambda row: (
                    str(row["family"]),
                    str(row["shortcut"]),
                    _within(row, "follows", "low", "high"),
                    _within(row, "biology", "biology_low", "biology_high"),
                    number(row["alone"], 2),
                ),
            ),
        ),
    )


def places(evidence: Mapping[str, Any]) -> tuple[Table, ...]:
    """Lay out where encoders gain: strata, amounts of data, layers."""
    return _there(
        Table(
            "By phenotype",
            "Each encoder beside the baseline that is best over all. Strength is told by other encoders than these.",
            ("Encoder", "baseline", "question", "by", "stratum", "encoder", "baseline's", "difference", "units"),
            _rows(
                evidence,
                "strata",
                lambda row: (
                    str(row["family"]),
                    str(row["baseline"]),
                    _question(row),
                    str(row["by"]),
                    str(row["stratum"]),
                    number(row["value"], 2),
                    number(row["baseline_value"], 2),
                    _within(row, "difference", "low", "high"),
                    number(row["n_units"], 0),
                ),
            ),
        ),
        Table(
            "With less data",
            "The same question with less to learn from (shots: rows of each class) or to find (replicates: "
            "wells of each perturbation); last, with all of it.",
            ("Encoder", "question", "data", "amount", "value", "chance", "gain over the best baseline"),
            _rows(
                evidence,
                "efficiency",
                lambda row: (
                    str(row["family"]),
                    _question(row),
                    str(row["data"]),
                    number(row["amount"], 0),
                    _within(row, "value", "low", "high"),
                    number(row["chance"], 2),
                    _within(row, "difference", "difference_low", "difference_high"),
                ),
            ),
        ),
        Table(
            "Layers and pooling",
            "Chosen on a random half of the units and scored on the other half, many times.",
            ("Network", "question", "chosen", "how often", "scores", "as it comes", "difference", "optimism"),
            _rows(
                evidence,
                "sweep",
                lambda row: (
                    str(row["network"]),
                    _question(row),
                    str(row["chosen"]),
                    _share(row["share"]),
                    _within(row, "value", "low", "high"),
                    number(row["last"], 2),
                    _within(row, "difference", "difference_low", "difference_high"),
                    number(row["optimism"], 3, signed=True),
                ),
            ),
        ),
    )


def _crossed(records: Rows, key: str, write: Callable[[Mapping[str, Any]], str], title: str, intro: str) -> Table:
    """Return a table with a row for each family and a column for each value of a key."""
    columns = tuple(dict.fromkeys(str(row[key]) for row in records))
    families: dict[str, dict[str, str]] = {}
    for row in records:
        families.setdefault(str(row["family"]), {})[str(row[key])] = write(row)
    rows = tuple((name, *(own.get(column, MISSING) for column in columns)) for name, own in families.items())
    return Table(title, intro, ("Encoder", *columns), rows)


def _there(*tables: Table) -> tuple[Table, ...]:
    return tuple(table for table in tables if table.rows)


def _rows(
    evidence: Mapping[str, Any], name: str, write: Callable[[Mapping[str, Any]], tuple[str, ...]]
) -> tuple[tuple[str, ...], ...]:
    return tuple(write(row) for row in evidence.get(name, ()))


def _use(row: Mapping[str, Any], taken: str) -> tuple[str, ...]:
    limits = f"{_share(row['low'])} to {_share(row['high'])}" if row["low"] is not None else ""
    scores = (number(row["before"], 2), number(row["value"], 2))
    moved = number(row.get("shift"), 2)
    units = number(row["n_units"], 0)
    return (str(row["family"]), _question(row), taken, *scores, _share(row["retention"]), limits, units, moved)


def _question(row: Mapping[str, Any]) -> str:
    return f"{task_phrase(str(row['task']))}, {row['profiling']}"


def _within(row: Mapping[str, Any], value: str, low: str, high: str) -> str:
    return f"{number(row[value], 2)} {interval(row[low], row[high], 2)}".strip()


def _share(value: float | None) -> str:
    return MISSING if value is None or not math.isfinite(value) else number(100 * value, 0) + " %"
