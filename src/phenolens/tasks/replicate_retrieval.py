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
    benjamini_hochberg,
    chance_average_precision,
    cosine_similarity,
    label_average_precision,
    replicate_average_precision,
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
        replicated = counts[counts >= _FEWEST_REPLICATES]
        scores = (
            self._against_controls(x, wells, replicated, rng)
            if self.against == "controls"
            else self._against_others(x, wells, replicated)
        )
        rows = [(name, "", *score, 1.0) for name, score in zip(replicated.index, scores, strict=True)]
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

    def _against_others(
        self, x: NDArray[Any], wells: pd.DataFrame, replicated: "pd.Series[int]"
    ) -> list[tuple[float, float, float]]:
        """Return mAP, chance and an undefined p of each perturbation against all others."""
        treated = wells["treated"].to_numpy()
        ap = label_average_precision(x, wells["name"].to_numpy(), candidate=treated)
        value = pd.Series(ap[treated]).groupby(wells.loc[treated, "name"].to_numpy()).mean()
        total = int(treated.sum())
        return [
            (value[name], chance_average_precision(n - 1, total - n), float("nan")) for name, n in replicated.items()
        ]

    def _against_controls(
        self, x: NDArray[Any], wells: pd.DataFrame, replicated: "pd.Series[int]", rng: np.random.Generator
    ) -> list[tuple[float, float, float]]:
        """Return mAP, chance and p of each perturbation against its plates' controls."""
        name, plate = wells["name"].to_numpy(), wells["plate"].to_numpy()
        treated, control = wells["treated"].to_numpy(), wells["control"].to_numpy()
        scores = []
        for perturbation, n in replicated.items():
            own = treated & (name == perturbation)
            pool = np.flatnonzero(own | (control & np.isin(plate, plate[own])))
            n_controls = [int((control & (plate == p)).sum()) for p in plate[own]]
            if not any(n_controls):
                scores.append((float("nan"), float("nan"), float("nan")))
                continue
            similarity = cosine_similarity(x[pool])
            value = replicate_average_precision(similarity, own[pool][None], plate[pool])[0]
            chance = np.mean([chance_average_precision(n - 1, m) for m in n_controls if m])
            p = replicate_retrieval_p(similarity, own[pool], plate[pool], n_permutations=self.n_permutations, rng=rng)
            scores.append((float(value), float(chance), p))
        return scores
