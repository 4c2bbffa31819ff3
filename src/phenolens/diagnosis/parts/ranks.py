"""Ranks of encoders in every question, with ties."""

from phenolens.core.random import spawn
from phenolens.diagnosis.evidence import Found
from phenolens.diagnosis.records import RankGroup
from phenolens.evaluation import Evaluation, joint_draws
from phenolens.metrics import tie_groups


def rank_encoders(evaluation: Evaluation) -> Found:
    """Rank the encoders in every question; those that are not distinguishable from a group's best share its rank.

    Returns
    -------
    `RankGroup` records, of the units that all encoders have; the best first.
    """
    records: list[RankGroup] = []
    for question in evaluation.questions.values():
        rng = spawn(evaluation.settings.seed, "ranks", *question.key)
        joint = joint_draws(question.values, rng, se_inflation=question.first.se_inflation)
        if joint.n_clusters < 2:
            continue
        sign = 1 if question.first.higher_is_better else -1
        groups = tie_groups(sign * joint.draws, sign * joint.mean)
        for encoder, value, group in zip(question.values, joint.mean, groups, strict=True):
            records.append(RankGroup(*question.key, encoder, float(value), int(group)))
    records.sort(key=lambda each: (each.task, each.profiling, each.rank_group))
    return Found(tuple(records))
