"""Compound-gene matching: is a compound similar to the perturbation of the gene that it acts on?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from phenolens.core.errors import PhenolensError, TaskNotApplicable
from phenolens.core.parse_numbers import parse_numbers
from phenolens.datasets import treated
from phenolens.metrics import average_precision, chance_average_precision, cosine_similarity, permutation_p
from phenolens.profiling import Average, aggregate
from phenolens.tasks.base import Contract, PerturbationTask
from phenolens.tasks.clusters import related_clusters
from phenolens.tasks.columns import required_column
from phenolens.tasks.exclusion import ExcludesSame
from phenolens.tasks.relations import read_relations, related_names, relation_files, spelling_note
from phenolens.tasks.score import Score, notes_of, unit_table

if TYPE_CHECKING:
    from anndata import AnnData

_FEWEST_NEGATIVES = 20
_COMPOUND = "compound"
_GENE = ("crispr", "orf", "sirna")


class CompoundGene(ExcludesSame, PerturbationTask):
    """Average precision with which a compound ranks the genes that it is known to act on above sampled other genes.

    The similarity of a compound and a gene is the absolute cosine of their profiles, at the dose where it is largest.
    Known genes whose activity lies between the two limits are neither positives nor negatives. As negatives,
    max(2 x positives, 20) other genes are sampled, and average precision is the mean over many such samples.

    Parameters
    ----------
    relations
        Tables of compound, gene and, in a third column, the concentration in uM at which it acts; without that column
        every pair is a positive.
    active_below, inactive_above
        The limits of that concentration in uM; a pair above the upper limit counts as a negative.
    average
        How the wells of a perturbation and dose are averaged.
    n_samples
        The number of samples of negatives.
    n_permutations
        The number of random choices of genes for the p value of each compound, which uses all negatives. A gene is
        chosen in proportion to one more than the number of other compounds that are known to act on it: well-studied
        genes have strong phenotypes, which many compounds resemble.
    exclude_same
        As in `ExcludesSame`: genes with a batch in common with the compound are neither positives nor negatives.
    cluster
        As in `PerturbationTask`; None for compounds that are known to act on the same genes.

    Notes
    -----
    Source: the rules of RxRx3-core, Kraus et al., arXiv 2503.20158 (2025).
    """

    contract: ClassVar[Contract] = Contract(
        question="Is a compound similar to the perturbation of the gene that it acts on?",
        match="genes that the compound is known to act on below 1 uM",
        non_match="genes that the compound is not known to act on below 10 uM",
        chance="closed form: the expected average precision of a random order",
        controls="positive: compounds with one potent target; negative: genes drawn as often as they are known",
        least_data="one compound with a known gene, both profiled, and 20 other genes",
    )

    task: Literal["compound-gene"] = "compound-gene"
    relations: tuple[Path, ...] = Field(min_length=1)
    active_below: float = Field(1.0, gt=0)
    inactive_above: float = Field(10.0, gt=0)
    average: Average = "mean"
    n_samples: int = Field(100, ge=1)
    n_permutations: int = Field(999, ge=19)

    @property
    def id(self) -> str:
        """``compound-gene``, ``compound-gene|not same batch``."""
        return self.task + self.restriction

    @property
    def columns(self) -> tuple[str, ...]:
        """The metadata columns it reads."""
        return ("perturbation", "perturbation_type", *self.exclude_same, *self.cluster_column)

    def score(self, profiles: AnnData, rng: np.random.Generator) -> Score:
        """Return AP, with one unit per compound; see `Task.score`."""
        wells = profiles[treated(profiles.obs).to_numpy()]
        kind = required_column(wells, "perturbation_type", self.id)
        compounds, genes = wells[(kind == _COMPOUND).to_numpy()], wells[kind.isin(_GENE).to_numpy()]
        if not len(compounds) or not len(genes):
            raise TaskNotApplicable(
                f"{self.id}: {len(compounds)} wells have perturbation_type {_COMPOUND} and {len(genes)} have "
                f"{', '.join(_GENE)}; both are needed"
            )
        required_column(wells, "perturbation", self.id)
        by_gene = aggregate(genes, ["perturbation"], self.average)
        of_dose = [column for column in ("dose", "dose_unit") if column in compounds.obs]
        known = [column for column in of_dose if compounds.obs[column].notna().all()]
        by_dose = aggregate(compounds, ["perturbation", *known], self.average)
        similarity = np.abs(cosine_similarity(np.asarray(by_dose.X), np.asarray(by_gene.X)))
        strongest = (
            pd.DataFrame(similarity, columns=by_gene.obs["perturbation"].astype(str))
            .groupby(by_dose.obs["perturbation"].astype(str).to_numpy(), sort=True)
            .max()
        )
        known = self._known(strongest.index, strongest.columns)
        compared = self._compared(compounds, genes, strongest)
        times_known = known[known["positive"]].groupby("entity2").size()
        weight = 1.0 + times_known.reindex(strongest.columns, fill_value=0).to_numpy()
        rows = []
        for compound, pairs in known.groupby("entity1", sort=True):
            columns = strongest.columns.get_indexer(pairs["entity2"])
            left_out = np.flatnonzero(~compared.loc[compound].to_numpy())
            positives = columns[pairs["positive"]]
            by_others = weight.copy()
            by_others[positives] -= 1
            scored = self._rank(
                strongest.loc[compound].to_numpy(),
                np.setdiff1d(positives, left_out) if len(left_out) else positives,
                np.concatenate([columns[~pairs["negative"]], left_out]),
                by_others,
                rng,
            )
            if scored:
                rows.append((compound, *scored))
        if not rows:
            raise TaskNotApplicable(
                f"{self.id}: no known relation connects one of {len(strongest)} compounds (such as "
                f"'{strongest.index[0]}') with one of {strongest.shape[1]} genes (such as "
                f"'{strongest.columns[0]}') and leaves {_FEWEST_NEGATIVES} other genes"
            )
        table = pd.DataFrame(rows, columns=["unit", "value", "chance", "p"])
        clusters = self._group(compounds, known)
        units = unit_table(
            table["unit"], table["value"], chance=table["chance"], p=table["p"], clusters=table["unit"].map(clusters)
        )
        tables = map(read_relations, relation_files(self.relations).values())
        unlike = spelling_note(related_names(tables), [*strongest.index, *strongest.columns])
        return Score("mAP", "compound", units, notes_of(names_spelled_otherwise=unlike), bounds=(0, 1))

    def _compared(self, compounds: AnnData, genes: AnnData, strongest: pd.DataFrame) -> pd.DataFrame:
        """Return which genes each compound is compared with: those that share no value of `exclude_same`."""
        compared = pd.DataFrame(True, strongest.index, strongest.columns)
        for column in self.exclude_same:
            of_compounds, of_genes = (
                pd.crosstab(rows.obs["perturbation"].astype(str).to_numpy(), required_column(rows, column, self.id))
                for rows in (compounds, genes)
            )
            of_compounds, of_genes = of_compounds.align(of_genes, join="outer", axis=1, fill_value=0)
            shared = of_compounds.loc[strongest.index].to_numpy() @ of_genes.loc[strongest.columns].to_numpy().T
            compared &= shared == 0
        return compared

    def _group(self, compounds: AnnData, known: pd.DataFrame) -> Mapping[str, str]:
        """Return the cluster of each compound; unless a column names it, those that act on the same genes share one."""
        names = compounds.obs["perturbation"].astype(str)
        if self.cluster is not None:
            return self.clusters(compounds, names)
        pairs = known.loc[known["positive"], ["entity1", "entity2"]]
        ends = [f"compound {name}" for name in pairs["entity1"]] + [f"gene {name}" for name in pairs["entity2"]]
        codes, entities = pd.factorize(np.array(ends, dtype=object))
        clusters, _, crossed = related_clusters(codes.reshape(2, -1).T, entities)
        return {name: name if crossed else clusters[f"compound {name}"] for name in pairs["entity1"].unique()}

    def _known(self, compounds: pd.Index[str], genes: pd.Index[str]) -> pd.DataFrame:
        """Return the known pairs of profiled compounds and genes, and which are positives and negatives."""
        tables = [read_relations(path) for path in relation_files(self.relations).values()]
        pairs = pd.concat([table.iloc[:, :3].set_axis(self._names(table), axis=1) for table in tables])
        if "activity" not in pairs:
            pairs["activity"] = 0.0
        activity = parse_numbers(pairs["activity"])
        if np.isnan(activity).any():
            culprit = pairs[np.isnan(activity)].iloc[0]
            raise PhenolensError(
                f"{self.id}: '{culprit['activity']}' is not a concentration in uM, for {culprit['entity1']} and "
                f"{culprit['entity2']}"
            )
        # A pair measured several times counts with its most potent value.
        pairs = pairs.assign(activity=activity).groupby(["entity1", "entity2"], as_index=False)["activity"].min()
        pairs = pairs[pairs["entity1"].isin(compounds) & pairs["entity2"].isin(genes)]
        return pairs.assign(
            positive=pairs["activity"] <= self.active_below, negative=pairs["activity"] > self.inactive_above
        )

    @staticmethod
    def _names(table: pd.DataFrame) -> list[str]:
        return ["entity1", "entity2", "activity"][: table.shape[1]]

    def _rank(
        self,
        score: NDArray[np.float64],
        positives: NDArray[np.intp],
        no_negatives: NDArray[np.intp],
        weight: NDArray[np.float64],
        rng: np.random.Generator,
    ) -> tuple[float, float, float] | None:
        """Return AP, chance and p of one compound; None without positives, or with too few negatives."""
        negatives = np.setdiff1d(np.arange(len(score)), no_negatives)
        k = len(positives)
        n_sampled = max(2 * k, _FEWEST_NEGATIVES)
        if k == 0 or len(negatives) < n_sampled:
            return None
        positive, negative = np.zeros((2, self.n_samples, len(score)), dtype=bool)
        positive[:, positives] = True
        for row in negative:
            row[rng.choice(negatives, n_sampled, replace=False)] = True
        repeated = np.broadcast_to(score, positive.shape)
        ap = float(average_precision(repeated, positive, negative).mean())
        # The null: as many genes, drawn by weight from all positives and negatives, are labelled as known.
        pool = np.concatenate([positives, negatives])
        labelled = np.zeros((self.n_permutations + 1, len(pool)), dtype=bool)
        labelled[0, :k] = True
        # The k smallest of exponential times with these rates are drawn one by one in proportion to weight.
        times = rng.exponential(size=(self.n_permutations, len(pool))) / weight[pool]
        drawn = np.argpartition(times, k - 1, axis=1)[:, :k]
        np.put_along_axis(labelled[1:], drawn, True, axis=1)
        every = average_precision(np.broadcast_to(score[pool], labelled.shape), labelled, ~labelled)
        return ap, chance_average_precision(k, n_sampled), permutation_p(float(every[0]), every[1:])
