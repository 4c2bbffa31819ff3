"""What is it using? What is left of a score without a shortcut: regressed out, matched, or shared with no neighbour."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial

import pandas as pd
from anndata import AnnData

from phenolens.core.errors import ProfilingError, TaskNotApplicable
from phenolens.diagnosis.claims import supports_gains
from phenolens.diagnosis.comparison import by_question
from phenolens.diagnosis.confounding import find_nuisances
from phenolens.diagnosis.retention import COLUMNS, retain
from phenolens.diagnosis.shortcuts.asking import AskProbe, AskRetrieval, Values
from phenolens.diagnosis.shortcuts.left_out import NAMES, SHARED
from phenolens.diagnosis.shortcuts.regressed_out import compare_regressed_out
from phenolens.diagnosis.shortcuts.similarity import FEWEST_TREATMENTS, compare_similarities
from phenolens.encoders import EncoderName, is_baseline
from phenolens.profiling import Level, profile
from phenolens.tasks import Answer, Evaluation, Probe, ReplicateRetrieval, profiles_for

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


def compare_shortcuts(
    embeddings: Mapping[str, AnnData],
    evaluation: Evaluation,
    *,
    batch_by: Sequence[str] | None = None,
    seed: int = 0,
) -> Shortcuts:
    """Ask encoders under test again, without what they may have used instead of biology.

    Cell count, mean intensities and the position on the plate are ``regressed out`` of the vectors. Retrieval and
    probes are asked once more among wells that are ``matched`` in cell count or intensities, and without neighbours
    of the same position, plate, batch, source, slide or patient, which are ``left out``: retrieval beside the same
    question among as many candidates, drawn at random.

    Parameters
    ----------
    embeddings
        Encoder -> its vectors of the same sites; the baselines that measure shortcuts among them.
    evaluation
        What the tasks said of them.
    batch_by, seed
        As in `evaluate`.
    """
    tested = {name: own for name, own in embeddings.items() if not is_baseline(name)}
    asked: set[Level] = {answer.task.level for answer in evaluation.answers}
    table, similarities = pd.DataFrame(columns=list(_COLUMNS)), compare_similarities({}, {})
    if not tested:
        return Shortcuts(table, similarities, {"shortcuts": "no encoder is under test"})
    if not all(_are_named(own, level) for own in embeddings.values() for level in asked):
        why = "rows have no names of their own, by which encoders could be matched"
        return Shortcuts(table, similarities, {"shortcuts": why})
    sources = {shortcut: source for shortcut, source in _SHORTCUTS.items() if source[0] in embeddings}
    measured = {
        shortcut: {level: _covariates(embeddings[baseline], pattern, level) for level in sorted(asked)}
        for shortcut, (baseline, pattern) in sources.items()
    }
    missing = {
        f"{shortcut}, regressed out or matched": f"nobody has measured it; the baseline {baseline} would"
        for shortcut, (baseline, _) in _SHORTCUTS.items()
        if shortcut not in measured
    }
    tables = []
    for shortcut, covariates in measured.items():
        rows = compare_regressed_out(tested, evaluation, covariates, batch_by=batch_by, seed=seed)
        tables.append(rows.assign(shortcut=shortcut, way="regressed out"))
    matched = {shortcut: covariates for shortcut, covariates in measured.items() if shortcut in _MATCHED}
    for question, answers in by_question(evaluation.answers).items():
        task = answers[0].task
        if not supports_gains(answers):
            continue
        if not isinstance(task, ReplicateRetrieval | Probe):
            missing[f"matched, or left out of {task.id}"] = "only retrieval and probes can be asked so"
            continue
        asker = AskProbe(task) if isinstance(task, Probe) else AskRetrieval(task, seed)
        rows, reasons = _ask_again(asker, tested, answers, question, matched, batch_by, seed)
        tables.append(rows)
        missing |= reasons
    found = [own[list(_COLUMNS)] for own in tables if len(own)]
    try:
        of_wells = {
            shortcut: _covariates(embeddings[name], pattern, "well") for shortcut, (name, pattern) in sources.items()
        }
        similarities = compare_similarities(embeddings, of_wells, seed=seed)
        if similarities.empty:
            missing["similarities"] = f"no shortcut was measured in wells of {FEWEST_TREATMENTS} treatments"
    except ProfilingError as error:
        missing["similarities"] = str(error)
    return Shortcuts(pd.concat(found, ignore_index=True) if found else table, similarities, missing)


def _are_named(vectors: AnnData, level: Level) -> bool:
    """Return whether rows can be told apart by their names at a level."""
    return bool(vectors.obs_names.is_unique or profile(vectors, "raw", level=level).obs_names.is_unique)


def _covariates(measured: AnnData, pattern: str, level: Level) -> pd.DataFrame:
    """Return measurements of a shortcut, at the level that a question is asked of."""
    chosen = [fnmatchcase(name, pattern) for name in measured.var_names]
    return profile(measured[:, chosen], "raw", level=level).to_df()


def _ask_again(
    asker: AskProbe | AskRetrieval,
    tested: Mapping[str, AnnData],
    answers: Sequence[Answer],
    question: tuple[str, str],
    matched: Mapping[str, Mapping[Level, pd.DataFrame]],
    batch_by: Sequence[str] | None,
    seed: int,
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Ask one question again among matched and without shared neighbours; return rows, and what could not be asked."""
    task = answers[0].task
    families: dict[tuple[str, str], dict[str, list[Values]]] = {}
    missing: dict[str, str] = {}
    for name in (answer.encoder for answer in answers if answer.encoder in tested):
        profiles = profiles_for(task, name, tested[name], question[1], batch_by=batch_by, seed=seed)
        asker.meet(profiles)
        shared, unshared = find_nuisances(profiles.obs, SHARED)
        missing |= {f"{NAMES.get(column, column)}, left out": why for column, why in unshared.items()}
        ways: dict[tuple[str, str], Callable[[], Values]] = {
            (shortcut, "matched"): partial(asker.matched, shortcut, covariates[task.level])
            for shortcut, covariates in matched.items()
        } | {(NAMES.get(column, column), "left out"): partial(asker.left_out, column) for column in shared}
        for (shortcut, way), ask in ways.items():
            own = families.setdefault((shortcut, way), {}).setdefault(EncoderName.parse(name).family, [])
            try:
                own.append(ask())
            except TaskNotApplicable as error:
                missing[f"{shortcut}, {way}, {task.id}"] = str(error)
    spread = answers[0].score.spread
    rows = []
    for (shortcut, way), by_family in families.items():
        for family, own in by_family.items():
            if not own:
                continue
            before, after = (_mean([part[index] for part in own]) for index in (0, 1))
            chance = sum(part[2] for part in own) / len(own)
            scores = retain({"after": after, "before": before}, (chance, chance), question, spread, seed)
            rows.append((shortcut, way, "", family, *question, *scores))
    return pd.DataFrame(rows, columns=list(_COLUMNS)), missing


def _mean(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(tables).groupby(["unit", "stratum"], sort=True)[["value", "weight"]].mean()
