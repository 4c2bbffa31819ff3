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
    chance_average_precision,
    control_average_precision,
    label_average_precision,
    mean_defined,
    replicate_retrieval_p,
    set_average_precision,
)
from phenolens.profiling import FITTED_ON
from phenolens.tasks.base import Contract, Score, required_column, unit_table
from phenolens.tasks.label_null import exchange_p
from phenolens.tasks.layout import Null, choose_null, describe_layout, explain_null

_FEWEST_REPLICATES = 2


class ReplicateRetrieval(BaseModel):
    """Mean average precision with which each well finds the other wells of its perturbation and dose.

    Parameters
    ----------
    against
        ``controls``: before the negative controls of its own plate (phenotypic activity).
        ``others``: before the wells of all other perturbations (phenotypic distinctness).
        Controls that a profiler was fitted on take no part.
    null
        Against controls, what a perturbation's label is exchanged with, within plates, for its p value.
        ``controls``: control wells pose as the perturbation, and its wells as controls.
        ``treatments``: other treated wells pose as the perturbation, which no difference of position between treatments
        and controls can upset, but which finds only what stands out among the treatments.
        ``auto``: the latter where the positions of wells are known and controls stand apart from treatments.
        Against others, labels are always exchanged among treatments.
    n_permutations
        Labellings drawn for a p value.

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
    null: Null = "auto"
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
        rows = wells["treated"].to_numpy().nonzero()[0]
        groups = pd.Series(rows).groupby(wells["name"].to_numpy()[rows], sort=False)
        units = {str(name): own.to_numpy() for name, own in groups if len(own) >= _FEWEST_REPLICATES}
        ap, chance = self._rank(x, wells)
        value = np.array([mean_defined(ap[own][None])[0] for own in units.values()])
        expected = np.array([mean_defined(chance[own][None])[0] for own in units.values()])
        scored = {name: own for (name, own), v in zip(units.items(), value, strict=True) if not np.isnan(v)}
        if not scored:
            raise TaskNotApplicable(
                f"{self.id}: none of {groups.ngroups} perturbations has {_FEWEST_REPLICATES} wells and "
                f"{'negative controls on their plates' if self.against == 'controls' else 'others to rank'}"
            )
        kept = ~np.isnan(value)
        layout = describe_layout(profiles.obs, wells["treated"].to_numpy(), wells["control"].to_numpy())
        null = choose_null(self.null, layout)
        p = self._test(x, wells, value[kept], list(scored.values()), null, rng)
        table = unit_table(list(scored), value[kept], chance=expected[kept], p=p)
        left_out = sorted({str(name) for name, _ in groups} - set(scored))
        notes = [f"{len(left_out)} perturbations could not be scored, e.g. {left_out[0]}" if left_out else ""]
        if self.against == "controls":
            notes += [layout.caveat, explain_null(self.null, null)]
        return Score("mAP", "perturbation", table, "; ".join(filter(None, notes)))

    def _describe(self, profiles: AnnData) -> pd.DataFrame:
        """Return name (perturbation and dose), plate, control and treated of each well."""
        obs = profiles.obs
        if "role" not in obs and self.against == "controls":
            raise TaskNotApplicable(f"{self.id}: no column 'role' to tell negative controls by")
        is_treated = treated(obs).to_numpy()
        required_column(profiles[is_treated], "perturbation", self.id)
        wells = pd.DataFrame({"name": condition_names(obs), "treated": is_treated}, index=obs.index)
        wells["plate"] = obs["plate"].astype(str) if "plate" in obs else ""
        wells["control"] = (obs["role"] == NEGATIVE_CONTROL) if "role" in obs else False
        if self.against == "controls" and not wells["control"].any():
            raise TaskNotApplicable(f"{self.id}: no row has role '{NEGATIVE_CONTROL}'")
        return wells

    def _rank(self, x: NDArray[Any], wells: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return AP and chance (n,) of each well; NaN where it is not ranked."""
        name, plate = wells["name"].to_numpy(), wells["plate"].to_numpy()
        is_treated, control = wells["treated"].to_numpy(), wells["control"].to_numpy()
        replicates = wells[is_treated].groupby("name")["name"].transform("size").reindex(wells.index).to_numpy()
        if self.against == "others":
            ap = label_average_precision(x, name, candidate=is_treated)
            negatives = is_treated.sum() - replicates
        else:
            take_part = is_treated | control
            ap = np.full(len(x), np.nan)
            ap[take_part] = control_average_precision(
                x[take_part], name[take_part], plate[take_part], control[take_part]
            )
            negatives = wells.groupby("plate")["control"].transform("sum").to_numpy()
        known = {
            (k, m): chance_average_precision(int(k) - 1, int(m))
            for k, m in set(zip(replicates[~np.isnan(ap)], negatives[~np.isnan(ap)], strict=True))
        }
        return ap, np.array([known.get(key, np.nan) for key in zip(replicates, negatives, strict=True)])

    def _test(
        self,
        x: NDArray[Any],
        wells: pd.DataFrame,
        value: NDArray[np.float64],
        units: list[NDArray[np.intp]],
        null: str,
        rng: np.random.Generator,
    ) -> NDArray[np.float64]:
        """Return the p value of each perturbation."""
        plate, is_treated = wells["plate"].to_numpy(), wells["treated"].to_numpy()
        control = wells["control"].to_numpy()
        if self.against == "others" or null == "treatments":
            negative, within = (is_treated, None) if self.against == "others" else (control, plate)
            return exchange_p(
                value,
                units,
                is_treated,
                plate,
                lambda sets: mean_defined(set_average_precision(x, sets, negative=negative, plates=within)),
                n_permutations=self.n_permutations,
                rng=rng,
            )
        on_plate = {name: np.flatnonzero(control & (plate == name)) for name in np.unique(plate)}
        p = []
        for own in units:
            pool = np.concatenate([own, *(on_plate[name] for name in np.unique(plate[own]))])
            replicate = np.arange(len(pool)) < len(own)
            p.append(
                replicate_retrieval_p(x[pool], replicate, plate[pool], n_permutations=self.n_permutations, rng=rng)[1]
            )
        return np.array(p)
