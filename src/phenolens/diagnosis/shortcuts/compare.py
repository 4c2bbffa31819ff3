"""What is it using? What is left of a score without a shortcut: regressed out, matched, or shared with no neighbour."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

import pandas as pd
from anndata import AnnData

from phenolens.core.errors import ProfilingError, TaskNotApplicable
from phenolens.diagnosis.confounding import NUISANCES, find_nuisances
from phenolens.diagnosis.retention import COLUMNS, retain
from phenolens.diagnosis.shortcuts.regressed_out import compare_regressed_out
from phenolens.diagnosis.shortcuts.similarity import FEWEST_TREATMENTS, compare_similarities
from phenolens.evaluation import Evaluation, Profiles, Question, mean_by_unit
from phenolens.profiling import Level, profile
from phenolens.tasks import BeforeAfter, Restricted

# What neighbours may share: the columns that say so, finer ones first, and position, as people call a well.
_SHARED = ("well", *NUISANCES)
_NAMES = {"well": "position"}
# Shortcut -> the baseline that measures it, and its features.
_SHORTCUTS = {
    "cell count": ("cell-count", "*"),
    "intensity": ("pixel-statistics", "*_mean"),
    "position": ("well-position", "*"),
}
# A position is matched by nobody else's: neighbours in the same one are left out instead.
_MATCHED = ("cell count", "intensity")
_COLUMNS = ("shortcut", "way", "fit", *COLUMNS)


@dataclass(frozen=True, eq=False)
class Shortcuts:
    """What encoders may have used instead of biology.

    Attributes
    ----------
    table
        One row per shortcut, way, encoder family and question: ``shortcut``, ``way``, what a regression was fitted on
        (``fit``), and what `compare_retention` says.
    similarities
        What `compare_similarities` says.
    missing
        Shortcut and way -> why it could not be asked.
    """

    table: pd.DataFrame
    similarities: pd.DataFrame
    missing: Mapping[str, str]


def compare_shortcuts(evaluation: Evaluation, *, seed: int = 0) -> Shortcuts:
    """Ask encoders under test again, without what they may have used instead of biology.

    Cell count, mean intensities and the position on the plate are ``regressed out`` of the vectors. Retrieval and
    probes are asked once more among wells that are ``matched`` in cell count or intensities, and without neighbours
    of the same position, plate, batch, source, slide or patient, which are ``left out``: retrieval beside the same
    question among as many candidates, drawn at random.

    Parameters
    ----------
    evaluation
        The scores, and the vectors; those of the baselines that measure shortcuts among them.
    seed
        Of what is drawn.
    """
    profiles = evaluation.profiles
    embeddings, tested = profiles.embeddings, profiles.tested()
    levels: set[Level] = {task.aggregation for task in evaluation.tasks}
    nothing, similarities = pd.DataFrame(columns=list(_COLUMNS)), compare_similarities({}, {}, {})
    if not tested:
        return Shortcuts(nothing, similarities, {"shortcuts": "no encoder is under test"})
    if not all(_are_named(vectors, level) for vectors in embeddings.values() for level in levels):
        why = "rows have no names of their own, by which encoders could be matched"
        return Shortcuts(nothing, similarities, {"shortcuts": why})
    sources = {
        shortcut: (encoder, pattern)
        for shortcut, (baseline, pattern) in _SHORTCUTS.items()
        if (encoder := profiles.measured_by(baseline)) is not None
    }
    missing = {
        f"{shortcut}, regressed out or matched": f"nobody has measured it; the baseline {baseline} would"
        for shortcut, (baseline, _) in _SHORTCUTS.items()
        if shortcut not in sources
    }
    measured: dict[str, dict[Level, pd.DataFrame]] = {}
    for shortcut, (encoder, pattern) in sources.items():
        vectors = embeddings[encoder]
        measured[shortcut] = {level: _covariates(vectors, pattern, level) for level in sorted(levels)}
    tables = []
    for shortcut, covariates in measured.items():
        rows = compare_regressed_out(tested, evaluation, covariates, seed=seed)
        tables.append(rows.assign(shortcut=shortcut, way="regressed out"))
    matched = {shortcut: covariates for shortcut, covariates in measured.items() if shortcut in _MATCHED}
    for question in evaluation.claiming:
        restricted = question.task.restricted(seed)
        if restricted is None:
            missing[f"matched, or left out of {question.task.id}"] = "only retrieval and probes can be asked so"
            continue
        rows, reasons = _ask_restricted(question, restricted, profiles, matched, seed)
        tables.append(rows)
        missing |= reasons
    found = [table[list(_COLUMNS)] for table in tables if len(table)]
    try:
        of_wells = {
            shortcut: _covariates(embeddings[name], pattern, "well") for shortcut, (name, pattern) in sources.items()
        }
        names = {name: profiles.infos[name].name for name in tested}
        similarities = compare_similarities(tested, of_wells, names, seed=seed)
        if similarities.empty:
            missing["similarities"] = f"no shortcut was measured in wells of {FEWEST_TREATMENTS} treatments"
    except ProfilingError as error:
        missing["similarities"] = str(error)
    return Shortcuts(pd.concat(found, ignore_index=True) if found else nothing, similarities, missing)


def _are_named(vectors: AnnData, level: Level) -> bool:
    """Return whether rows can be told apart by their names at a level."""
    return bool(vectors.obs_names.is_unique or profile(vectors, "raw", level=level).obs_names.is_unique)


def _covariates(measured: AnnData, pattern: str, level: Level) -> pd.DataFrame:
    """Return measurements of a shortcut, at the level that a question is asked of."""
    chosen = [fnmatchcase(name, pattern) for name in measured.var_names]
    return profile(measured[:, chosen], "raw", level=level).to_df()


def _ask_restricted(
    question: Question,
    restricted: Restricted,
    profiles: Profiles,
    matched: Mapping[str, Mapping[Level, pd.DataFrame]],
    seed: int,
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Ask one question again among matched and without shared neighbours; return rows, and what could not be asked."""
    task = question.task
    found: dict[tuple[str, str], dict[str, list[BeforeAfter]]] = {}
    missing: dict[str, str] = {}

    def keep(shortcut: str, way: str, encoder: str) -> list[BeforeAfter]:
        return found.setdefault((shortcut, way), {}).setdefault(encoder, [])

    for scored in question.scores:
        if not scored.info.is_tested:
            continue
        made = profiles.for_task(task, scored.info.id, question.profiling)
        restricted.meet(made)
        for shortcut, covariates in matched.items():
            kept = keep(shortcut, "matched", scored.encoder)
            try:
                kept.append(restricted.matched(shortcut, covariates[task.aggregation]))
            except TaskNotApplicable as error:
                missing[f"{shortcut}, matched, {task.id}"] = str(error)
        shared, unshared = find_nuisances(made.obs, _SHARED)
        missing |= {f"{_NAMES.get(column, column)}, left out": why for column, why in unshared.items()}
        for column in shared:
            shortcut = _NAMES.get(column, column)
            kept = keep(shortcut, "left out", scored.encoder)
            try:
                kept.append(restricted.left_out(column))
            except TaskNotApplicable as error:
                missing[f"{shortcut}, left out, {task.id}"] = str(error)
    rows = []
    for (shortcut, way), by_encoder in found.items():
        for encoder, seeds in by_encoder.items():
            if not seeds:
                continue
            pair = _mean(seeds)
            left = retain(pair, pair.chance, question.key, question.first.se_inflation, seed)
            named = {"shortcut": shortcut, "way": way, "fit": "", "family": encoder}
            rows.append(named | {"task": task.id, "profiling": question.profiling} | left)
    return pd.DataFrame(rows, columns=list(_COLUMNS)), missing


def _mean(seeds: list[BeforeAfter]) -> BeforeAfter:
    before, after = mean_by_unit([each.before for each in seeds]), mean_by_unit([each.after for each in seeds])
    return BeforeAfter(before, after, sum(each.chance for each in seeds) / len(seeds))
