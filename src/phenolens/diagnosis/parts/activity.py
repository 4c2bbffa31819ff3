"""How many perturbations encoders distinguish from negative controls."""

from dataclasses import replace

from phenolens.diagnosis.evidence import Found
from phenolens.diagnosis.records import Activity
from phenolens.evaluation import Evaluation, unit_significance


def count_active(evaluation: Evaluation) -> Found:
    """Count the active perturbations of encoders under test or, where none is, of the best baseline.

    How p values are adjusted, `unit_significance` says.

    Returns
    -------
    `Activity` records of the questions that measure activity and support claims.
    """
    records = []
    for question in evaluation.claiming:
        if not question.task.measures_activity:
            continue
        best = "" if question.best_baseline is None else question.best_baseline.encoder
        n_active_of_best = unit_significance(evaluation, question, best).n_significant if best else 0
        for mean in question.reported:
            active = unit_significance(evaluation, question, mean.encoder)
            record = Activity(
                *question.key,
                encoder=mean.encoder,
                n_active=active.n_significant,
                n_units=active.n_units,
                least_p=active.least_p,
                fewest=active.fewest,
            )
            if best not in ("", mean.encoder):
                record = replace(record, best_baseline=best, n_active_of_best=n_active_of_best)
            records.append(record)
    return Found(tuple(records))
