"""Complex similarity: are the members of a complex or pathway more similar to each other than to other genes?"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from phenolens.core.errors import TaskNotApplicable
from phenolens.datasets import treated
from phenolens.metrics import SimilarityRanks, set_similarity
from phenolens.profiling import Average
from phenolens.tasks.base import Contract, WellTask
from phenolens.tasks.label_null import exchange_labels
from phenolens.tasks.perturbations import perturbation_profiles
from phenolens.tasks.plates import Exchange, exchange_within_plates
from phenolens.tasks.relations import read_sets, relation_files, spelling_note
from phenolens.tasks.score import Score, notes_of, unit_table

if TYPE_CHECKING:
    from anndata import AnnData

_FEWEST_PERTURBATIONS = 10


class ComplexSimilarity(WellTask):
    """How often a gene is more similar to a member of its own complex than to a gene outside of it.

    Parameters
    ----------
    sets
        Tables of complexes or pathways and their members, or folders of such tables; each file is a source.
    entity
        The metadata column that holds the names used in the sets.
    least_members
        Complexes with fewer members among the perturbations are left out.
    average
        How the wells of a perturbation are averaged.
    n_permutations
        The number of random sets of as many genes for a p value, drawn as in `PhenotypicConsistency`. Cosines of one
        gene with many are no independent numbers: the p value of a two-sample test of them is far too small.

    Notes
    -----
    Source: Celik et al., PLoS Comput. Biol. 2024 (EFAAR, cluster benchmark), whose Kolmogorov-Smirnov statistic is
    among the details of each source, as the mean over its complexes.
    """

    contract: ClassVar[Contract] = Contract(
        question="Are the members of a complex or pathway more similar to each other than to all other genes?",
        match="genes of the same complex",
        non_match="genes outside of the complex",
        chance="mean over the random sets on which the p value rests",
        controls="positive: complexes that most screens find, such as the ribosome; negative: permuted gene labels",
        least_data="ten perturbations, and a complex of three of them",
    )

    task: Literal["complex-similarity"] = "complex-similarity"
    sets: tuple[Path, ...] = Field(min_length=1)
    entity: str = "perturbation"
    least_members: int = Field(3, ge=3)
    average: Average = "mean"
    n_permutations: int = Field(2000, ge=20)

    @property
    def id(self) -> str:
        """E.g. ``complex-similarity:CORUM_clusters``."""
        return f"{self.task}:{','.join(path.name.split('.')[0] for path in self.sets)}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The metadata columns it reads."""
        return (self.entity,)

    def without_null(self) -> Self:
        """Return the task without random sets, on which no value rests."""
        return self.model_copy(update={"n_permutations": 0})

    def score(self, profiles: AnnData, rng: np.random.Generator) -> Score:
        """Return the mean AUC, with one unit per complex and one stratum per source; see `Task.score`."""
        genes = perturbation_profiles(profiles, self.entity, self.average, self.id)
        if len(genes) < _FEWEST_PERTURBATIONS:
            raise TaskNotApplicable(
                f"{self.id}: needs at least {_FEWEST_PERTURBATIONS} perturbations, found {len(genes)}"
            )
        sets = {name: read_sets(path) for name, path in relation_files(self.sets).items()}
        sources = {name: self._members(of_source, genes) for name, of_source in sets.items()}
        every_set = itertools.chain.from_iterable(of_source.values() for of_source in sets.values())
        named = dict.fromkeys(itertools.chain.from_iterable(every_set))
        unlike = spelling_note(named, genes.obs_names, "complexes")
        empty = [name for name, complexes in sources.items() if not complexes]
        if len(empty) == len(sources):
            raise TaskNotApplicable(
                f"{self.id}: no complex of {', '.join(sources)} has {self.least_members} members among "
                f"{len(genes)} perturbations (such as '{genes.obs_names[0]}'); is '{self.entity}' the column with the "
                f"names that the complexes use?{' ' + unlike if unlike else ''}"
            )
        ranks = SimilarityRanks(np.asarray(genes.X))
        wells = profiles.obs[treated(profiles.obs).to_numpy()]
        wells = wells.assign(perturbation=wells[self.entity].astype(str))
        tables, details, exchange_notes = [], {}, []
        for name, complexes in sources.items():
            if complexes:
                members = list(complexes.values())
                exchange = exchange_within_plates(wells, genes.obs_names, members)
                tables.append(self._units(name, complexes, ranks, exchange, rng))
                details[name] = _describe(np.asarray(genes.X), members)
                exchange_notes.append(exchange.note)
        go_with_plates = next((note for note in exchange_notes if note), "")
        without = f"no complex of {', '.join(empty)} has {self.least_members} members" if empty else ""
        return Score(
            "mean AUC",
            "complex",
            pd.concat(tables, ignore_index=True),
            notes_of(sources_without_complexes=without, names_spelled_otherwise=unlike, label_is_plate=go_with_plates),
            bounds=(0, 1),
            strata_are="sources",
            details=details,
        )

    def _members(self, sets: Mapping[str, Sequence[str]], genes: AnnData) -> dict[str, NDArray[np.intp]]:
        """Return complex -> the row numbers of its members, of complexes with enough members and not all genes."""
        number = pd.Series(np.arange(len(genes)), index=genes.obs_names)
        found = {}
        for name, members in sets.items():
            rows = number.reindex(members).dropna().to_numpy(dtype=np.intp)
            if self.least_members <= len(rows) < len(genes):
                found[name] = np.sort(rows)
        return found

    def _units(
        self,
        source: str,
        complexes: Mapping[str, NDArray[np.intp]],
        ranks: SimilarityRanks,
        exchange: Exchange,
        rng: np.random.Generator,
    ) -> pd.DataFrame:
        """Return the AUC of each complex of a source; without random sets, neither chance nor p values."""
        names, members = list(complexes), list(complexes.values())
        auc = np.array([ranks.auc(rows[None])[0] for rows in members])
        p, chance = np.full((2, len(members)), np.nan)
        for strata, numbers in exchange.parts if self.n_permutations else ():
            p[numbers], chance[numbers] = exchange_labels(
                auc[numbers],
                [members[number] for number in numbers],
                np.ones(len(strata), dtype=bool),
                strata,
                ranks.auc,
                n_permutations=self.n_permutations,
                rng=rng,
            )
        clusters = [f"{source}: {names[first]}" for first in _overlapping(members)]
        return unit_table(names, auc, chance=chance, p=p, strata=source, clusters=clusters)


def _describe(x: NDArray[Any], members: Sequence[NDArray[np.intp]]) -> dict[str, float]:
    """Return the means over complexes of what cosines (n, d) within them are, beside those around them."""
    similar = [set_similarity(x, rows) for rows in members]
    return {
        "n_complexes": float(len(members)),
        "mean_cosine_within": float(np.mean([each.within for each in similar])),
        "mean_cosine_between": float(np.mean([each.between for each in similar])),
        "mean_ks": float(np.mean([each.ks for each in similar])),
    }


def _overlapping(members: Sequence[NDArray[np.intp]]) -> list[int]:
    """Return for each complex the first of those that it is connected with by members in common."""
    genes, of_complex = np.concatenate(members), np.repeat(np.arange(len(members)), [len(rows) for rows in members])
    holds = coo_array((np.ones(len(genes)), (of_complex, genes)))
    labels = connected_components(holds @ holds.T, directed=False)[1]
    first = np.unique(labels, return_index=True)[1]
    return first[labels].tolist()
