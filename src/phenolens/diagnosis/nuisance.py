"""Is it biology or batch? How well vectors tell what was done, beside how well they tell where it was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.core.errors import ProfilingError, TaskNotApplicable
from phenolens.core.random import spawn
from phenolens.diagnosis.confounding import Pairing, find_biology, pair_rows
from phenolens.evaluation import Profiles, shared_names
from phenolens.metrics import (
    cluster_bootstrap,
    label_average_precision,
    lisi,
    nearest_neighbours,
    neighbour_purity,
    percentile_interval,
    stratified_mean,
)
from phenolens.profiling import Level

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


def compare_nuisance(profiles: Profiles, *, profilings: Sequence[str] = ("raw",), seed: int = 0) -> Nuisance:
    """Score biology and nuisance on the same rows, after the same post-processing.

    Biology is the perturbation and dose of a treated well, or else the label of a tile or cell. Nuisances are patient,
    slide, plate, batch and source, where they vary; one that tells the same rows apart as an earlier one is left out.
    Wells are averages over their sites, so that the site is none. All encoders are asked about the rows that all of
    them have.

    Of more than 2,000 rows, whole units drawn at random are asked about, and of a unit with more than 100 rows (more,
    where there are few units) only so many: five encoders of 20,000 wells and 384 dimensions take some 15 s on a core.

    Parameters
    ----------
    profiles
        Of all encoders. Profilers are fitted on all controls, which are not ranked. An encoder of which none can be
        made is skipped alone.
    profilings
        The post-processings.
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
        sites = next(iter(profiles.embeddings.values())).obs
        level: Level = "well" if find_biology(sites).name == "perturbation" else "site"
        vectors = {name: profiles.averaged(name, level) for name in profiles.embeddings}
        shared = shared_names([each.obs_names for each in vectors.values()])
        rows, pairings, unpaired = pair_rows(next(iter(vectors.values())).obs.loc[shared], seed)
    except (ProfilingError, TaskNotApplicable) as error:
        return Nuisance(pd.DataFrame(columns=list(COLUMNS)), {"nuisance": str(error)})
    missing = {f"nuisance {nuisance}": why for nuisance, why in unpaired.items()}
    table = []
    for profiling in profilings:
        available, skipped = profiles.available(vectors, profiling, level, "nuisance")
        missing |= {f"nuisance after {profiling}, {each.encoder}": each.reason for each in skipped}
        found: dict[str, list[list[NDArray[np.float64]]]] = {}
        for name, made in available.items():
            read = _read(np.asarray(made[rows].X), pairings)
            found.setdefault(profiles.infos[name].name, []).append(read)
        for number, pairing in enumerate(pairings):
            for encoder, seeds in found.items():
                values = np.mean([read[number] for read in seeds], axis=0)
                rng = spawn(seed, "nuisance", profiling, pairing.nuisance)
                asked = {"profiling": profiling, "nuisance": pairing.nuisance, "biology": pairing.biology}
                table.append({"family": encoder} | asked | _summarise(values, pairing, rng))
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


def _summarise(values: NDArray[np.float64], pairing: Pairing, rng: np.random.Generator) -> dict[str, object]:
    """Return the columns of the table from ``biology_score`` on."""
    units, weights = pairing.unit_of[pairing.asked], pairing.weights
    n_units = len(np.unique(units))
    mean, chance, crossed = (stratified_mean(each, weights) for each in (values, pairing.chance, pairing.crossed))
    draws = np.full((1, len(mean)), np.nan)
    if n_units > 1:
        draws = cluster_bootstrap(values, units, weights=weights, rng=rng)
    robustness, by_chance, drawn = (_share(each[..., 2], each[..., 3]) for each in (mean, chance, draws))
    row: dict[str, object] = {}
    for number, name in enumerate(("biology", "nuisance")):
        row[f"{name}_score"] = mean[number]
        row[f"{name}_low"], row[f"{name}_high"] = percentile_interval(draws[:, number])
        row[f"{name}_chance"] = chance[number]
    row |= {"biology_by_nuisance": crossed[0], "nuisance_by_biology": crossed[1]}
    separable = 0 < by_chance < 1
    limits = percentile_interval(drawn) if separable else (float("nan"), float("nan"))
    row |= {"robustness": float(robustness) if separable else float("nan")}
    row |= {"robustness_low": limits[0], "robustness_high": limits[1], "robustness_chance": float(by_chance)}
    row |= {"lisi": mean[4], "neighbours": min(pairing.others, _NEIGHBOURS)}
    return row | {"n_rows": len(values), "n_units": n_units, "caveat": pairing.caveat}


def _share(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of one of the two together; NaN where both are zero."""
    total = one + other
    return np.divide(one, total, out=np.full_like(total, np.nan), where=total > 0)
