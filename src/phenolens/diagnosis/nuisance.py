"""Is it biology or batch? How well vectors tell what was done, beside how well they tell where it was measured."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from phenolens.core.errors import PhenolensWarning, ProfilingError, TaskNotApplicable
from phenolens.core.random import spawn
from phenolens.diagnosis.confounding import Pairing, find_biology, pair_rows
from phenolens.encoders import EncoderName, form_of
from phenolens.metrics import (
    cluster_bootstrap,
    label_average_precision,
    lisi,
    nearest_neighbours,
    neighbour_purity,
    percentile_interval,
    stratified_mean,
)
from phenolens.profiling import Level, profile
from phenolens.tasks import shared_names

COLUMNS = (
    "family",
    "profiling",
    "nuisance",
    "biology",
    "biology_score",
    "biology_low",
    "biology_high",
    "biology_chance",
    "biology_by_nuisance",
    "nuisance_score",
    "nuisance_low",
    "nuisance_high",
    "nuisance_chance",
    "nuisance_by_biology",
    "robustness",
    "robustness_low",
    "robustness_high",
    "robustness_chance",
    "lisi",
    "neighbours",
    "n_rows",
    "n_units",
    "caveat",
)
_NEIGHBOURS = 20


@dataclass(frozen=True, eq=False)
class Nuisance:
    """Biology beside nuisance.

    Attributes
    ----------
    table
        What `compare_nuisance` says.
    missing
        What could not be asked, and why.
    """

    table: pd.DataFrame
    missing: Mapping[str, str]


def compare_nuisance(
    embeddings: Mapping[str, AnnData],
    *,
    profilings: Sequence[str] = ("raw",),
    batch_by: Sequence[str] | None = None,
    seed: int = 0,
) -> Nuisance:
    """Score biology and nuisance on the same rows, after the same post-processing.

    Biology is the perturbation and dose of a treated well, or else the label of a tile or cell. Nuisances are patient,
    slide, plate, batch and source, where they vary; one that tells the same rows apart as an earlier one is left out.
    Wells are averages over their sites, so that the site is none. All encoders are asked about the rows that all of
    them have.

    Of more than 2,000 rows, whole units drawn at random are asked about, and of a unit with more than 100 rows (more,
    where there are few units) only so many: five encoders of 20,000 wells and 384 dimensions take some 15 s on a core.

    Parameters
    ----------
    embeddings
        Encoder -> its vectors of the same sites; baselines and all seeds of twins among them.
    profilings, batch_by
        As in `evaluate`. Profilers are fitted on all controls, which are not ranked.
    seed
        Of the rows that are drawn, and of the bootstrap.

    Returns
    -------
    In ``table`` one row per encoder family, profiling and nuisance, each score from the means of rows over seeds:

    biology_score, nuisance_score
        Mean average precision with which rows find others of their biology, and of their nuisance, before all other
        rows; ``_chance``, that of a random order.
    biology_by_nuisance, nuisance_by_biology
        The same of vectors that know nothing but the other of the two: above chance as far as the two go together.
    robustness
        `robustness_index` of as many nearest neighbours as a row has others of its biology, in the median and at
        most 20 (``neighbours``): of those that agree in one of the two only, the share that agree in biology; NaN where
        the two cannot be told apart. ``robustness_chance``: that of random neighbours, which is far from one half.
    lisi
        The effective number of nuisances among the 20 nearest neighbours, as a share of the most that there can be:
        that of nuisances, or of neighbours if it is smaller.
    n_rows, n_units
        The rows that have others of their biology and of their nuisance, and the units that they belong to.
    caveat
        Whether biology and nuisance are confounded: wholly, so that they cannot be told apart, or in some rows.

    Every unit counts the same: a perturbation and dose, or, where biology is a label, a value of the first nuisance.
    Limits (``_low``, ``_high``) are those of 95 % cluster-bootstrap intervals over units, NaN with fewer than two. Over
    perturbations they say how scores vary with other perturbations on the same plates, not with other plates.

    Source: Kömen et al., PathoROB (2025), for the robustness index.
    """
    try:
        sites = next(iter(embeddings.values())).obs
        level: Level = "well" if find_biology(sites).name == "perturbation" else "site"
        vectors = {name: profile(own, "raw", level=level) for name, own in embeddings.items()}
        shared = shared_names([own.obs_names for own in vectors.values()])
        rows, pairings, unpaired = pair_rows(next(iter(vectors.values())).obs.loc[shared], seed)
    except (ProfilingError, TaskNotApplicable) as error:
        return Nuisance(pd.DataFrame(columns=list(COLUMNS)), {"nuisance": str(error)})
    missing = {f"nuisance {nuisance}": why for nuisance, why in unpaired.items()}
    families: dict[str, list[str]] = {}
    for name in vectors:
        families.setdefault(EncoderName.parse(name).family, []).append(name)
    table: list[tuple[object, ...]] = []
    for how in profilings:
        found = {}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", PhenolensWarning)  # `evaluate` puts them beside its scores
                for name, own in vectors.items():
                    profiles = profile(own, how, level="site", batch_by=batch_by, form=form_of(name), seed=seed)
                    found[name] = _read(np.asarray(profiles[rows].X), pairings)
        except ProfilingError as error:
            missing[f"nuisance after {how}"] = str(error)
            continue
        for number, pairing in enumerate(pairings):
            for family, seeds in families.items():
                values = np.mean([found[name][number] for name in seeds], axis=0)
                rng = spawn(seed, "nuisance", how, pairing.nuisance)
                table.append((family, how, pairing.nuisance, pairing.biology, *_summarise(values, pairing, rng)))
    return Nuisance(pd.DataFrame(table, columns=list(COLUMNS)), missing)


def _read(x: NDArray[Any], pairings: Sequence[Pairing]) -> list[NDArray[np.float64]]:
    """Return for each pairing what vectors (n, d) say of each row (asked, 5).

    The columns are those of `Pairing.chance`, and the relative local inverse Simpson index.
    """
    biology_of = pairings[0].biology_of
    near, distance = nearest_neighbours(x, min(_NEIGHBOURS, len(x) - 1))
    precision = label_average_precision(x, biology_of)
    found = []
    for pairing in pairings:
        nearest = near[:, : pairing.others]
        both = neighbour_purity(nearest, pairing.both_of)
        columns = [
            precision,
            label_average_precision(x, pairing.nuisance_of),
            neighbour_purity(nearest, biology_of) - both,
            neighbour_purity(nearest, pairing.nuisance_of) - both,
            lisi(near, distance, pairing.nuisance_of) / min(pairing.nuisance_of.max() + 1, near.shape[1]),
        ]
        found.append(np.column_stack(columns)[pairing.asked])
    return found


def _summarise(values: NDArray[np.float64], pairing: Pairing, rng: np.random.Generator) -> tuple[object, ...]:
    """Return the columns of the table from ``biology_score`` on."""
    units, weights = pairing.unit_of[pairing.asked], pairing.weights
    n_units = len(np.unique(units))
    mean, chance, crossed = (stratified_mean(own, weights) for own in (values, pairing.chance, pairing.crossed))
    draws = np.full((1, len(mean)), np.nan)
    if n_units > 1:
        draws = cluster_bootstrap(values, units, weights=weights, rng=rng)
    robustness, by_chance, drawn = (_share(own[..., 2], own[..., 3]) for own in (mean, chance, draws))
    separable = 0 < by_chance < 1
    return (
        *(mean[0], *percentile_interval(draws[:, 0]), chance[0], crossed[0]),
        *(mean[1], *percentile_interval(draws[:, 1]), chance[1], crossed[1]),
        *((float(robustness), *percentile_interval(drawn)) if separable else [float("nan")] * 3),
        float(by_chance),
        *(mean[4], min(pairing.others, _NEIGHBOURS), len(values), n_units),
        pairing.caveat,
    )


def _share(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of one of the two together; NaN where both are zero."""
    total = one + other
    return np.divide(one, total, out=np.full_like(total, np.nan), where=total > 0)
