"""The diagnosis card: what all evidence together says of each encoder, with false claims controlled over the whole."""

from dataclasses import dataclass, fields

import pandas as pd

from phenolens.core.errors import TaskNotApplicable
from phenolens.diagnosis.claims import control_claims
from phenolens.diagnosis.comparison import compare_families, compare_tested, rank_families
from phenolens.diagnosis.degeneracy import Degeneracy, describe_degeneracy
from phenolens.diagnosis.evidence import Evidence
from phenolens.diagnosis.knowledge.ask import ask_levels, under_test
from phenolens.diagnosis.nuisance import compare_nuisance
from phenolens.diagnosis.other_controls import ask_without_controls
from phenolens.diagnosis.retention import COLUMNS as RETENTION_COLUMNS
from phenolens.diagnosis.sensitivity.describe import describe_metrics
from phenolens.diagnosis.shortcuts.compare import compare_shortcuts
from phenolens.diagnosis.verdicts.judge import judge
from phenolens.diagnosis.verdicts.on_scores import judge_pairs, judge_scores
from phenolens.diagnosis.verdicts.verdict import Verdict
from phenolens.diagnosis.where.efficiency import data_efficiency
from phenolens.diagnosis.where.selection import COLUMNS as SWEEP_COLUMNS
from phenolens.diagnosis.where.strata import compare_strata
from phenolens.evaluation import Evaluation


@dataclass(frozen=True, eq=False)
class Card:
    """The evidence, and the sentences that it supports."""

    evidence: Evidence
    verdicts: list[Verdict]


@dataclass(frozen=True, eq=False)
class ScoreComparison:
    """Encoders compared by their scores alone.

    Attributes
    ----------
    comparisons, pairs
        What `compare_families` and `compare_tested` say, p values adjusted over both.
    verdicts
        The sentences that they support.
    """

    comparisons: pd.DataFrame
    pairs: pd.DataFrame
    verdicts: list[Verdict]


def compare_scores(evaluation: Evaluation) -> ScoreComparison:
    """Compare encoders by their scores alone."""
    tables, _ = _compare(evaluation)
    claims = control_claims(evaluation, tables)
    comparisons, pairs = claims["comparisons"].assign(scaled=float("nan")), claims["pairs"]
    verdicts = [*judge_scores(evaluation, comparisons), *judge_pairs(evaluation, pairs)]
    return ScoreComparison(comparisons, pairs, verdicts)


def diagnose(
    evaluation: Evaluation, *, interventions: pd.DataFrame | None = None, sweep: pd.DataFrame | None = None
) -> Card:
    """Put the evidence on each encoder together and judge it.

    False claims are controlled over the whole card, at 5 %; see `control_claims`. What cannot be asked of the data is
    left out, and the card says why.

    Parameters
    ----------
    evaluation
        The scores of all encoders, baselines and untrained counterparts among them, with the vectors that they are of.
    interventions
        What `compare_interventions` says, with ``shift`` from `embedding_shift`; None if nothing was changed.
    sweep
        What `choose_on_held_out` says of layers; None if none were swept.

    Raises
    ------
    TaskNotApplicable
        If no question could be answered.
    """
    if not evaluation.scores:
        reason = evaluation.skipped[0].reason if evaluation.skipped else "no task was asked"
        raise TaskNotApplicable(f"no question could be answered: {reason}")
    profiles, seed = evaluation.profiles, evaluation.settings.seed
    tested = under_test(profiles)
    known = ask_levels(profiles, group=_group(evaluation), seed=seed)
    nuisance = compare_nuisance(profiles, profilings=evaluation.answered_profilings, seed=seed)
    shortcuts = compare_shortcuts(evaluation, seed=seed)
    metrics, no_metrics = describe_metrics(evaluation, seed=seed)
    strata, no_strata = _asked(compare_strata(evaluation, seed=seed), "by")
    efficiency, no_efficiency = _asked(data_efficiency(evaluation, seed=seed), "data")
    not_asked = {**known.missing, **shortcuts.missing, **nuisance.missing, **no_metrics, **no_strata, **no_efficiency}
    if interventions is None:
        interventions = pd.DataFrame(columns=["intervention", *RETENTION_COLUMNS, "shift"])
        why = "no image was changed; a recipe with `interventions: all` changes them"
        not_asked["interventions"] = why if tested else "no encoder is under test"
    if sweep is None:
        sweep = pd.DataFrame(columns=list(SWEEP_COLUMNS))
        not_asked["layers"] = "none were swept; a recipe with `sweep` does" if tested else "no encoder is under test"
    sweep, no_sweep = _asked(sweep, "network")
    not_asked |= no_sweep
    compared, no_controls = _compare(evaluation)
    not_asked |= no_controls
    claims = control_claims(
        evaluation,
        compared
        | {
            "shortcuts": shortcuts.table,
            "interventions": interventions,
            "levels": known.levels,
            "level_pairs": known.level_pairs,
        },
    )
    degeneracy = pd.DataFrame(
        [{"encoder": name, **describe_degeneracy(vectors, seed=seed).as_dict()} for name, vectors in tested.items()],
        columns=["encoder", *(field.name for field in fields(Degeneracy))],
    )
    evidence = Evidence(
        **(claims | {"comparisons": _scale(claims["comparisons"], metrics)}),
        degeneracy=degeneracy,
        ranks=rank_families(evaluation, seed=seed),
        metrics=metrics,
        similarities=shortcuts.similarities,
        nuisances=nuisance.table,
        factors=known.factors,
        variance=known.variance,
        strata=strata,
        efficiency=efficiency,
        sweep=sweep,
        truth=known.truth,
        not_asked=not_asked,
    )
    return Card(evidence, judge(evaluation, evidence))


def _compare(evaluation: Evaluation) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """Return the differences between encoders, and why what other controls would change of them was not asked."""
    controls, missing = ask_without_controls(evaluation, seed=evaluation.settings.seed)
    comparisons = compare_families(evaluation, controls)
    return {"comparisons": comparisons, "pairs": compare_tested(evaluation.claiming, controls)}, missing


def _group(evaluation: Evaluation) -> str | None:
    """Return the metadata column whose values must not straddle a split, if a task names one."""
    groups = (question.task.split_by for question in evaluation.questions.values())
    return next((group for group in groups if group), None)


def _asked(table: pd.DataFrame, what: str) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the rows that have a value, and why the others have none, by a column that says what they are."""
    without = table[table["value"].isna()]
    reasons = zip(without[what], without["task"], without["profiling"], without["caveat"], strict=True)
    return table[table["value"].notna()], {f"{name} of {task}, {how}": why for name, task, how, why in reasons if why}


def _scale(comparisons: pd.DataFrame, metrics: pd.DataFrame) -> pd.DataFrame:
    """Return comparisons with differences also as shares of the range from chance to the ceiling, of able metrics."""
    key = ["task", "profiling"]
    able = metrics[metrics["able"].astype(bool)]
    ranges = able.assign(range=able["ceiling"] - able["chance"])[[*key, "range"]]
    merged = comparisons.merge(ranges, on=key, how="left")
    return comparisons.assign(scaled=(merged["difference"] / merged["range"]).to_numpy(dtype=float))
