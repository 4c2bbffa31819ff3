"""Relationship recall: are the profiles of genes that are known to be related similar, or opposite?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from phenolens.core.errors import TaskNotApplicable
from phenolens.datasets import treated
from phenolens.metrics import Apart, PairNull, PairTails, permutation_p, replicate_ceiling, rewire
from phenolens.profiling import Average
from phenolens.tasks.base import Contract, WellTask
from phenolens.tasks.clusters import related_clusters
from phenolens.tasks.exclusion import ExcludesSame
from phenolens.tasks.perturbations import perturbation_profiles
from phenolens.tasks.relations import (
    pairs_among,
    read_relations,
    read_translation,
    related_names,
    relation_files,
    spelling_note,
)
from phenolens.tasks.score import Score, notes_of, unit_table

if TYPE_CHECKING:
    from anndata import AnnData

_FEWEST_PERTURBATIONS = 10


class RelationshipRecall(ExcludesSame, WellTask):
    """Share of known relations whose cosine lies in the tails of the cosines of all pairs of perturbations.

    Parameters
    ----------
    relations
        Tables of relations, or folders of such tables; each file is a source.
    translate
        A table of two columns: the perturbation, and its name in the relations, such as its human orthologue.
    entity
        The metadata column that holds the names used in the relations.
    tails
        ``both``: the most and the least similar pairs; ``upper``: only the most similar pairs.
    tail
        The share of all pairs in each tail.
    average
        How the wells of a perturbation are averaged.
    n_permutations
        The number of permutations for each p value.
    exclude_same
        As in `ExcludesSame`, for pairs of perturbations: relations and all pairs with a batch, or a chromosome arm, in
        common are left out.

    Notes
    -----
    Source: Celik et al., PLoS Comput. Biol. 2024 (EFAAR); Kraus et al., CVPR 2024.
    """

    contract: ClassVar[Contract] = Contract(
        question="Are the profiles of genes that are known to be related similar or opposite?",
        match="pairs in a table of known relations",
        non_match="all pairs of perturbations",
        chance="closed form: the share of all pairs in the tails",
        controls="positive: complexes that most screens find, such as the ribosome; negative: permuted gene labels",
        least_data="ten perturbations, two of them related",
    )

    protocol_options: ClassVar[frozenset[str]] = frozenset({"task", "tails", "exclude_same"})

    task: Literal["relationship-recall"] = "relationship-recall"
    relations: tuple[Path, ...] = Field(min_length=1)
    translate: Path | None = None
    entity: str = "perturbation"
    tails: Literal["both", "upper"] = "both"
    tail: float = Field(0.05, gt=0, lt=0.5)
    average: Average = "mean"
    n_permutations: int = Field(199, ge=19)

    @property
    def id(self) -> str:
        """E.g. ``relationship-recall:gene_relations``, ``relationship-recall:CORUM|upper``."""
        named = ",".join(path.name.split(".")[0] for path in self.relations)
        return f"{self.task}:{named}" + ("" if self.tails == "both" else f"|{self.tails}") + self.restriction

    @property
    def columns(self) -> tuple[str, ...]:
        """The metadata columns it reads."""
        return (self.entity, *self.exclude_same)

    def score(self, profiles: AnnData, rng: np.random.Generator) -> Score:
        """Return recall, with one unit per perturbation and one stratum per source; see `Task.score`."""
        entities = perturbation_profiles(profiles, self.entity, self.average, self.id)
        names = entities.obs_names.to_numpy()
        if len(names) < _FEWEST_PERTURBATIONS:
            raise TaskNotApplicable(
                f"{self.id}: needs at least {_FEWEST_PERTURBATIONS} perturbations, found {len(names)}"
            )
        translation = read_translation(self.translate) if self.translate else None
        files = relation_files(self.relations)
        relations = {name: read_relations(path) for name, path in files.items()}
        pairs = {name: pairs_among(table, list(names), translation) for name, table in relations.items()}
        unlike = spelling_note(related_names(relations.values()), names if translation is None else translation)
        apart = self._apart(profiles)
        if apart is not None:
            pairs = {name: known[~apart.pairs_together(known)] for name, known in pairs.items()}
        empty = [name for name, known in pairs.items() if not len(known)]
        if len(empty) == len(pairs):
            raise TaskNotApplicable(
                f"{self.id}: no relation of {', '.join(pairs)} connects two of {len(names)} perturbations (such as "
                f"'{names[0]}'){self.with_restriction}; is '{self.entity}' the column with the names that the "
                f"relations use?{' ' + unlike if unlike else ''}"
            )
        clusters, order, crossed = related_clusters(np.concatenate(list(pairs.values())), names)
        null = PairNull(np.asarray(entities.X), tail=self.tail, apart=apart)
        ceiling = self._ceiling(profiles, rng)
        tables, details = [], {}
        for name, known in pairs.items():
            if len(known):
                placed = null.place(known)
                tables.append(self._units(name, known, self._hits(placed), names, clusters))
                details[name] = {**self._describe(placed, known), **self._test(null, known, placed, apart, rng)}
        interwoven = "relations are too interwoven to fall into independent groups; perturbations count as independent"
        details[""] = {"replicate_ceiling": ceiling}
        without = f"no relation of {', '.join(empty)} connects two of the perturbations" if empty else ""
        return Score(
            f"recall of relations in {'the tails' if self.tails == 'both' else 'the upper tail'}",
            "perturbation",
            pd.concat(tables, ignore_index=True),
            notes_of(
                sources_without_relations=without,
                names_spelled_otherwise=unlike,
                crossed_relations=interwoven if crossed else "",
            ),
            order=order,
            bounds=(0, 1),
            strata_are="sources",
            details=details,
        )

    def _hits(self, placed: PairTails) -> NDArray[np.float64]:
        return placed.upper + placed.lower if self.tails == "both" else placed.upper

    def _units(
        self,
        source: str,
        pairs: NDArray[np.intp],
        hits: NDArray[np.float64],
        names: NDArray[np.object_],
        clusters: Mapping[str, str],
    ) -> pd.DataFrame:
        """Return recall by perturbation; half of each relation counts for either of its two perturbations."""
        ends = pairs.T.ravel()
        related = np.bincount(ends, minlength=len(names))
        recalled = np.bincount(ends, weights=np.tile(hits, 2), minlength=len(names))
        has_relations = np.flatnonzero(related)
        chance = self.tail * (2 if self.tails == "both" else 1)
        return unit_table(
            names[has_relations],
            recalled[has_relations] / related[has_relations],
            chance=chance,
            strata=source,
            weights=related[has_relations] / 2,
            clusters=[clusters[name] for name in names[has_relations]],
        )

    def _describe(self, placed: PairTails, pairs: NDArray[np.intp]) -> dict[str, float]:
        return {
            "n_relations": len(pairs),
            "recall_both_tails": float((placed.lower + placed.upper).mean()),
            "recall_upper_tail": float(placed.upper.mean()),
            "auc": float(placed.percentile.mean()),
        }

    def _test(
        self,
        null: PairNull,
        pairs: NDArray[np.intp],
        placed: PairTails,
        apart: Apart | None,
        rng: np.random.Generator,
    ) -> dict[str, float]:
        """Return p values, and mean recall, under two null hypotheses.

        Permuting labels over all perturbations tests whether relations matter at all. Rewiring keeps the number of
        relations of each perturbation: it tests whether recall exceeds what strong phenotypes of popular genes give.
        Where pairs are left out, labels are permuted among perturbations of the same batches, so that the same pairs
        stay left out; of rewired relations, those that share a batch are.
        """
        n = len(null.vectors)
        permuted, rewired = np.empty((2, self.n_permutations, 2))
        mixed = rewire(pairs, rng)
        for draw in range(self.n_permutations):
            labels = rng.permutation(n) if apart is None else apart.permute(rng)
            permuted[draw] = self._recall(null.place(labels[pairs]))
            rewired[draw] = self._recall(null.place(mixed if apart is None else mixed[~apart.pairs_together(mixed)]))
            mixed = rewire(mixed, rng, sweeps=2)  # two sweeps suffice, starting from mixed relations
        # Few relations have few possible recalls: ties are broken by how extreme the pairs are.
        weights = np.array([1, 1e-6])
        observed = float(self._recall(placed) @ weights)
        return {
            "p_labels_permuted": permutation_p(observed, permuted @ weights),
            "recall_labels_permuted": float(permuted[:, 0].mean()),
            "p_degree_preserved": permutation_p(observed, rewired @ weights),
            "recall_degree_preserved": float(np.nanmean(rewired[:, 0])),
        }

    def _recall(self, placed: PairTails) -> NDArray[np.float64]:
        """Return recall, and how extreme the pairs are on average."""
        out = np.abs(2 * placed.percentile - 1) if self.tails == "both" else placed.percentile
        return np.array([self._hits(placed).mean(), out.mean()]) if len(out) else np.full(2, np.nan)

    def _apart(self, profiles: AnnData) -> Apart | None:
        wells = profiles[treated(profiles.obs).to_numpy()]
        return self.apart(wells, self.id, wells.obs[self.entity].astype(str).to_numpy())

    def _ceiling(self, profiles: AnnData, rng: np.random.Generator) -> float:
        wells = profiles[treated(profiles.obs).to_numpy()]
        return replicate_ceiling(np.asarray(wells.X), wells.obs[self.entity].astype(str), rng=rng)
