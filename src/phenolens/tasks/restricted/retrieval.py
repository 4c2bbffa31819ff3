"""Replicate retrieval among restricted candidates, compared with equally many random candidates."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from phenolens.core.errors import TaskNotApplicable
from phenolens.core.random import spawn
from phenolens.tasks.base import BeforeAfter
from phenolens.tasks.restricted.candidates import Candidates, choose_candidates, equal_in_number
from phenolens.tasks.restricted.left_out import leave_out
from phenolens.tasks.restricted.matched import match_candidates

if TYPE_CHECKING:
    from anndata import AnnData

_DRAWS = 3  # random draws of equally many candidates


class RestrictedRetrieval:
    """A retrieval task among restricted candidates, which are the same for all encoders of the same rows.

    Candidates that share the value of a column in `exclude_same` with the query are left out throughout.
    """

    def __init__(self, task_id: str, against_controls: bool, seed: int, exclude_same: tuple[str, ...] = ()) -> None:
        self._task_id, self._against_controls, self._seed = task_id, against_controls, seed
        self._exclude_same = exclude_same
        self._chosen: dict[tuple[Any, ...], list[tuple[Candidates, Candidates]]] = {}

    def meet(self, profiles: AnnData) -> None:
        """Set the profiles of the encoder that is scored next."""
        self._profiles = profiles

    def matched(self, name: str, covariates: pd.DataFrame) -> BeforeAfter:
        """Score among candidates matched on covariates."""
        return self._score(name, lambda whole: match_candidates(whole, covariates))

    def left_out(self, column: str) -> BeforeAfter:
        """Score among candidates that do not share the value of a column with the query."""
        return self._score(f"shared {column}", lambda whole: leave_out(whole, column, *self._exclude_same))

    def _score(self, what: str, restrict: Callable[[Candidates], Candidates]) -> BeforeAfter:
        """Score among restricted candidates, and among equally many random ones."""
        key = (what, *self._profiles.obs_names)
        if key not in self._chosen:
            whole = choose_candidates(
                self._task_id, self._profiles, against_controls=self._against_controls, seed=self._seed
            )
            if self._exclude_same:
                whole = leave_out(whole, *self._exclude_same)
            fewer, rng = restrict(whole), spawn(self._seed, "equal in number", what)
            self._chosen[key] = [equal_in_number(whole, fewer, rng) for _ in range(_DRAWS)]
        drawn = self._chosen[key]
        table = pd.DataFrame({"unit": drawn[0][0].units, "stratum": "", "chance": drawn[0][0].chance})
        for name, index in (("before", 0), ("after", 1)):
            table[name] = np.mean([pair[index].rank(self._profiles) for pair in drawn], axis=0)
        if not table["chance"].notna().any():
            raise TaskNotApplicable("no perturbation has both replicates and other wells left to rank")
        means = table.dropna().groupby(["unit", "stratum"], sort=True)[["before", "after", "chance"]].mean()
        before, after = (means[[name]].set_axis(["value"], axis=1).assign(weight=1.0) for name in ("before", "after"))
        return BeforeAfter(before, after, float(means["chance"].mean()))
