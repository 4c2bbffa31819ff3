"""The askers of questions among fewer: each meets one encoder after the other, and asks it before and after."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.core.errors import TaskNotApplicable
from phenolens.core.random import spawn
from phenolens.diagnosis.shortcuts.candidates import Candidates, choose_candidates, equal_in_number
from phenolens.diagnosis.shortcuts.left_out import leave_out, predict_apart
from phenolens.diagnosis.shortcuts.matched import match_candidates, match_predictions
from phenolens.tasks import Probe, ReplicateRetrieval

_DRAWS = 3  # of as many candidates at random

Values = tuple[pd.DataFrame, pd.DataFrame, float]
"""Value and weight by (unit, stratum), before and after something was taken away; and chance before."""


class AskRetrieval:
    """One retrieval question, among fewer candidates; these are chosen once for all encoders of the same rows."""

    def __init__(self, task: ReplicateRetrieval, seed: int) -> None:
        self._task, self._seed = task, seed
        self._chosen: dict[tuple[Any, ...], list[tuple[Candidates, Candidates]]] = {}

    def meet(self, profiles: AnnData) -> None:
        """Take the profiles of the next encoder."""
        self._profiles = profiles

    def matched(self, shortcut: str, covariates: pd.DataFrame) -> Values:
        """Ask among candidates that are alike in a shortcut."""
        return self._ask(shortcut, lambda whole: match_candidates(whole, covariates))

    def left_out(self, column: str) -> Values:
        """Ask among candidates that share nothing with the query."""
        return self._ask(f"shared {column}", lambda whole: leave_out(whole, column))

    def _ask(self, what: str, restrict: Callable[[Candidates], Candidates]) -> Values:
        """Compare with the same question among as many candidates, drawn at random."""
        key = (what, *self._profiles.obs_names)
        if key not in self._chosen:
            whole = choose_candidates(self._task, self._profiles, seed=self._seed)
            fewer, rng = restrict(whole), spawn(self._seed, "equal in number", what)
            self._chosen[key] = [equal_in_number(whole, fewer, rng) for _ in range(_DRAWS)]
        drawn = self._chosen[key]
        table = pd.DataFrame({"unit": drawn[0][0].units, "stratum": "", "chance": drawn[0][0].chance})
        for name, index in (("before", 0), ("after", 1)):
            table[name] = np.mean([pair[index].rank(self._profiles) for pair in drawn], axis=0)
        if not table["chance"].notna().any():
            raise TaskNotApplicable("no perturbation has both replicates and others left to compare them with")
        means = table.dropna().groupby(["unit", "stratum"], sort=True)[["before", "after", "chance"]].mean()
        before, after = (means[[name]].set_axis(["value"], axis=1).assign(weight=1.0) for name in ("before", "after"))
        return before, after, float(means["chance"].mean())


class AskProbe:
    """One probe, of rows that are alike, or share nothing with what it learned from."""

    def __init__(self, task: Probe) -> None:
        self._task = task

    def meet(self, profiles: AnnData) -> None:
        """Take the profiles of the next encoder."""
        self._profiles = profiles
        self._rows = self._task.predict(profiles)[0]
        self._chance = 1 / self._rows["stratum"].nunique()

    def matched(self, shortcut: str, covariates: pd.DataFrame) -> Values:
        """Ask of rows whose classes are alike in a shortcut."""
        return *match_predictions(self._rows, covariates), self._chance

    def left_out(self, column: str) -> Values:
        """Ask of rows that share nothing with what the probe learned from."""
        together, apart = predict_apart(self._task, self._profiles, column, self._rows)
        both = together.index.intersection(apart.index)
        before, after = (
            table.loc[both].groupby(["unit", "stratum"], sort=True)["correct"].agg(value="mean", weight="size")
            for table in (together, apart)
        )
        return before, after, self._chance
