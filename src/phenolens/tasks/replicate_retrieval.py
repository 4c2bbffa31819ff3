"""Replicate retrieval: does a perturbation look like itself, and unlike the controls?"""

from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from phenolens.datasets import NEGATIVE_CONTROL, condition_names, treated
from phenolens.errors import TaskNotApplicable
from phenolens.metrics import (
    average_precision,
    benjamini_hochberg,
    chance_average_precision,
    cosine_similarity,
    replicate_retrieval_p,
)
from phenolens.profiling import FITTED_ON
from phenolens.tasks.base import UNIT_COLUMNS, Contract, Score, required_column

_FEWEST_REPLICATES = 2


class ReplicateRetrieval(BaseModel):
    """Mean average precision with which each well finds the other wells of its perturbation and dose.

    Parameters
    ----------
    against
        ``controls``: before the negative controls of its own plate (phenotypic activity).
        ``others``: before the wells of all other perturbations (phenotypic distinctness).
        Controls that a profiler was fitted on take no part.
    n_permutations
        Labellings drawn within plates for the p value of each perturbation, when against controls.

    Source: Kalinin et al., Nat. Commun. 2025 (copairs), with ties in expectation and a null that keeps the
    dependence between the replicates of a perturbation.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    contract: ClassVar[Contract] = Contract(
        question="Do the replicates of a perturbation resemble each other more than they resemble controls?",
        match="wells of the same perturbation and dose",
        non_match="negative controls of the same plate, or wells of all other perturbations",
        chance="closed form: the expected average precision of a random order",
        controls="positive: role positive_control; negative: perturbations known to be inactive",
        least_data="two wells of one perturbation, and two negative controls on their plates",
    )

    task: Literal["replicate-retrieval"] = "replicate-retrieval"
    against: Literal["controls", "others"] = "controls"
    n_permutations: int = Field(2000, ge=20)

    @property
    def id(self) -> str:
        """``replicate-retrieval:controls`` or ``:others``."""
        return f"{self.task}:{self.against}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The metadata columns it reads."""
        return ("perturbation", "role") if self.needs_controls else ("perturbation",)

    @property
    def needs_controls(self) -> bool:
        """Whether it needs negative controls."""
        return self.against == "controls"

    @property
    def level(self) -> Literal["well", "site"]:
        """Wells: replicates are wells."""
        return "well"

    def score(self, profiles: AnnData, rng: np.random.Generator) -> Score:
        """Return mAP, with one unit per perturbation and dose; see `Task.score`."""
        if FITTED_ON in profiles.obs:
            profiles = profiles[~profiles.obs[FITTED_ON].to_numpy()]
        wells = self._describe(profiles)
        x = np.asarray(profiles.X)
        counts = wells.loc[wells["treated"], "name"].value_counts(sort=False)
        rows = [
            (name, "", *self._score_one(x, wells, name, rng), 1.0)
            for name in counts.index[counts >= _FEWEST_REPLICATES]
        ]
        table = pd.DataFrame(rows, columns=["unit", "stratum", "value", "chance", "p", "weight"])
        table = table[table["value"].notna()].reset_index(drop=True)
        if table.empty:
            raise TaskNotApplicable(
                f"{self.id}: none of {len(counts)} perturbations has {_FEWEST_REPLICATES} wells and "
                f"{'negative controls on their plates' if self.against == 'controls' else 'others to rank'}"
            )
        table["p_adjusted"] = benjamini_hochberg(table["p"].to_numpy())
        left_out = sorted(set(counts.index) - set(table["unit"]))
        caveat = f"{len(left_out)} perturbations could not be scored, e.g. {left_out[0]}" if left_out else ""
        return Score("mAP", "perturbation", table[list(UNIT_COLUMNS)], caveat)

    def _describe(self, profiles: AnnData) -> pd.DataFrame:
        """Return name (perturbation and dose), plate, control and treated of each well."""
        obs = profiles.obs
        required_column(profiles, "perturbation", self.id)
        if "role" not in obs and self.against == "controls":
            raise TaskNotApplicable(f"{self.id}: no column 'role' to tell negative controls by")
        wells = pd.DataFrame({"name": condition_names(obs), "treated": treated(obs)}, index=obs.index)
        wells["plate"] = obs["plate"].astype(str) if "plate" in obs else ""
        wells["control"] = (obs["role"] == NEGATIVE_CONTROL) if "role" in obs else False
        if self.against == "controls" and not wells["control"].any():
            raise TaskNotApplicable(f"{self.id}: no row has role '{NEGATIVE_CONTROL}'")
        return wells

    def _score_one(
        self, x: NDArray[Any], wells: pd.DataFrame, name: str, rng: np.random.Generator
    ) -> tuple[float, float, float]:
        """Return mAP, chance and p of one perturbation; NaN where it has nothing to be ranked against."""
        replicate = ((wells["name"] == name) & wells["treated"]).to_numpy()
        plate = wells["plate"].to_numpy()
        if self.against == "controls":
            candidate = wells["control"].to_numpy() & np.isin(plate, plate[replicate])
        else:
            candidate = wells["treated"].to_numpy() & ~replicate
        pool = np.flatnonzero(replicate | candidate)
        replicate, plate = replicate[pool], plate[pool]
        query = np.flatnonzero(replicate)
        positive = np.tile(replicate, (len(query), 1))
        positive[np.arange(len(query)), query] = False
        negative = np.tile(~replicate, (len(query), 1))
        if self.against == "controls":
            negative &= plate[query][:, None] == plate
        n_negative = negative.sum(axis=1)
        if not n_negative.any():
            return float("nan"), float("nan"), float("nan")
        similarity = cosine_similarity(x[pool])
        value = np.nanmean(average_precision(similarity[query], positive, negative))
        chance = np.mean([chance_average_precision(len(query) - 1, int(n)) for n in n_negative if n])
        p = float("nan")
        if self.against == "controls":
            p = replicate_retrieval_p(similarity, replicate, plate, n_permutations=self.n_permutations, rng=rng)
        return float(value), float(chance), p
