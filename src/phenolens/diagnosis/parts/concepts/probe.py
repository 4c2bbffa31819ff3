"""Which concepts of what makes an image can be read off vectors, each beyond all others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold

from phenolens.core.random import spawn
from phenolens.diagnosis.parts.concepts.data import (
    ConceptData,
    indicators,
    orthonormal,
    residuals,
    standardise,
    to_unit_variance,
)
from phenolens.diagnosis.records import NAN
from phenolens.evaluation import ALPHA
from phenolens.metrics import maximum_p, nadeau_bengio, ridge_by_target, split_half_reliability

_PENALTIES = tuple(10.0**power for power in range(3, -5, -1))
_FOLDS = 5
_POWERS = 3  # of other concepts' factors, and of what they predict: what follows from them by a curve is theirs
_FEWEST_LEFT = 20  # rows, beyond what batches, treatments and other concepts take up
_N_DRAWS = 1000
_LEAST_LEFT = 1e-6  # of a factor's variance


@dataclass(frozen=True, eq=False)
class Reading:
    """How well the factors of a concept can be read off the vectors of one encoder.

    Attributes
    ----------
    encoder, concept
        The two; the encoder with its seed.
    factors
        The names of the concept's k factors.
    r
        (k,) partial correlation of each with its prediction.
    left
        (k,) share of the variance of each between wells that are treated alike which others do not explain (tolerance).
    reliability
        (k,) reliability of what is left of each; NaN where sites of wells cannot be halved.
    p
        The p value that the best of them is so high; of two readings, the larger one.
    draws
        Bootstrap draws of the mean of `r`; those of all encoders belong together.
    better_read, r_beyond_better
        The concepts that this encoder reads better, and the correlation of the factor that is read best beyond what it
        reads of these; empty and NaN if it was read once, NaN alone if too few rows are left for that.
    """

    encoder: str
    concept: str
    factors: Sequence[str]
    r: NDArray[np.float64]
    left: NDArray[np.float64]
    reliability: NDArray[np.float64]
    p: float
    draws: NDArray[np.float64]
    better_read: tuple[str, ...] = ()
    r_beyond_better: float = NAN

    @property
    def mean_r(self) -> float:
        """The mean over factors."""
        return float(self.r.mean())

    @property
    def best_r(self) -> float:
        """The correlation of the factor that is read best."""
        return float(self.r.max())

    @property
    def best_factor(self) -> str:
        """The factor that is read best."""
        return self.factors[int(self.r.argmax())]


def probe_concepts(
    data: ConceptData, *, n_permutations: int = 500, seed: int = 0
) -> tuple[list[Reading], dict[str, str]]:
    """Read what is left of each factor, once all else about a well is known, off each encoder's vectors.

    From each factor, and from the vectors, is taken what follows, by regression, from the batch, the treatment, the
    position on the plate, and the first three powers of all factors of other concepts, and of what these predict of
    it together (of several factors that change at once, as in dying cells, single powers do not tell: Ramsey, J. R.
    Stat. Soc. B 31, 1969). What is left varies between wells that are treated alike. Ridge regression on what is
    left of the vectors predicts what is left of the factor, out of fold; r is the correlation of the two, a partial
    one. An encoder that counts cells thus does not encode their distances, which follow from the count, and one
    that recognises a treatment does not encode everything that it does. Were others taken from the factor alone, an
    encoder that is the factor itself would have an r of no more than the root of the share that is left of it (part
    and partial correlation: Cohen, Cohen, West & Aiken, 3rd ed., 2003, section 3.3).

    Residuals of a regression depend on each other, the more the more was taken: their sum is 0, and a model fitted to
    some knows others. Folds are therefore of as many uncorrelated combinations of them as there are degrees of freedom
    (Theil, J. Am. Stat. Assoc. 60, 1965; for permutations, Huh & Jhun, Commun. Stat. 30, 2001).

    Other concepts are measured with error, and what the measurements miss of a concept goes with other measurements: an
    encoder that is the true cell count knows some of the mean intensities beyond the measured count. A concept that is
    read significantly is therefore read a second time, beyond what this encoder reads of those concepts that it reads
    better: one that sees nothing else has nothing left.

    The p value is that of the concept's best factor, when what is left is permuted within batches and regressed on the
    same again (Freedman & Lane, J. Bus. Econ. Stat. 1, 1983; beyond what was drawn, `maximum_p`). Intervals resample
    wells, and are widened for what fitting on other wells would change (Nadeau & Bengio, Mach. Learn. 52, 2003).

    Parameters
    ----------
    data
        Vectors and factors.
    n_permutations
        How many.
    seed
        Of folds, permutations and bootstrap.

    Returns
    -------
    A reading per encoder and concept; and concept -> why it was skipped.
    """
    n = data.n_rows
    known = [np.ones((n, 1)), indicators(data.batch), indicators(data.treatment), data.position]
    design = np.concatenate(known, axis=1)
    targets, skipped = _residual_targets(data, design)
    if not targets:
        return [], skipped
    times = spawn(seed, "concepts", "bootstrap").multinomial(n, np.full(n, 1 / n), _N_DRAWS).astype(np.float64)
    permuted: dict[str, NDArray[np.float64]] = {}
    for concept, target in targets.items():
        permuted[concept] = target.permuted(data, n_permutations, spawn(seed, "concepts", concept))
    basis = orthonormal(design)
    readings = []
    for encoder, vectors in data.vectors.items():
        x = to_unit_variance(residuals(vectors, basis))
        readings += _read_concepts(encoder, x, targets, permuted, times, seed)
    return readings, skipped


@dataclass(frozen=True, eq=False)
class _Target:
    """What is left of the factors of a concept, and the space of all that was taken from them.

    Attributes
    ----------
    factors
        The names of those of which something is left.
    residual
        (n, k) what is left, standardised.
    basis, free
        (n, rank) and (n, n - rank) orthonormal bases of the space that was taken, and of what is free of it.
    left, reliability
        (k,) as in `Reading`.
    """

    factors: Sequence[str]
    residual: NDArray[np.float64]
    basis: NDArray[np.float64]
    free: NDArray[np.float64]
    left: NDArray[np.float64]
    reliability: NDArray[np.float64]

    def permuted(self, data: ConceptData, times: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return (n, times + 1, k): what is left, then permuted within batches and regressed again."""
        n, k = self.residual.shape
        order = np.empty((times, n), np.intp)
        for batch in np.unique(data.batch):
            rows = np.flatnonzero(data.batch == batch)
            order[:, rows] = rows[rng.random((times, len(rows))).argsort(axis=1)]
        shuffled = self.residual[order].transpose(1, 0, 2).reshape(n, -1)
        return np.concatenate([self.residual[:, None], residuals(shuffled, self.basis).reshape(n, times, k)], axis=1)


