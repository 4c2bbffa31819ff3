"""All verdicts on a body of evidence, in order: what calls scores into question comes first."""

from phenolens.diagnosis.evidence import Evidence
from phenolens.diagnosis.verdicts.on_knowledge import judge_knowledge, judge_shortcuts, judge_use, judge_variance
from phenolens.diagnosis.verdicts.on_scores import (
    judge_metrics,
    judge_pairs,
    judge_robustness,
    judge_scores,
    judge_strata,
    judge_sweep,
)
from phenolens.diagnosis.verdicts.verdict import Verdict
from phenolens.evaluation import Evaluation


def judge(evaluation: Evaluation, evidence: Evidence) -> list[Verdict]:
    """Turn evidence into verdicts.

    Parameters
    ----------
    evaluation
        The scores.
    evidence
        What was found about them, p values adjusted by `control_claims`.
    """
    tested = {info.name for info in evaluation.profiles.infos.values() if info.is_tested}
    degenerate = [
        Verdict("degenerate", f"{row.encoder} is no embedding to be scored: {row.finding}.", str(row.encoder))
        for row in evidence.degeneracy.itertuples()
        if row.finding
    ]
    return [
        *degenerate,
        *judge_metrics(evidence.metrics),
        *judge_scores(evaluation, evidence.comparisons),
        *judge_pairs(evaluation, evidence.pairs),
        *judge_strata(evidence.strata),
        *judge_shortcuts(evidence.shortcuts),
        *judge_robustness(evidence.nuisances, tested),
        *judge_use(evidence.interventions, tested),
        *judge_knowledge(evidence.levels, evidence.level_pairs, tested),
        *judge_variance(evidence.variance, tested),
        *judge_sweep(evidence.sweep),
    ]
