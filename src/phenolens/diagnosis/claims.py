"""The claims that a card makes, and their p values adjusted over all of them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from phenolens.diagnosis.comparison import by_question
from phenolens.encoders import is_baseline
from phenolens.metrics import benjamini_hochberg
from phenolens.tasks import Answer, Evaluation, Probe

ALPHA = 0.05
NAMED_R = 0.2
"""The least correlation with what is left of a factor for an encoder to be said to know its level."""


def supports_gains(answers: Sequence[Answer]) -> bool:
    """Whether answers to a question support claims about encoders: not from a leaking split, nor on a nuisance."""
    return answers[0].score.higher_is_better and not is_leaking(answers)


def is_leaking(answers: Sequence[Answer]) -> bool:
    """Whether the answers come from a split that groups straddle."""
    return isinstance(answers[0].task, Probe) and any(a.score.caveat.startswith("leaking") for a in answers)


def means_by_family(answers: Sequence[Answer]) -> pd.DataFrame:
    """Return family, value and chance, averaged over seeds, the best first."""
    table = pd.DataFrame(
        [(answer.family, answer.score.value, answer.score.chance) for answer in answers],
        columns=["family", "value", "chance"],
    )
    return table.groupby("family", sort=False).mean().reset_index().sort_values("value", ascending=False)


def control_claims(
    evaluation: Evaluation,
    comparisons: pd.DataFrame,
    levels: pd.DataFrame,
    interventions: pd.DataFrame,
    shortcuts: pd.DataFrame,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Adjust the p values of all claims together (Benjamini & Hochberg, 1995).

    The claims are, for each encoder that is no baseline, its gain over the best baseline in each question, each level
    that it may know, and what each intervention and each shortcut takes from each of its scores.

    Parameters
    ----------
    evaluation
        The answers.
    comparisons
        What `compare_families` says of them.
    levels
        One row per family and level, with ``r`` and ``p``.
    interventions, shortcuts
        What `compare_interventions` and `compare_shortcuts` say.

    Returns
    -------
    The tables with ``p_adjusted``, NaN where nothing is claimed; of levels also whether each is ``known``. What a twin
    knows is no claim: its p value is taken as it is.
    """
    best = np.zeros(len(comparisons), dtype=bool)
    for (task, how), answers in by_question(evaluation.answers).items():
        if supports_gains(answers):
            means = means_by_family(answers)
            baselines = means["family"][means["family"].map(is_baseline).astype(bool)]
            of_question = (comparisons["task"] == task) & (comparisons["profiling"] == how)
            best |= (of_question & comparisons["baseline"].isin(baselines.head(1))).to_numpy()
    tables = [comparisons.rename(columns={"encoder": "family"}), levels, interventions, shortcuts]
    claimed = [~table["family"].map(is_baseline).to_numpy(dtype=bool) for table in tables]
    claimed[0] &= best
    p = np.concatenate([table["p"].to_numpy(float)[rows] for table, rows in zip(tables, claimed, strict=True)])
    adjusted = np.split(benjamini_hochberg(p), np.cumsum([rows.sum() for rows in claimed])[:-1])
    columns = [np.full(len(table), np.nan) for table in tables]
    for column, rows, values in zip(columns, claimed, adjusted, strict=True):
        column[rows] = values
    gains, levels_p, interventions_p, shortcuts_p = columns
    held = np.where(claimed[1], levels_p, levels["p"].to_numpy(float))
    known = (held <= ALPHA) & (levels["r"].to_numpy(float) >= NAMED_R)
    return (
        comparisons.assign(p_adjusted=gains),
        levels.assign(p_adjusted=levels_p, known=known),
        interventions.assign(p_adjusted=interventions_p),
        shortcuts.assign(p_adjusted=shortcuts_p),
    )