def _residual_targets(data: ConceptData, design: NDArray[np.float64]) -> tuple[dict[str, _Target], dict[str, str]]:
    """Return what is left of each concept's factors, and why nothing is left of others."""
    n = data.n_rows
    design_basis = orthonormal(design)
    targets: dict[str, _Target] = {}
    skipped: dict[str, str] = {}
    for concept, values in data.standardised.items():
        blocks = [design]
        for other, others in data.standardised.items():
            if other != concept:
                blocks += [others**power for power in range(1, _POWERS + 1)]
        predicted = residuals(values, design_basis) - residuals(values, orthonormal(*blocks))
        basis = orthonormal(*blocks, *(predicted**power for power in range(2, _POWERS + 1)))
        if n - basis.shape[1] < _FEWEST_LEFT:
            skipped[concept] = (
                f"needs at least {_FEWEST_LEFT} rows beyond the {basis.shape[1]} that batches, treatments and other "
                f"concepts take up, found {n - basis.shape[1]}"
            )
            continue
        left = residuals(values, basis)
        # What follows from everything else, but for rounding and the ends of a curve, cannot be evaluated by itself.
        varying = left.var(axis=0) > _LEAST_LEFT * np.maximum(values.var(axis=0), np.finfo(float).tiny)
        if varying.any():
            spread = residuals(values, design_basis).var(axis=0) / (n - design_basis.shape[1])
            targets[concept] = _Target(
                list(data.factors[concept].columns[varying].astype(str)),
                to_unit_variance(left[:, varying]),
                basis,
                np.linalg.qr(basis, mode="complete").Q[:, basis.shape[1] :],
                left=left[:, varying].var(axis=0) / (n - basis.shape[1]) / spread[varying],
                reliability=_reliability(data, concept, basis)[varying],
            )
        else:
            skipped[concept] = "nothing is left of it beyond batches, treatments and other concepts"
    return targets, skipped


