"""Chromosome-arm bias: are knockouts of genes of one chromosome arm similar, whatever the genes do?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from phenolens.core.errors import TaskNotApplicable, did_you_mean
from phenolens.datasets import read_gene_table, treated
from phenolens.metrics import PairNull, apart_by, group_similarity, permutation_p
from phenolens.profiling import Average
from phenolens.tasks.base import Contract, WellTask
from phenolens.tasks.columns import value_of_each
from phenolens.tasks.perturbations import perturbation_profiles
from phenolens.tasks.relations import pairs_among, read_relations, relation_files, spelling_note
from phenolens.tasks.score import Score, notes_of, unit_table

if TYPE_CHECKING:
    from anndata import AnnData

_FEWEST_ARMS = 2


class ArmBias(WellTask):
    """Probability that two genes of one chromosome arm are more similar than any two genes; lower is better.

    Cas9 cuts often lose the rest of the chromosome arm, so that knockouts of one arm resemble each other (proximity
    bias). With `relations`, the details tell which share of the recall of relations is lost when relations and pairs
    within one arm are left out. Genes of one arm may be related, such as those of a gene cluster: part of it is
    biology.

    Parameters
    ----------
    arm
        The column of chromosome arms, such as 1p: of the metadata, or of `genes`.
    genes
        A table whose first column holds the names of genes, and which has the column of arms; None: the metadata has.
    fewest
        Arms with fewer genes are left out.
    relations
        Tables of relations, as in `RelationshipRecall`.
    tail
        The share of all pairs in each tail, for the recall of relations.
    average
        How the wells of a gene are averaged.
    n_permutations
        The number of permutations of arms over genes for the p values.

    Notes
    -----
    Source: Lazar et al., Nat. Genet. 56 (2024), who compare pairs within arms with pairs between arms; a p value from
    pairs would take them for independent, and genes are permuted instead.
    """

    contract: ClassVar[Contract] = Contract(
        question="Are knockouts of genes of one chromosome arm similar, whatever the genes do?",
        match="pairs of genes of one chromosome arm",
        non_match="all pairs of genes",
        chance="one half: a pair within an arm exceeds half of all pairs",
        controls="positive: CRISPR-Cas9 knockouts in cells with functional TP53; negative: permuted arms",
        least_data="two chromosome arms with 20 genes each",
    )

    task: Literal["arm-bias"] = "arm-bias"
    arm: str = "chromosome_arm"
    genes: Path | None = None
    fewest: int = Field(20, ge=2)
    relations: tuple[Path, ...] = ()
    tail: float = Field(0.05, gt=0, lt=0.5)
    average: Average = "mean"
    n_permutations: int = Field(999, ge=19)

    @property
    def gives_away(self) -> str:
        """The chromosome arm."""
        return "the chromosome arm"

    @property
    def id(self) -> str:
        """E.g. ``arm-bias:chromosome_arm``."""
        return f"{self.task}:{self.arm}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The metadata columns it reads."""
        return ("perturbation", *((self.arm,) if self.genes is None else ()))

    @property
    def units_have_strength(self) -> bool:
        """Its units are chromosome arms, which are not perturbations."""
        return False

    def score(self, profiles: AnnData, rng: np.random.Generator) -> Score:
        """Return probabilities, with one unit per chromosome arm; see `Task.score`."""
        genes = perturbation_profiles(profiles, "perturbation", self.average, self.id)
        arms = self._arms(profiles)
        unlike = "" if self.genes is None else spelling_note(arms.index, genes.obs_names, "the table of genes")
        arm = arms.reindex(genes.obs_names)
        without = int(arm.isna().sum())
        genes, arm = genes[arm.notna().to_numpy()], arm.dropna().astype(str)
        sizes = arm.value_counts()
        names = sorted(sizes.index[sizes >= self.fewest])
        if len(names) < _FEWEST_ARMS:
            raise TaskNotApplicable(
                f"{self.id}: {len(names)} of {len(sizes)} chromosome arms have {self.fewest} genes; {_FEWEST_ARMS} are "
                "needed"
            )
        groups = pd.Categorical(arm, categories=names).codes.astype(np.intp)
        null = PairNull(np.asarray(genes.X), tail=self.tail)
        observed = group_similarity(null, groups)
        permuted = np.array([group_similarity(null, rng.permutation(groups)) for _ in range(self.n_permutations)])
        p = [permutation_p(float(value), of_arm) for value, of_arm in zip(observed, permuted.T, strict=True)]
        few = len(sizes) - len(names)
        notes = notes_of(
            genes_without_arm=f"{without} genes without a chromosome arm left out" if without else "",
            names_spelled_otherwise=unlike,
            small_arms=f"{few} chromosome arms with fewer than {self.fewest} genes left out" if few else "",
        )
        recall = self._recall(genes, null, arm)
        for source in recall:
            notes += notes_of(
                recall_within_arms=f"recall of {source} is {recall[source]['recall']:.2f}, and "
                f"{recall[source]['recall_between_arms']:.2f} without pairs within arms"
            )
        of_sources = {f"{name}_{source}": value for source in recall for name, value in recall[source].items()}
        whole = {"p_arms_permuted": permutation_p(float(observed.mean()), permuted.mean(axis=1))}
        return Score(
            "similarity within chromosome arms",
            "chromosome arm",
            unit_table(names, observed, chance=0.5, p=p),
            notes,
            higher_is_better=False,
            bounds=(0, 1),
            details={"": whole | of_sources},
        )

    def _arms(self, profiles: AnnData) -> pd.Series[str]:
        """Return gene -> chromosome arm; missing for genes without one."""
        wells = profiles.obs[treated(profiles.obs).to_numpy()]
        if self.genes is not None:
            return read_gene_table(self.genes, self.arm)
        if self.arm not in wells:
            raise TaskNotApplicable(f"{self.id}: no column '{self.arm}'{did_you_mean(self.arm, wells.columns)}")
        return value_of_each(wells[self.arm], wells["perturbation"].astype(str).to_numpy(), self.id)

    def _recall(self, genes: AnnData, null: PairNull, arm: pd.Series[str]) -> dict[str, dict[str, float]]:
        """Return source of relations -> how much of its recall is due to pairs within chromosome arms."""
        apart = apart_by([frozenset([name]) for name in arm])
        between = PairNull(np.asarray(genes.X), tail=self.tail, apart=apart)
        details: dict[str, dict[str, float]] = {}
        for source, path in relation_files(self.relations).items():
            pairs = pairs_among(read_relations(path), list(genes.obs_names))
            within = apart.pairs_together(pairs)
            if within.all():
                continue
            recall, recall_between = _tails(null, pairs), _tails(between, pairs[~within])
            excess = recall - 2 * self.tail
            details[source] = {
                "relations_within_arms": float(within.mean()),
                "recall": recall,
                "recall_between_arms": recall_between,
                "recall_due_to_arms": (recall - recall_between) / excess if excess > 0 else float("nan"),
            }
        return details


def _tails(null: PairNull, pairs: NDArray[np.intp]) -> float:
    """Return the share of pairs (m, 2) in the tails of all pairs."""
    placed = null.place(pairs)
    return float((placed.lower + placed.upper).mean())
