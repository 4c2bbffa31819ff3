"""The results currency: everything a study found, as three Parquet tables and one JSON file."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pandas as pd

from phenolens.core.errors import PhenolensError
from phenolens.core.files import write_whole
from phenolens.core.json import strict_json

FORMAT = "phenolens-results"
FORMAT_VERSION = 7

SCORE_COLUMNS = {
    "encoder": "str",
    "family": "str",
    "baseline": "bool",
    "profiling": "str",
    "task": "str",
    "metric": "str",
    "unit": "str",
    "value": "float64",
    "chance": "float64",
    "low": "float64",
    "high": "float64",
    "detectable": "float64",
    "n_units": "Int64",
    "higher_is_better": "bool",
    "caveat": "str",
}
UNIT_COLUMNS = {
    "encoder": "str",
    "family": "str",
    "profiling": "str",
    "task": "str",
    "unit": "str",
    "stratum": "str",
    "value": "float64",
    "weight": "float64",
    "chance": "float64",
    "p": "float64",
    "p_adjusted": "float64",
    "significant": "boolean",
}
COMPARISON_COLUMNS = {
    "task": "str",
    "profiling": "str",
    "encoder": "str",
    "baseline": "str",
    "difference": "float64",
    "low": "float64",
    "high": "float64",
    "n_units": "Int64",
    "detectable": "float64",
    "p": "float64",
    "p_adjusted": "float64",
    "scaled": "float64",
    "seeds_low": "float64",
    "seeds_high": "float64",
}
_TABLES = {"scores": SCORE_COLUMNS, "units": UNIT_COLUMNS, "comparisons": COMPARISON_COLUMNS}


@dataclass(eq=False)
class Results:
    """Everything one study found.

    Parameters
    ----------
    name
        Name of the study.
    dataset
        What was looked at: ``manifest``, ``manifest_hash``, ``n_sites``, ``n_wells``, ``n_plates``,
        ``channels``, ``n_perturbations``, ``n_negative_controls``, ``groups`` (a free dictionary).
    encoders
        One dictionary per encoder: ``name``, ``family``, ``baseline``, ``dim``, ``weights_hash``,
        ``sites_per_second`` (may be None). A family gathers the seeds of one untrained network.
    panel_missing
        Baselines of the default panel that are not there: ``name``, ``reason``, and ``by_recipe``, whether the recipe
        left it out or the data cannot give it.
    scores
        One row per encoder, profiling, task and metric; ``low`` and ``high`` are 95 % limits from a cluster
        bootstrap, ``caveat`` is empty or says what is wrong with the score.
    units
        One row per unit of replication behind each score; ``p`` and ``p_adjusted`` may be NaN; ``significant``, as the
        card counts, says so of an encoder with all its seeds, and may be missing.
    comparisons
        Paired differences, encoder family minus baseline family, with their 95 % limits; ``p`` of encoders under test,
        ``p_adjusted`` where a claim is made of it; ``scaled``, as a share of the range from chance to the ceiling; and
        the least and the largest difference to one seed of the baseline.
    verdicts
        Sentences with their evidence: ``kind``, ``claim``, ``effect``, ``low``, ``high``, ``p_adjusted``, ``baseline``,
        ``task``, ``profiling``, ``encoder``.
    skipped
        What was not answered: ``task``, ``profiling``, ``encoder``, ``reason``.
    quarantine
        Sites that were left out: ``site_id``, ``reason``.
    examples
        Example images: ``caption`` and ``file``, a PNG path relative to the results folder.
    provenance
        ``versions`` (a dictionary), ``recipe`` (YAML text), ``seed``, ``precision``, ``device``, ``created``.
    parts
        Answers within answers, such as those of each source of relations: ``encoder``, ``family``, ``profiling``,
        ``task``, ``part``, ``value``, ``chance``, ``interval``, ``n_units`` and further numbers.
    evidence
        All that the card's verdicts rest on, but for the comparisons, as `Evidence.records` says it.

    Raises
    ------
    PhenolensError
        If a table lacks a column.
    """

    name: str
    dataset: dict[str, Any]
    encoders: list[dict[str, Any]]
    panel_missing: list[dict[str, Any]]
    scores: pd.DataFrame
    units: pd.DataFrame
    comparisons: pd.DataFrame
    verdicts: list[dict[str, Any]]
    skipped: list[dict[str, str]]
    quarantine: list[dict[str, str]]
    examples: list[dict[str, str]]
    provenance: dict[str, Any]
    parts: list[dict[str, Any]] = field(default_factory=list)
    evidence: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for table, columns in _TABLES.items():
            setattr(self, table, _conform(getattr(self, table), columns, table))

    def save(self, folder: Path) -> None:
        """Write the results to `folder`, which is created where needed.

        Writes ``scores.parquet``, ``units.parquet``, ``comparisons.parquet`` and ``results.json`` (all the
        rest, and the scores once more as records for readers without Parquet). Each file is replaced whole.

        Parameters
        ----------
        folder
            Where to write.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        digests: dict[str, str] = {}
        for table in _TABLES:
            content = getattr(self, table).to_parquet(None, index=False)
            digests[table] = hashlib.sha256(content).hexdigest()
            write_whole(folder / f"{table}.parquet", content)
        rest = {k: v for k, v in _shallow(self).items() if k not in _TABLES}
        page = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            **rest,
            "scores": self.scores.to_dict(orient="records"),
            "tables": digests,
        }
        # Written last: its digests tell whether the tables beside it are the ones it was written with.
        write_whole(folder / "results.json", f"{strict_json(page)}\n".encode())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read results back from `folder`.

        Parameters
        ----------
        folder
            A folder that :meth:`save` wrote to.

        Returns
        -------
        Results
            The results; a NaN among the verdicts comes back as None.

        Raises
        ------
        PhenolensError
            If the folder holds no results, results of another format version, or damaged ones.
        """
        folder = Path(folder)
        page = _read_page(folder)
        tables = {name: _read_table(folder, name, page["tables"].get(name)) for name in _TABLES}
        try:
            rest = {k: page[k] for k in cls.__dataclass_fields__ if k not in _TABLES}
        except KeyError as error:
            raise PhenolensError(f"{folder / 'results.json'} lacks {error}; run the study again") from error
        return cls(**rest, **tables)


def _shallow(results: Results) -> dict[str, Any]:
    return {name: getattr(results, name) for name in results.__dataclass_fields__}


def _conform(frame: pd.DataFrame, columns: dict[str, str], table: str) -> pd.DataFrame:
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise PhenolensError(f"the table of {table} lacks {', '.join(missing)}; it has {list(frame.columns)}")
    frame = frame.reset_index(drop=True).copy()
    for column, kind in columns.items():
        if kind == "str":
            # A missing word is an empty word, so that no reader has to tell None, NaN and "" apart.
            values = frame[column].astype(object)
            frame[column] = values.where(values.notna(), "").map(str).astype(object)
        else:
            frame[column] = frame[column].astype(kind)
    return frame


def _read_page(folder: Path) -> dict[str, Any]:
    path = folder / "results.json"
    if not path.is_file():
        raise PhenolensError(
            f"no results in {folder}: {path.name} is not there; make them with `phenolens run RECIPE.yaml --out DIR`"
        )
    try:
        page = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PhenolensError(f"{path} is not valid JSON ({error}); run the study again") from error
    if not isinstance(page, dict) or page.get("format") != FORMAT:
        raise PhenolensError(f"{path} was not written by Phenolens; expected the format {FORMAT!r}")
    if page.get("version") != FORMAT_VERSION:
        raise PhenolensError(
            f"{path} has format version {page.get('version')}, this Phenolens reads version {FORMAT_VERSION}; "
            "run the study again, or use the Phenolens that wrote it"
        )
    if not isinstance(page.get("tables"), dict):
        raise PhenolensError(f"{path} lacks 'tables'; run the study again")
    return page


def _read_table(folder: Path, table: str, digest: str | None) -> pd.DataFrame:
    path = folder / f"{table}.parquet"
    if not path.is_file():
        raise PhenolensError(f"{path} is not there although results.json is; run the study again")
    if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
        raise PhenolensError(f"{path} is not the table results.json was written with; run the study again")
    return pd.read_parquet(path)