def _reliability(data: ConceptData, concept: str, basis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the reliability (k,) of what is left of a concept's factors, where sites of enough rows can be halved."""
    n_factors = data.factors[concept].shape[1]
    if concept not in data.halves:
        return np.full(n_factors, np.nan)
    one, other = data.halves[concept]
    halved = (one.notna().any(axis=1) & other.notna().any(axis=1)).to_numpy()
    taken = orthonormal(basis[halved]) if halved.any() else basis
    if halved.sum() - taken.shape[1] < _FEWEST_LEFT:
        return np.full(n_factors, np.nan)
    first, second = (residuals(standardise(half[halved]), taken) for half in (one, other))
    return split_half_reliability(first, second)


def _read_concepts(
    encoder: str,
    x: NDArray[np.float64],
    targets: Mapping[str, _Target],
    permuted: Mapping[str, NDArray[np.float64]],
    times: NDArray[np.float64],
    seed: int,
) -> list[Reading]:
    """Return how well each concept is read, and whether beyond what is read of those that are read better."""
    found = {}
    for concept, target in targets.items():
        predicted = _predict_out_of_fold(x, permuted[concept], target.free, seed)
        found[concept] = _read(encoder, concept, target, permuted[concept], predicted, times)
    read: dict[str, NDArray[np.float64]] = {}
    for concept in sorted(found, key=lambda concept: -found[concept].best_r):
        if found[concept].p > ALPHA:
            continue
        target, best_r = targets[concept], found[concept].best_r
        if read:
            better = [columns[:, found[name].r >= best_r] for name, columns in read.items()]
            free = _free_of(target.free, np.concatenate(better, axis=1))
            p, r = 1.0, NAN
            if free.shape[1] >= _FEWEST_LEFT:
                y = np.tensordot(free, np.tensordot(free.T, permuted[concept], 1), 1)
                again = _read(encoder, concept, target, y, _predict_out_of_fold(x, y, free, seed), times)
                p, r = max(again.p, found[concept].p), again.best_r
            found[concept] = replace(found[concept], p=p, better_read=tuple(read), r_beyond_better=r)
        if found[concept].p <= ALPHA:
            read[concept] = _fitted(x, permuted[concept][:, 0], target.free)
    return list(found.values())


def _free_of(free: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the part (n, m - k) of an orthonormal basis (n, m) that is free of columns (n, k), too."""
    return free @ np.linalg.qr(free.T @ columns, mode="complete").Q[:, columns.shape[1] :]


def _fitted(x: NDArray[np.float64], y: NDArray[np.float64], free: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the combinations of features (n, d) by which columns (n, k) are read, of all rows."""
    seen = free.T @ x
    return x @ np.linalg.lstsq(seen, ridge_by_target(seen, free.T @ y, seen, _PENALTIES), rcond=None)[0]


def _predict_out_of_fold(
    x: NDArray[np.float64], y: NDArray[np.float64], free: NDArray[np.float64], seed: int
) -> NDArray[np.float64]:
    """Return predictions of columns y (n, ...), combinations of rows in each fold by a regression on other folds."""
    x, known = _without_rounding(free.T @ x), free.T @ y.reshape(len(y), -1)
    predicted = np.empty_like(known)
    for train, test in KFold(_FOLDS, shuffle=True, random_state=seed).split(x):
        predicted[test] = ridge_by_target(x[train], known[train], x[test], _PENALTIES)
    return (free @ predicted).reshape(y.shape)


def _without_rounding(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return features (m, d) of which as good as nothing is left as zeros; they had a variance of 1."""
    return np.where((x**2).mean(axis=0) > _LEAST_LEFT, x, 0.0)


def _read(
    encoder: str,
    concept: str,
    target: _Target,
    y: NDArray[np.float64],
    predicted: NDArray[np.float64],
    times: NDArray[np.float64],
) -> Reading:
    """Compare predictions (n, 1 + permutations, factors), the first not permuted, with what they predict."""
    r = _correlations(y, predicted)
    mean = r[0].mean()
    drawn = _bootstrap(y[:, 0], predicted[:, 0], times).mean(axis=1)
    return Reading(
        encoder,
        concept,
        target.factors,
        r[0],
        target.left,
        target.reliability,
        p=maximum_p(float(r[0].max()), r[1:].max(axis=1)),
        draws=mean + nadeau_bengio(_FOLDS) * (drawn - mean),
    )


def _correlations(y: NDArray[np.float64], predicted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Pearson's correlations over the first axis; 0 where a prediction does not vary."""
    y, predicted = y - y.mean(axis=0), predicted - predicted.mean(axis=0)
    scale = np.sqrt((y**2).sum(axis=0) * (predicted**2).sum(axis=0))
    return np.divide((y * predicted).sum(axis=0), scale, out=np.zeros(y.shape[1:]), where=scale > 0)


def _bootstrap(
    y: NDArray[np.float64], predicted: NDArray[np.float64], times: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return correlations (draws, k) of columns (n, k) in rows drawn so many times (draws, n)."""
    n = times.sum(axis=1, keepdims=True)
    one, other = times @ y / n, times @ predicted / n
    covariance = times @ (y * predicted) / n - one * other
    scale = np.sqrt(np.clip((times @ y**2 / n - one**2) * (times @ predicted**2 / n - other**2), 0, None))
    return np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 0)
