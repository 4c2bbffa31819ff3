"""What does it know? Which levels of what makes an image can be read off its vectors, beyond all other levels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from sklearn.model_selection import KFold

from phenolens.core.errors import TaskNotApplicable
from phenolens.core.random import spawn
from phenolens.datasets import condition_names
from phenolens.metrics import maximum_p, percentile_interval, refitted, ridge_by_target
from phenolens.tasks import draw_whole

_PENALTIES = tuple(10.0**power for power in range(3, -5, -1))
_FOLDS = 5
_MOST_ROWS = 2000
_POWERS = 3  # of other levels' factors: what follows from them by a curve is theirs
_FEWEST_LEFT = 20  # rows, beyond what batches, treatments and other levels take up
_N_DRAWS = 1000
_LEAST_LEFT = 1e-6  # of a factor's variance
# Where a row was acquired, and what it is: the first of these columns that there is.
BATCHES = ("plate", "slide", "patient")
_TREATMENTS = ("perturbation", "label")


@dataclass(frozen=True, eq=False)
class Concepts:
    """What can be read off each encoder's vectors.

    Attributes
    ----------
    factors
        One row per encoder and factor: encoder, level, factor, r.
    levels
        One row per encoder and level: encoder, level, best (its factor that is read best), r (of that factor), p (that
        r is so high), mean (over the level's factors), low, high (95 % interval of the mean), rows.
    draws
        (encoder, level) -> bootstrap draws of the mean; those of all encoders belong together.
    missing
        Level -> why it could not be asked.
    """

    factors: pd.DataFrame
    levels: pd.DataFrame
    draws: Mapping[tuple[str, str], NDArray[np.float64]]
    missing: Mapping[str, str]


def probe_concepts(
    embeddings: Mapping[str, AnnData],
    factors: Mapping[str, pd.DataFrame],
    *,
    n_permutations: int = 500,
    seed: int = 0,
) -> Concepts:
    """Ask which levels an encoder knows: what is left of a factor once everything else about a well is known.

    From each factor is taken what follows, by regression, from the batch, the treatment, and the first three powers of
    all factors of other levels. What is left varies between wells that are treated alike. Ridge regression on the
    vectors predicts it out of fold; r is Pearson's correlation of the two. An encoder that counts cells thus does not
    "know" their distances, which follow from the count, and one that recognises a treatment does not "know" everything
    that it does.

    Its p value is that of the level's best factor, when what is left is permuted within batches and regressed on the
    same again (Freedman & Lane, J. Bus. Econ. Stat. 1, 1983; beyond what was drawn, `maximum_p`). Intervals resample
    wells, and are widened for what fitting on other wells would change (Nadeau & Bengio, Mach. Learn. 52, 2003).

    Parameters
    ----------
    embeddings
        Encoder -> vectors of the same rows.
    factors
        Level -> its factors, a column each, for the same rows.
    n_permutations
        How many.
    seed
        Of folds, permutations and bootstrap. With more than 2,000 rows, it also chooses so many, of whole treatments.

    Raises
    ------
    TaskNotApplicable
        If no level can be asked.
    """
    obs = next(iter(embeddings.values())).obs
    rows = _choose_rows(obs, seed)
    obs = obs.iloc[rows]
    batch, treatment = _labels(obs, BATCHES), _labels(obs, _TREATMENTS)
    design = np.concatenate([np.ones((len(obs), 1)), _dummies(batch), _dummies(treatment)], axis=1)
    targets, missing = _targets({level: table.iloc[rows] for level, table in factors.items()}, design)
    if not targets:
        levels_by_reason: dict[str, list[str]] = {}
        for level, why in missing.items():
            levels_by_reason.setdefault(why, []).append(level)
        raise TaskNotApplicable("; ".join(f"{', '.join(own)}: {why}" for why, own in levels_by_reason.items()))
    n = len(obs)
    times = spawn(seed, "concepts", "bootstrap").multinomial(n, np.full(n, 1 / n), _N_DRAWS).astype(np.float64)
    folds = [*KFold(_FOLDS, shuffle=True, random_state=seed).split(obs)]
    basis = _orthonormal(design)
    x = {name: _scaled(_without(np.asarray(own.X, dtype=np.float64)[rows], basis)) for name, own in embeddings.items()}
    y = {level: own.permuted(batch, n_permutations, spawn(seed, "concepts", level)) for level, own in targets.items()}
    ends = np.cumsum([own[0].size for own in y.values()])
    every = np.concatenate([own.reshape(n, -1) for own in y.values()], axis=1)  # one decomposition serves all of them
    per_factor: list[tuple[Any, ...]] = []
    per_level: list[tuple[Any, ...]] = []
    draws = {}
    for encoder, own in x.items():
        predicted = np.empty_like(every)
        for train, test in folds:
            predicted[test] = ridge_by_target(own[train], every[train], own[test], _PENALTIES)
        for level, columns in zip(targets, np.split(predicted, ends[:-1], axis=1), strict=True):
            names, truth = targets[level].names, y[level]
            guess = columns.reshape(truth.shape)
            r = _correlations(truth, guess)  # (1 + permutations, factors), the first not permuted
            per_factor += [(encoder, level, name, value) for name, value in zip(names, r[0], strict=True)]
            drawn = _bootstrap(truth[:, 0], guess[:, 0], times).mean(axis=1)
            draws[encoder, level] = r[0].mean() + refitted(_FOLDS) * (drawn - r[0].mean())
            best = int(r[0].argmax())
            p = maximum_p(float(r[0, best]), r[1:].max(axis=1))
            low, high = percentile_interval(draws[encoder, level])
            per_level.append((encoder, level, names[best], r[0, best], p, r[0].mean(), low, high, n))
    return Concepts(
        pd.DataFrame(per_factor, columns=["encoder", "level", "factor", "r"]),
        pd.DataFrame(per_level, columns=["encoder", "level", "best", "r", "p", "mean", "low", "high", "rows"]),
        draws,
        missing,
    )


def explained_variance(
    embeddings: Mapping[str, AnnData], factors: Mapping[str, pd.DataFrame], *, seed: int = 0
) -> pd.DataFrame:
    """Return how much of an embedding's variance each level explains: what is large in it, not what can be found in it.

    Returns
    -------
    One row per encoder and block: the batch (plate, slide), the treatment (or label), and each level. ``alone``: the
    adjusted share of the variance of all dimensions that a linear regression on the block explains. ``beyond``: what it
    adds to all others. ``first``: the share that it explains of the first principal component alone, which is ``large``
    by its share of all variance.

    Parameters
    ----------
    embeddings, factors
        As in `probe_concepts`.
    seed
        As there, of rows.
    """
    obs = next(iter(embeddings.values())).obs
    rows = _choose_rows(obs, seed)
    obs = obs.iloc[rows]
    factors = {level: table.iloc[rows] for level, table in factors.items()}
    labels = {"batch": _labels(obs, BATCHES), "treatment": _labels(obs, _TREATMENTS)}
    blocks = {name: _dummies(own) for name, own in labels.items() if len(set(own)) > 1}
    blocks |= {level: _filled(table) for level, table in factors.items() if table.shape[1]}
    whole = _orthonormal(np.concatenate([np.ones((len(obs), 1)), *blocks.values()], axis=1))
    bases = {name: _orthonormal(np.column_stack([np.ones(len(obs)), block])) for name, block in blocks.items()}
    rests = {name: _orthonormal(_all_but(blocks, name, len(obs))) for name in blocks}
    found: list[tuple[Any, ...]] = []
    for encoder, vectors in embeddings.items():
        x = np.asarray(vectors.X, dtype=np.float64)[rows]
        x = x - x.mean(axis=0)
        total = float((x**2).sum())
        everything = _adjusted_share(x, whole, total)
        first = _first_component(x)
        length = float((first**2).sum())
        for name, basis in bases.items():
            alone = _adjusted_share(x, basis, total)
            beyond = everything - _adjusted_share(x, rests[name], total)
            share = _adjusted_share(first, basis, length)
            found.append((encoder, name, alone, beyond, share, length / total if total else float("nan")))
    return pd.DataFrame(found, columns=["encoder", "block", "alone", "beyond", "first", "large"])


def _first_component(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the scores (n, 1) of centred rows on their first principal component."""
    gram = x.T @ x if len(x) >= x.shape[1] else x @ x.T
    direction = np.linalg.eigh(gram)[1][:, -1:]
    if len(x) >= x.shape[1]:
        return x @ direction
    return direction * np.linalg.norm(x.T @ direction)


def _all_but(blocks: Mapping[str, NDArray[np.float64]], name: str, n: int) -> NDArray[np.float64]:
    """Return a constant column and those of all other blocks (n, k)."""
    return np.concatenate([np.ones((n, 1)), *(own for other, own in blocks.items() if other != name)], axis=1)


def _choose_rows(obs: pd.DataFrame, seed: int) -> NDArray[np.intp]:
    """Return rows of whole treatments: of treatments with a row or two, nothing would be left."""
    return draw_whole(_labels(obs, _TREATMENTS), _MOST_ROWS, spawn(seed, "concepts", "rows"))


@dataclass(frozen=True, eq=False)
class _Target:
    """What is left of the factors of a level, and the space of all that was taken from them."""

    names: Sequence[str]
    left: NDArray[np.float64]
    basis: NDArray[np.float64]

    def permuted(self, batch: NDArray[Any], times: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return (n, times + 1, factors): what is left, then permuted within batches and regressed again."""
        n, k = self.left.shape
        order = np.empty((times, n), np.intp)
        for name in np.unique(batch):
            own = np.flatnonzero(batch == name)
            order[:, own] = own[rng.random((times, len(own))).argsort(axis=1)]
        shuffled = self.left[order].transpose(1, 0, 2).reshape(n, -1)
        return np.concatenate([self.left[:, None], _without(shuffled, self.basis).reshape(n, times, k)], axis=1)


def _targets(
    factors: Mapping[str, pd.DataFrame], design: NDArray[np.float64]
) -> tuple[dict[str, _Target], dict[str, str]]:
    """Return what is left of each level's factors, and why a level has nothing."""
    values = {level: _filled(table) for level, table in factors.items()}
    targets, missing = {}, {}
    for level, table in factors.items():
        others = [own**power for other, own in values.items() if other != level for power in range(1, _POWERS + 1)]
        basis = _orthonormal(np.concatenate([design, *others], axis=1))
        if len(design) - basis.shape[1] < _FEWEST_LEFT:
            missing[level] = (
                f"{len(design)} rows, of which batches, treatments and other levels take up {basis.shape[1]}; "
                f"{_FEWEST_LEFT} must be left"
            )
            continue
        left = _without(values[level], basis)
        # What follows from everything else, but for rounding and the ends of a curve, cannot be asked by itself.
        varying = left.var(axis=0) > _LEAST_LEFT * np.maximum(values[level].var(axis=0), np.finfo(float).tiny)
        if not varying.any():
            missing[level] = "nothing is left of it once batches, treatments and other levels are known"
            continue
        names = [str(name) for name, kept in zip(table.columns, varying, strict=True) if kept]
        targets[level] = _Target(names, _scaled(left[:, varying]), basis)
    return targets, missing


def _labels(obs: pd.DataFrame, columns: Sequence[str]) -> NDArray[Any]:
    """Return what each row has in the first of these columns that there is; nothing if there is none."""
    column = next((column for column in columns if column in obs), None)
    if column is None:
        return np.full(len(obs), "")
    return (condition_names(obs) if column == "perturbation" else obs[column]).astype(str).to_numpy()


def _dummies(labels: NDArray[Any]) -> NDArray[np.float64]:
    return pd.get_dummies(labels).to_numpy(dtype=np.float64)


def _filled(table: pd.DataFrame) -> NDArray[np.float64]:
    """Return standardised columns (n, k); what is not known of a row is put at the mean.

    Of numbers that are all positive, logarithms are taken: amounts, sizes and shares multiply each other.
    """
    values = table.to_numpy(dtype=np.float64)
    known = np.isfinite(values)
    positive = (np.where(known, values, 1) > 0).all(axis=0)
    values = np.where(positive, np.log(np.where(known & positive, values, 1)), values)
    count = np.maximum(known.sum(axis=0), 1)
    middle = np.where(known, values, 0).sum(axis=0) / count
    return _scaled(np.where(known, values - middle, 0))


def _scaled(x: NDArray[np.float64]) -> NDArray[np.float64]:
    scale = x.std(axis=0)
    return x / np.where(scale > 0, scale, 1.0)


def _orthonormal(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an orthonormal basis (n, rank) of columns (n, k)."""
    left, values, _ = np.linalg.svd(columns, full_matrices=False)
    return left[:, values > values[0] * max(columns.shape) * np.finfo(float).eps]


def _without(values: NDArray[np.float64], basis: NDArray[np.float64]) -> NDArray[np.float64]:
    return values - basis @ (basis.T @ values)


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


def _adjusted_share(x: NDArray[np.float64], basis: NDArray[np.float64], total: float) -> float:
    """Return the adjusted share of the variance of centred `x` that lies in a space that holds the intercept."""
    n, k = basis.shape
    if total == 0 or n <= k:
        return float("nan")
    share = float(((basis.T @ x) ** 2).sum()) / total
    return 1 - (1 - share) * (n - 1) / (n - k)
