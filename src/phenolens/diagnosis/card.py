"""The diagnosis card: what all evidence together says of each encoder, with false claims controlled over the whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import pandas as pd
from anndata import AnnData

from phenolens.core.errors import TaskNotApplicable
from phenolens.diagnosis.claims import control_claims, supporting_gains
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
from phenolens.tasks import Evaluation, Probe, RegressionProbe, share_rows


@dataclass(frozen=True, eq=False)
class Card:
    """The evidence, and the sentences that it supports."""

    evidence: Evidence
    verdicts: list[Verdict]


def compare_scores(
    embeddings: Mapping[str, AnnData],
    evaluation: Evaluation,
    *,
    batch_by: Sequence[str] | None = None,
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame, list[Verdict]]:
    """Compare encoders by their scores alone; parameters as of `diagnose`.

    Returns
    -------
    What `compare_families` and `compare_tested` say, p values adjusted over both; and the verdicts on them.
    """
    tables, _ = _compare(share_rows(embeddings)[0], evaluation, batch_by, seed)
    claims = control_claims(evaluation, tables)
    comparisons, pairs = claims["comparisons"].assign(scaled=float("nan")), claims["pairs"]
    return comparisons, pairs, [*judge_scores(evaluation, comparisons, seed=seed), *judge_pairs(evaluation, pairs)]


def diagnose(
    embeddings: Mapping[str, AnnData],
    evaluation: Evaluation,
    *,
    interventions: pd.DataFrame | None = None,
    sweep: pd.DataFrame | None = None,
    batch_by: Sequence[str] | None = None,
    seed: int = 0,
) -> Card:
    """Put the evidence on each encoder together and judge it.

    False claims are controlled over the whole card, at 5 %; see `control_claims`. What cannot be asked of the data is
    left out, and the card says why.

    Parameters
    ----------
    embeddings
        Encoder -> its vectors of the same sites; baselines and twins among them.
    evaluation
        What the tasks said of them.
    interventions
        What `compare_interventions` says, with ``shift`` from `embedding_shift`; None if nothing was changed.
    sweep
        What `choose_on_held_out` says of layers; None if none were swept.
    batch_by
        As in `evaluate`.
    seed
        Of bootstrap, permutations, and the rows that are drawn where there are too many.

    Raises
    ------
    TaskNotApplicable
        If no question could be answered.
    """
    if not evaluation.answers:
        reason = evaluation.skipped[0].reason if evaluation.skipped else "no task was asked"
        raise TaskNotApplicable(f"no question could be answered: {reason}")
    embeddings, _ = share_rows(embeddings)  # as `evaluate` has asked them
    tested = under_test(embeddings)
    known = ask_levels(embeddings, group=_group(evaluation), seed=seed)
    ways = list(dict.fromkeys(answer.profiling for answer in evaluation.answers))
    nuisance = compare_nuisance(embeddings, profilings=ways, batch_by=batch_by, seed=seed)
    shortcuts = compare_shortcuts(embeddings, evaluation, batch_by=batch_by, seed=seed)
    metrics, no_metrics = describe_metrics(embeddings, evaluation, batch_by=batch_by, seed=seed)
    strata, no_strata = _asked(compare_strata(evaluation, embeddings, seed=seed), "by")
    efficiency, no_efficiency = _asked(data_efficiency(embeddings, evaluation, batch_by=batch_by, seed=seed), "data")
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
    compared, no_controls = _compare(embeddings, evaluation, batch_by, seed)
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
        [{"encoder": name, **describe_degeneracy(own, seed=seed).as_dict()} for name, own in tested.items()],
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
    return Card(evidence, judge(evaluation, evidence, seed=seed))


def _compare(
    embeddings: Mapping[str, AnnData], evaluation: Evaluation, batch_by: Sequence[str] | None, seed: int
) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """Return the differences between encoders, and why what other controls would change of them was not asked."""
    controls, missing = ask_without_controls(embeddings, evaluation, batch_by=batch_by, seed=seed)
    comparisons = compare_families(evaluation, controls, seed=seed)
    pairs = compare_tested(supporting_gains(evaluation), controls, seed=seed)
    return {"comparisons": comparisons, "pairs": pairs}, missing


def _group(evaluation: Evaluation) -> str | None:
    """Return the metadata column whose values must not straddle a split, if a probe names one."""
    groups = (answer.task.group for answer in evaluation.answers if isinstance(answer.task, Probe | RegressionProbe))
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
