"""How much of a score is left once something has been taken away."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from phenolens.diagnosis.claims import supports_gains
from phenolens.diagnosis.comparison import by_question, family_values, joint_draws, paired_p
from phenolens.metrics import percentile_interval
from phenolens.randomness import spawn
from phenolens.tasks import Answer, Evaluation

COLUMNS = ("family", "task", "profiling", "value", "before", "chance", "retention", "low", "high", "p")


def compare_retention(before: Evaluation, after: Evaluation, *, seed: int = 0) -> pd.DataFrame:
    """Compare scores after something was taken away with those before.

    Parameters
    ----------
    before, after
        Answers to the same questions; those of which there are no answers before are left out.
    seed
        Of the bootstrap.

    Returns
    -------
    One row per encoder family and question: the score, that before, chance before, and the ``retention``, the share of
    the distance from chance that is left, with its 95 % interval over the units that both have, and the p value that
    nothing was lost or won (`sign_flip_p`); NaN where the score before cannot be told from chance.
    """
    earlier = by_question(before.answers)
    rows: list[tuple[object, ...]] = []
    for question, answers in by_question(after.answers).items():
        if question in earlier and supports_gains(earlier[question]):
            rows += [
                (family, *question, *_retention(family, answers, earlier[question], seed))
                for family in dict.fromkeys(answer.family for answer in answers)
            ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _retention(family: str, after: Sequence[Answer], before: Sequence[Answer], seed: int) -> tuple[float, ...]:
    """Return the score, that before, chance, the share of the distance that is left, its limits, and the p value."""
    own = [answer for answer in before if answer.family == family]
    values = {"after": family_values(after)[family], "before": family_values(own)[family]}
    chance, then = (
        float(np.mean([answer.score.chance for answer in answers if answer.family == family]))
        for answers in (before, after)
    )
    question = (own[0].task.id, own[0].profiling)
    order = own[0].score.order
    mean, draws, n_units = joint_draws(values, spawn(seed, "retention", *question), order=order)
    scores = (float(mean[0]), float(mean[1]), chance)
    if n_units < 2 or percentile_interval(draws[:, 1])[0] <= chance:
        return (*scores, *[float("nan")] * 4)
    limits = percentile_interval((draws[:, 0] - then) / np.maximum(draws[:, 1] - chance, 1e-12))
    p = paired_p(values["after"], values["before"], spawn(seed, "retention p", *question), order=order)
    return (*scores, (scores[0] - then) / (scores[1] - chance), *limits, p)
