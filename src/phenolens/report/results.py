"""All that a study found, as three Parquet tables and one JSON file."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import pandas as pd

from phenolens.core.errors import PhenolensError
from phenolens.core.files import write_whole
from phenolens.core.json import strict_json
from phenolens.diagnosis.evidence import Evidence, Verdict, read_rows, table_name
from phenolens.diagnosis.notebook import verdicts_html
from phenolens.diagnosis.records import BaselineDifference
from phenolens.evaluation import Estimate, Skipped

FORMAT = "phenolens-results"
FORMAT_VERSION = 9

SCORE_COLUMNS = {
    "encoder": "str",
    "encoder_id": "str",
    "baseline": "bool",
    "profiling": "str",
    "task": "str",
    "metric": "str",
    "unit": "str",
    "value": "float64",
    "chance": "float64",
    "normalised": "float64",
    "low": "float64",
    "high": "float64",
    "minimum_detectable": "float64",
    "n_units": "Int64",
    "higher_is_better": "bool",
    "leak": "str",
    "notes": "list",
}
UNIT_COLUMNS = {
    "encoder": "str",
    "encoder_id": "str",
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
_TABLES = {"scores": SCORE_COLUMNS, "units": UNIT_COLUMNS}
_IN_FILES = (*_TABLES, "comparisons")
_COMPARISONS = table_name(BaselineDifference)
_ESTIMATES = [each.name for each in fields(BaselineDifference) if each.type is Estimate]


def _estimate_columns() -> dict[tuple[str, str], str]:
    """Return the columns of comparisons that hold the numbers of an estimate: ``difference``, ``low``, ``high``..."""
    columns = {}
    for estimate in _ESTIMATES:
        prefix = "" if estimate == "estimate" else f"{estimate}_"
        for number in fields(Estimate):
            columns[estimate, number.name] = prefix + ("difference" if number.name == "value" else number.name)
    return columns


_ESTIMATE_COLUMNS = _estimate_columns()


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
        One dictionary per encoder and seed: ``id``, ``encoder``, ``baseline``, ``truth`` (what the recipe knows of it),
        ``dim``, ``weights_hash``, ``sites_per_second`` (may be None). The seeds of an untrained network share
        ``encoder``, its name.
    panel_missing
        Baselines of the default panel that are not there: ``name``, ``reason``, and ``by_recipe``, whether the recipe
        left it out or the data cannot give it.
    scores
        One row per encoder and seed, profiling, task and metric; ``normalised`` is the score between chance (0) and a
        perfect one (1), the mean over units; ``low`` and ``high`` are 95 % limits from a cluster bootstrap; ``leak``
        says how a split leaks and is empty if it does not, ``notes`` what else must be known of the score.
    units
        One row per unit of replication behind each score; ``p`` and ``p_adjusted`` may be NaN; ``significant``, as the
        card counts, says so of an encoder with all its seeds, and may be missing.
    verdicts
        Sentences with the numbers that they rest on.
    skipped
        Scores that could not be computed, and why.
    quarantine
        Sites that were left out: ``site_id``, ``reason``.
    examples
        Example images: ``caption`` and ``file``, a PNG path relative to the results folder.
    nuclei
        Example images with outlines of the nuclei that were found, in the same form.
    provenance
        ``versions`` (a dictionary), ``recipe`` (YAML text), ``seed``, ``precision``, ``device``, ``created``.
    parts
        Scores of parts of a question, such as each source of relations: ``encoder``, ``encoder_id``, ``profiling``,
        ``task``, ``part``, ``value``, ``chance``, ``interval``, ``n_units`` and further numbers.
    confusions
        Of classifiers: ``encoder``, ``encoder_id``, ``profiling``, ``task``, ``classes`` and ``counts``, how many rows
        of each class (outer list) are taken for each (inner lists).
    evidence
        All records that the verdicts rest on, and what was skipped.

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
    verdicts: list[Verdict]
    skipped: list[Skipped]
    quarantine: list[dict[str, str]]
    examples: list[dict[str, str]]
    provenance: dict[str, Any]
    parts: list[dict[str, Any]] = field(default_factory=list)
    confusions: list[dict[str, Any]] = field(default_factory=list)
    evidence: Evidence = field(default_factory=Evidence)
    nuclei: list[dict[str, str]] = field(default_factory=list)

    @property
    def tested(self) -> list[str]:
        """The encoders under test, in the order of the recipe."""
        return list(dict.fromkeys(entry["encoder"] for entry in self.encoders if not entry["baseline"]))

    def __post_init__(self) -> None:
        for table, columns in _TABLES.items():
            setattr(self, table, _conform(getattr(self, table), columns, table))

    @property
    def comparisons(self) -> pd.DataFrame:
        """One row per `BaselineDifference`: its fields, where ``difference`` is the value of its estimate."""
        return _tabulate_comparisons(self.evidence.as_dict()["records"].get(_COMPARISONS, []))

    def _repr_html_(self) -> str:
        return verdicts_html(self.name, self.verdicts)

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
        for table in _IN_FILES:
            content = getattr(self, table).to_parquet(None, index=False)
            digests[table] = hashlib.sha256(content).hexdigest()
            write_whole(folder / f"{table}.parquet", content)
        page = {"format": FORMAT, "version": FORMAT_VERSION, **self._page(), "tables": digests}
        # Written last: its digests tell whether the tables beside it are the ones it was written with.
        write_whole(folder / "results.json", f"{strict_json(page)}\n".encode())

    def _page(self) -> dict[str, Any]:
        """Return what stands in results.json: everything but units and comparisons, which are many."""
        page = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "units"}
        page["scores"] = self.scores.to_dict(orient="records")
        page["verdicts"] = [asdict(verdict) for verdict in self.verdicts]
        page["skipped"] = [asdict(each) for each in self.skipped]
        page["evidence"] = self.evidence.as_dict()
        page["evidence"]["records"].pop(_COMPARISONS, None)
        return page

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
            The results.

        Raises
        ------
        PhenolensError
            If the folder holds no results, results of another format version, or damaged ones.
        """
        folder = Path(folder)
        page = _read_page(folder)
        tables = {name: _read_table(folder, name, page["tables"].get(name)) for name in _IN_FILES}
        try:
            for name in ("nuclei", "confusions"):
                page.setdefault(name, [])  # absent from results that are older
            content = {name: page[name] for name in cls.__dataclass_fields__ if name not in _TABLES}
        except KeyError as error:
            raise PhenolensError(f"{folder / 'results.json'} lacks {error}; run the study again") from error
        content["verdicts"] = read_rows(Verdict, content["verdicts"], "verdicts")
        content["skipped"] = read_rows(Skipped, content["skipped"], "skipped")
        comparisons = tables.pop("comparisons").to_dict(orient="records")
        content["evidence"]["records"][_COMPARISONS] = [_nested(row) for row in comparisons]
        content["evidence"] = Evidence.from_dict(content["evidence"])
        return cls(**content, **tables)


def _tabulate_comparisons(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Lay comparisons out flat: each number of an estimate has a column."""
    template = asdict(BaselineDifference(Estimate(), task="", profiling="", encoder="", baseline=""))
    table = pd.DataFrame([_flat(row) for row in (template, *rows)])
    return table.iloc[1:].reset_index(drop=True)  # the template gives an empty table its columns and their types


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    flat = {key: value for key, value in row.items() if key not in _ESTIMATES}
    for (estimate, name), column in _ESTIMATE_COLUMNS.items():
        flat[column] = row[estimate][name]
    return flat


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Undo `_flat`."""
    row = dict(flat)
    for (estimate, name), column in _ESTIMATE_COLUMNS.items():
        row.setdefault(estimate, {})[name] = row.pop(column)
    return row


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
        elif kind == "list":
            frame[column] = frame[column].map(list)  # Parquet gives arrays back
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
