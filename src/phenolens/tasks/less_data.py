"""Scores with less data: fewer training rows for probes, fewer replicates for retrieval."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.core.errors import TaskNotApplicable
from phenolens.core.random import spawn
from phenolens.datasets import condition_names, treated
from phenolens.tasks.base import LessData, Task
from phenolens.tasks.score import Score

if TYPE_CHECKING:
    from anndata import AnnData

_SHOTS = (1, 5, 20, 100)
_MOST_TRAINED = 1000  # training rows of a probe with few shots
_REPLICATES = (2, 3, 4, 8, 16, 32)
_DRAWS = 3  # random draws of replicates for each amount
_MOST_WELLS = 1000  # treated


def fewer_shots(task: Task, folds: int, profiles: AnnData, score: Score) -> LessData:
    """Return how a probe is scored when trained on 1, 5, 20 and 100 rows of each class.

    Amounts stop below the training rows of the smallest class, and at 1,000 training rows in all.
    """
    learned = score.units.groupby("stratum")["weight"].sum() * (1 - 1 / folds)
    amounts = [n for n in _SHOTS if n <= learned.min() - 1 and n * len(learned) <= _MOST_TRAINED]
    note = f"{len(learned)} classes, the smallest with {learned.min():.0f} training rows, are too few to train on less"

    def draw(amount: int) -> list[tuple[Task, AnnData]]:
        return [(task.model_copy(update={"shots": amount}), profiles)]

    return LessData("shots", tuple(amounts), round(learned.mean()), True, "" if amounts else note, draw)


def fewer_replicates(task: Task, profiles: AnnData, seed: int) -> LessData:
    """Return how retrieval is scored with 2, 3, 4, 8, 16 and 32 wells of each perturbation.

    Wells are drawn at random, from as many plates as possible, three times. A perturbation with no more wells keeps
    all of them, and all controls stay. Of more than 1,000 treated wells, a sample of whole perturbations is scored.

    Raises
    ------
    TaskNotApplicable
        If no perturbation of the sample has two wells.
    """
    rows = task.sample(profiles, _MOST_WELLS, spawn(seed, "sample of rows"))
    wells = np.flatnonzero(treated(rows.obs))
    counts = condition_names(rows.obs).iloc[wells].value_counts()
    if counts.max() < 2:
        raise TaskNotApplicable(f"no perturbation has two wells in a sample of {len(wells)}")
    most = int(counts[counts > 1].median())
    amounts = tuple(n for n in _REPLICATES if n < most)

    def draw(amount: int) -> list[tuple[Task, AnnData]]:
        if amount == most:
            return [(task, rows)]
        drawn: list[tuple[Task, AnnData]] = []
        for number in range(_DRAWS):
            rng = spawn(seed, "replicates", str(amount), str(number))
            kept = np.ones(len(rows), dtype=bool)
            kept[wells] = False
            kept[wells[_some_of_each(rows.obs.iloc[wells], amount, rng)]] = True
            drawn.append((task, rows[kept]))
        return drawn

    few = "" if amounts else f"the median perturbation has {most} wells, too few to take some away"
    whole = int(treated(profiles.obs).sum())
    sampled = "" if len(wells) == whole else f"a sample of {len(wells)} of {whole} treated wells"
    return LessData("replicates", amounts, most, False, "; ".join(filter(None, [few, sampled])), draw)


def _some_of_each(obs: pd.DataFrame, amount: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return `amount` random rows of each condition, from as many plates as possible."""
    order = rng.permutation(len(obs))
    table = pd.DataFrame({"name": condition_names(obs), "plate": obs["plate"].astype(str) if "plate" in obs else ""})
    table = table.iloc[order].assign(row=order)
    turn = table.groupby(["name", "plate"]).cumcount().to_numpy()  # one from every plate before a second from any
    return table.iloc[np.argsort(turn, kind="stable")].groupby("name").head(amount)["row"].to_numpy()
