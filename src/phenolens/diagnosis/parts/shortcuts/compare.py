"""What is left of a score without a shortcut: regressed out, matched, or shared with no neighbour."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import Literal, TypeAlias

import pandas as pd
from anndata import AnnData

from phenolens.core.errors import ProfilingError, TaskNotApplicable
from phenolens.diagnosis.confounding import NUISANCES, find_nuisances
from phenolens.diagnosis.evidence import Found
from phenolens.diagnosis.parts.shortcuts.regressed_out import PART, compare_regressed_out
from phenolens.diagnosis.parts.shortcuts.similarity import PART as SIMILARITIES
from phenolens.diagnosis.parts.shortcuts.similarity import compare_similarities
from phenolens.diagnosis.records import WithoutShortcut
from phenolens.diagnosis.retention import retain
from phenolens.evaluation import Evaluation, Profiles, Question, Skipped, mean_by_unit
from phenolens.profiling import Level, profile
from phenolens.tasks import BeforeAfter

# What neighbours may share: the columns that say so, finer ones first, and position, as people call a well.
_SHARED = ("well", *NUISANCES)
_NAMES = {"well": "position"}
_Removal: TypeAlias = tuple[str, Literal["matched", "left out"]]  # of a shortcut, and how


@dataclass(frozen=True)
class _Shortcut:
    """A shortcut, the baseline that measures it, and a pattern of the names of its features."""

    name: str
    baseline: str
    features: str = "*"


_SHORTCUTS = (
    _Shortcut("cell count", "cell-count"),
    _Shortcut("intensity", "pixel-statistics", "*_mean"),
    _Shortcut("position", "well-position"),
)
# No other well of a plate has the same position: neighbours in the same one are left out instead.
_MATCHED = ("cell count", "intensity")


def compare_shortcuts(evaluation: Evaluation) -> Found:
    """Score encoders under test again, without what they may have used instead of biology.

    Cell count, mean intensities and the position on the plate are ``regressed out`` of the vectors. Retrieval and
    probes are scored once more among wells that are ``matched`` in cell count or intensities, and without neighbours
    of the same position, plate, batch, source, slide or patient, which are ``left out``: retrieval beside the same
    question among as many candidates, drawn at random.

    Parameters
    ----------
    evaluation
        The scores, and the vectors; those of the baselines that measure shortcuts among them.

    Returns
    -------
    `WithoutShortcut` for each shortcut, removal, question and encoder, and `SimilarityStructure` for each shortcut and
    encoder.
    """
    profiles = evaluation.profiles
    if not profiles.tested():
        return Found(skipped=(Skipped(PART, "no encoder is under test"),))
    levels = sorted({task.aggregation for task in evaluation.tasks})
    if not all(_are_named(vectors, level) for vectors in profiles.embeddings.values() for level in levels):
        reason = "rows have no unique names by which encoders could be matched"
        return Found(skipped=(Skipped(PART, reason),))
    measured, unmeasured = _find_measured(profiles)
    found = Found(skipped=unmeasured)
    matched: dict[str, dict[Level, pd.DataFrame]] = {}
    for shortcut, vectors in measured.items():
        covariates = {level: _covariates(vectors, level) for level in levels}
        found += compare_regressed_out(evaluation, shortcut, covariates)
        if shortcut in _MATCHED:
            matched[shortcut] = covariates
    for question in evaluation.questions.values():
        if question.supports_claims:
            found += _compare_restricted(question, profiles, matched)
        elif question.leak is not None:
            reason = f"not evaluated on a split that leaks: {question.leak.text}"
            skipped = Skipped(PART, reason, "matched, or left out", question.task.id, question.profiling)
            found += Found(skipped=(skipped,))
    found += _compare_similarities(evaluation, measured)
    # What holds for several encoders or post-processings was met several times.
    return Found(found.records, tuple(dict.fromkeys(found.skipped)))


def _are_named(vectors: AnnData, level: Level) -> bool:
    """Return whether rows have unique names at a level."""
    return bool(vectors.obs_names.is_unique or profile(vectors, "raw", level=level).obs_names.is_unique)


def _find_measured(profiles: Profiles) -> tuple[dict[str, AnnData], tuple[Skipped, ...]]:
    """Return shortcut -> its measurements of sites, and the shortcuts that were not measured."""
    measured = {}
    skipped = []
    for shortcut in _SHORTCUTS:
        encoder = profiles.measured_by(shortcut.baseline)
        if encoder is None:
            reason = f"not measured; the baseline {shortcut.baseline} would measure it"
            ways = "regressed out or matched" if shortcut.name in _MATCHED else "regressed out"
            skipped.append(Skipped(PART, reason, what=f"{shortcut.name}, {ways}"))
            continue
        vectors = profiles.embeddings[encoder]
        measured[shortcut.name] = vectors[:, [fnmatchcase(name, shortcut.features) for name in vectors.var_names]]
    return measured, tuple(skipped)


def _covariates(measured: AnnData, level: Level) -> pd.DataFrame:
    return profile(measured, "raw", level=level).to_df()


def _compare_similarities(evaluation: Evaluation, measured: Mapping[str, AnnData]) -> Found:
    try:
        of_wells = {shortcut: _covariates(vectors, "well") for shortcut, vectors in measured.items()}
        return compare_similarities(evaluation, of_wells)
    except ProfilingError as error:
        return Found(skipped=(Skipped(SIMILARITIES, str(error)),))


def _compare_restricted(
    question: Question, profiles: Profiles, matched: Mapping[str, Mapping[Level, pd.DataFrame]]
) -> Found:
    """Compare one question with itself among matched candidates, and without neighbours that share something."""
    task = question.task
    restricted = task.restricted(question.seed)
    if restricted is None:
        reason = "only retrieval and probes can be restricted to other candidates"
        return Found(skipped=(Skipped(PART, reason, what="matched, or left out", task=task.id),))
    scores: dict[_Removal, dict[str, list[BeforeAfter]]] = {}
    skipped = []
    for scored in question.scores:
        if not scored.info.is_tested:
            continue
        rows = profiles.for_task(task, scored.info.id, question.profiling)
        restricted.meet(rows)
        removals: dict[_Removal, Callable[[], BeforeAfter]] = {}
        for shortcut, covariates in matched.items():
            removals[shortcut, "matched"] = partial(restricted.matched, shortcut, covariates[task.aggregation])
        shared, unshared = find_nuisances(rows.obs, _SHARED)
        for column in shared:
            removals[_NAMES.get(column, column), "left out"] = partial(restricted.left_out, column)
        for column, reason in unshared.items():
            skipped.append(Skipped(PART, reason, what=f"{_NAMES.get(column, column)}, left out"))
        for removal, score in removals.items():
            of_seeds = scores.setdefault(removal, {}).setdefault(scored.encoder, [])
            try:
                of_seeds.append(score())
            except TaskNotApplicable as error:
                # Of which encoder is not said: this depends on the rows, which all of them share.
                skipped.append(Skipped(PART, str(error), ", ".join(removal), task.id, question.profiling))
    records = []
    for (shortcut, way), by_encoder in scores.items():
        for encoder, of_seeds in by_encoder.items():
            if of_seeds:
                pair = _mean(of_seeds)
                retention = vars(retain(question, encoder, pair, pair.chance))
                retrieval = task.retrieves_replicates
                records.append(WithoutShortcut(**retention, shortcut=shortcut, way=way, retrieval=retrieval))
    return Found(tuple(records), tuple(skipped))


def _mean(seeds: list[BeforeAfter]) -> BeforeAfter:
    before = mean_by_unit([each.before for each in seeds])
    after = mean_by_unit([each.after for each in seeds])
    return BeforeAfter(before, after, sum(each.chance for each in seeds) / len(seeds))
