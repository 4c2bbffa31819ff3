"""Replicate retrieval: are replicates more similar to each other than to controls or other perturbations?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from phenolens.core.errors import TaskNotApplicable
from phenolens.datasets import condition_names
from phenolens.metrics import (
    Apart,
    benjamini_hochberg,
    control_average_precision,
    count_sets,
    label_average_precision,
    mean_defined,
    replicate_retrieval_p,
    set_average_precision,
)
from phenolens.tasks.apart_retrieval import rank_apart
from phenolens.tasks.base import FEWEST_PERMUTATIONS, Contract, LessData, PerturbationTask, Restricted
from phenolens.tasks.columns import required_column
from phenolens.tasks.exclusion import ExcludesSame
from phenolens.tasks.label_null import Exchanged, exchange_labels
from phenolens.tasks.layout import Exchange, choose_exchange, describe_layout, explain_exchange
from phenolens.tasks.less_data import fewer_replicates
from phenolens.tasks.restricted.retrieval import RestrictedRetrieval
from phenolens.tasks.sampling import sample_wells
from phenolens.tasks.score import Score, notes_of, unit_table
from phenolens.tasks.wells import Wells, unseen_wells

if TYPE_CHECKING:
    from anndata import AnnData

_FEWEST_REPLICATES = 2


class ReplicateRetrieval(ExcludesSame, PerturbationTask):
    """Mean average precision with which each well retrieves the other wells of its perturbation and dose.

    Parameters
    ----------
    measures
        ``activity``: phenotypic activity; replicates should rank above the negative controls of the same plate.
        ``distinctiveness``: phenotypic distinctiveness; replicates should rank above wells of all other perturbations.
        Controls that a profiler was fitted on are not ranked.
    exchange_with
        For activity: which wells a perturbation exchanges its label with, within plates, for its p value.
        ``controls``: with control wells.
        ``treatments``: with other treated wells; differences of position between treatments and controls cannot make
        this p value too small, but it detects only perturbations that stand out among the treatments.
        ``auto``: ``treatments`` if well positions are known and controls are in other positions than treatments, else
        ``controls``. For distinctiveness, labels are always exchanged among treatments.
    n_permutations
        The number of random labellings for a p value.
    exclude_same
        As in `ExcludesSame`. For activity, a well is then compared with controls of other plates where none of its own
        is left.
    cluster
        As in `PerturbationTask`.

    Notes
    -----
    Source: Kalinin et al., Nat. Commun. 2025 (copairs); here ties count by their expectation, and the null keeps the
    dependence between the replicates of a perturbation.
    """

    contract: ClassVar[Contract] = Contract(
        question="Are replicates of a perturbation more similar to each other than to controls or other perturbations?",
        match="wells of the same perturbation and dose",
        non_match="negative controls of the same plate, or wells of all other perturbations",
        chance="mean over the exchanges of labels on which the p value rests",
        controls="positive: role positive_control; negative: perturbations known to be inactive",
        least_data="two wells of one perturbation, and two negative controls on their plates",
    )

    protocol_options: ClassVar[frozenset[str]] = frozenset({"task", "exclude_same"})

    task: Literal["replicate-retrieval"] = "replicate-retrieval"
    measures: Literal["activity", "distinctiveness"] = "activity"
    exchange_with: Exchange = "auto"
    n_permutations: int = Field(2000, ge=20)

    @property
    def measures_activity(self) -> bool:
        """Whether each p value tests that a perturbation differs from controls."""
        return self.measures == "activity"

    @property
    def retrieves_replicates(self) -> bool:
        """It does."""
        return True

    @property
    def takes_less_data(self) -> Literal["shots", "replicates"] | None:
        """Wells of each perturbation."""
        return "replicates"

    def with_less_data(self, profiles: AnnData, score: Score, seed: int) -> LessData:
        """Return how it is scored with fewer wells of each perturbation."""
        return fewer_replicates(self, profiles, seed)

    def restricted(self, seed: int) -> Restricted:
        """Return the task among candidates matched on, or separated by, a covariate."""
        return RestrictedRetrieval(self.id, self.needs_controls, seed, self.exclude_same)

    def without_p(self) -> Self:
        """Return the task with few permutations, on which chance rests too."""
        return self.model_copy(update={"n_permutations": FEWEST_PERMUTATIONS})

    def without_null(self) -> Self:
        """Return the task without exchanges of labels, on which no value rests."""
        return self.model_copy(update={"n_permutations": 0})

    def sample(self, rows: AnnData, most: int, rng: np.random.Generator) -> AnnData:
        """Return whole perturbations with at most `most` wells, and as many controls if these are ranked."""
        return rows[sample_wells(rows.obs, most, rng, controls=self.needs_controls)]

    @property
    def id(self) -> str:
        """``replicate-retrieval:controls`` (activity) or ``:others`` (distinctiveness).

        The former words stay: random numbers are drawn by this name.
        """
        return f"{self.task}:{'controls' if self.needs_controls else 'others'}{self.restriction}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The metadata columns it reads."""
        return ("perturbation", *(("role",) if self.needs_controls else ()), *self.exclude_same, *self.cluster_column)

    @property
    def needs_controls(self) -> bool:
        """Whether it needs negative controls."""
        return self.measures == "activity"

    def score(self, profiles: AnnData, rng: np.random.Generator) -> Score:
        """Return mAP, with one unit per perturbation and dose; see `Task.score`."""
        wells = unseen_wells(profiles, self.id, controls=self.needs_controls)
        required_column(wells.profiles[wells.treated], "perturbation", self.id)
        x, name = np.asarray(wells.profiles.X), condition_names(wells.profiles.obs).to_numpy()
        groups = pd.Series(np.flatnonzero(wells.treated)).groupby(name[wells.treated], sort=False)
        units = {str(name): rows.to_numpy() for name, rows in groups if len(rows) >= _FEWEST_REPLICATES}
        apart = self.apart(wells.profiles, self.id)
        ap = self._rank(x, name, wells, apart)
        value = np.array([mean_defined(ap[rows][None])[0] for rows in units.values()])
        scored = {name: rows for (name, rows), v in zip(units.items(), value, strict=True) if not np.isnan(v)}
        if not scored:
            raise TaskNotApplicable(
                f"{self.id}: none of {groups.ngroups} perturbations has {_FEWEST_REPLICATES} wells and "
                f"{'negative controls on their plates' if self.needs_controls else 'wells of other perturbations'}"
                f"{self.with_restriction}"
            )
        kept = ~np.isnan(value)
        cluster_of = self.clusters(wells.profiles[wells.treated], name[wells.treated])
        clusters = [cluster_of[unit] for unit in scored]
        if self.n_permutations == 0:
            return Score("mAP", "perturbation", unit_table(list(scored), value[kept], chance=np.nan, clusters=clusters))
        layout = describe_layout(wells.profiles.obs, wells.treated, wells.control, whole=wells.whole)
        partner = choose_exchange(self.exchange_with, layout)
        p, chance = self._exchange(x, wells, value[kept], list(scored.values()), partner, apart, rng)
        table = unit_table(list(scored), value[kept], chance=chance, p=p, clusters=clusters)
        left_out = sorted({str(name) for name, _ in groups} - set(scored))
        notes = notes_of(
            not_scored=f"{len(left_out)} perturbations could not be scored, e.g. {left_out[0]}" if left_out else ""
        )
        if self.needs_controls:
            notes += (*layout.notes, *notes_of(exchange=explain_exchange(self.exchange_with, partner)))
        of_labels = self._least_p(wells, list(scored.values()), partner, apart)
        drawn = np.maximum(of_labels, 1 / (1 + self.n_permutations))
        details = {
            "least_p": float(of_labels.min()),
            "least_p_adjusted": float(benjamini_hochberg(drawn).min()),
        }
        return Score("mAP", "perturbation", table, notes, bounds=(0, 1), details={"": details})

    def _rank(
        self, x: NDArray[Any], name: NDArray[np.object_], wells: Wells, apart: Apart | None
    ) -> NDArray[np.float64]:
        """Return AP (n,) of each well; NaN for wells that are not queries."""
        codes = np.unique(name, return_inverse=True)[1]
        if apart is not None:
            return rank_apart(x, codes, wells, apart, controls=self.needs_controls)
        if not self.needs_controls:
            return label_average_precision(x, codes, candidate=wells.treated)
        take_part = wells.treated | wells.control
        ap = np.full(len(x), np.nan)
        ap[take_part] = control_average_precision(
            x[take_part], codes[take_part], wells.plate[take_part], wells.control[take_part]
        )
        return ap

    def _least_p(
        self, wells: Wells, units: list[NDArray[np.intp]], partner: Exchange, apart: Apart | None
    ) -> NDArray[np.float64]:
        """Return the smallest p value that any number of exchanges allows: few wells allow few exchanges of labels."""
        among_treated = not self.needs_controls or partner == "treatments"
        codes = np.unique(wells.plate if apart is None else apart.within(wells.plate), return_inverse=True)[1]
        others = np.bincount(codes[wells.treated if among_treated else wells.control], minlength=codes.max() + 1)
        least = []
        for rows in units:
            plates, taken = np.unique(codes[rows], return_counts=True)
            sizes = others[plates] + (0 if among_treated else taken)
            # A whole number, which may be too large for a float: its inverse is then 0.
            least.append(1 / count_sets(sizes.tolist(), taken.tolist()))
        return np.array(least)

    def _exchange(
        self,
        x: NDArray[Any],
        wells: Wells,
        value: NDArray[np.float64],
        units: list[NDArray[np.intp]],
        partner: Exchange,
        apart: Apart | None,
        rng: np.random.Generator,
    ) -> Exchanged:
        """Return the p value of each perturbation, and its chance level."""
        plate = wells.plate
        if not self.needs_controls or partner == "treatments":
            negative, within = (wells.control, plate) if self.needs_controls else (wells.treated, None)
            return exchange_labels(
                value,
                units,
                wells.treated,
                plate if apart is None else apart.within(plate),
                lambda sets: mean_defined(
                    set_average_precision(x, sets, negative=negative, plates=within, apart=apart)
                ),
                n_permutations=self.n_permutations,
                rng=rng,
            )
        found = replicate_retrieval_p(
            x, units, wells.control, plate, apart=apart, n_permutations=self.n_permutations, rng=rng
        )
        return Exchanged(found.p, found.chance)
