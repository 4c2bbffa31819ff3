"""Correction of chromosome-arm bias: subtraction of what the genes of an arm have in common."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import OneToOneFeatureMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from phenolens.core.errors import ProfilingError, did_you_mean
from phenolens.core.parse_numbers import numbers_and_text
from phenolens.datasets import as_names, read_gene_table
from phenolens.profiling.controls import ControlProfiler, check_batch, check_controls


class ArmCentre(OneToOneFeatureMixin, ControlProfiler):  # type: ignore[misc]
    """Subtract the mean of the genes of a chromosome arm, relative to the controls, from all profiles of its genes.

    Cas9 cuts often lose the rest of the chromosome arm, so that knockouts of one arm resemble each other. The published
    correction takes the mean of the *unexpressed* genes of the arm, whose knockout does nothing else. The mean of all
    genes of an arm also removes what they share for other reasons, and makes two genes of an arm of k genes less
    similar than others, by about 1 / (k - 1).

    Parameters
    ----------
    fewest
        Arms with fewer genes to average are left as they are.

    Notes
    -----
    Source: Lazar et al., Nat. Genet. 56 (2024): unexpressed genes have zFPKM < -3, and arms more than 20 of them.
    """

    def __init__(self, fewest: int = 21) -> None:
        self.fewest = fewest

    def fit(
        self,
        X: Any,
        y: None = None,
        *,
        controls: NDArray[Any] | None = None,
        batch: NDArray[Any] | None = None,
        genes: pd.DataFrame | None = None,
    ) -> Self:
        """Learn the mean of each arm, of which each gene is one value, and of the controls.

        Parameters
        ----------
        X, y, controls, batch
            As in `ControlProfiler.fit`; batches are ignored.
        genes
            (n) rows with ``gene``, ``arm`` (missing where there is none) and ``averaged``, whether the gene counts; if
            None, `X` stays unchanged.
        """
        X = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        check_batch(X, batch)
        centre = X[check_controls(X, controls)].mean(axis=0, dtype=np.float64)
        self.shifts_: dict[str, NDArray[np.float64]] = {}
        if genes is not None:
            chosen = (genes["arm"].notna() & genes["averaged"]).to_numpy()
            names = [genes[name][chosen].to_numpy() for name in ("arm", "gene")]
            by_gene = pd.DataFrame(X[chosen].astype(np.float64)).groupby(names, sort=True).mean()
            for arm, of_arm in by_gene.groupby(level=0):
                if len(of_arm) >= self.fewest:
                    self.shifts_[str(arm)] = of_arm.to_numpy().mean(axis=0) - centre
        return self

    def transform(
        self, X: Any, *, batch: NDArray[Any] | None = None, genes: pd.DataFrame | None = None
    ) -> NDArray[Any]:
        """Return the rows (n, d), those of genes of the arms without what their arm has in common."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        check_batch(X, batch)
        if genes is None:
            return X
        result = X.copy()
        for arm, shift in self.shifts_.items():
            result[(genes["arm"] == arm).to_numpy()] -= shift.astype(X.dtype)
        return result

    def fit_transform(self, X: Any, y: None = None, **fit_params: Any) -> NDArray[Any]:
        """Fit to `X` and return its adjusted rows; parameters as in `fit`."""
        return self.fit(X, y, **fit_params).transform(X, genes=fit_params.get("genes"))


@dataclass(frozen=True)
class GeneArms:
    """Where the chromosome arm of each gene, and whether it is expressed, are written.

    Attributes
    ----------
    arm
        The column of arms.
    genes
        The table of genes that holds it; the metadata if None.
    expression
        The column of expression there; None if all genes of an arm are averaged.
    below
        Genes with less expression than this are averaged.
    """

    arm: str = "chromosome_arm"
    genes: Path | None = None
    expression: str | None = None
    below: float = -3.0

    def look_up(self, obs: pd.DataFrame) -> pd.DataFrame:
        """Return gene, arm, and whether the gene is averaged, of each row.

        Raises
        ------
        ProfilingError
            If there is no column of perturbations, or of what this names, or expression is not a number.
        """
        if "perturbation" not in obs:
            raise ProfilingError("arm-centre: no column 'perturbation', which names genes")
        gene = obs["perturbation"].astype(object)
        averaged = pd.Series(data=True, index=obs.index)
        if self.expression is not None:
            level = self._column(self.expression, obs)
            known, text = numbers_and_text(level)
            if text is not None:
                raise ProfilingError(f"arm-centre: column '{self.expression}' holds '{text}', which is no number")
            averaged = pd.Series(known, level.index) < self.below
        arm = self._column(self.arm, obs)
        return pd.DataFrame({"gene": gene, "arm": as_names(arm), "averaged": averaged})

    def _column(self, column: str, obs: pd.DataFrame) -> "pd.Series[Any]":
        if self.genes is not None:
            return obs["perturbation"].astype(object).map(read_gene_table(self.genes, column))
        if column not in obs:
            raise ProfilingError(f"arm-centre: no column '{column}'{did_you_mean(column, obs.columns)}")
        return obs[column].astype(object)
