"""The factors of what makes an image: the truth of a phantom, or what baselines have measured of real images."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.core.errors import TaskNotApplicable
from phenolens.core.parse_numbers import parse_numbers
from phenolens.evaluation import Profiles
from phenolens.profiling import profile
from phenolens.simulation import LEVELS, TRUTH, Level, truth_columns

# Concept -> baseline and its features, as patterns, that measure it. A few that a biologist knows by name, not all that
# there are: what is left of a factor beyond other concepts shrinks with every feature of theirs.
_MEASURED: Mapping[Level, tuple[tuple[str, str], ...]] = {
    "acquisition": (("pixel-statistics", "*_p1"), ("power-spectrum", "*_power_2_2.83px")),
    "density": (("cell-count", "*"),),
    "intensity": (("pixel-statistics", "*_mean"),),
    "shape": (
        ("classical-features", "*_Area"),
        ("classical-features", "*_Eccentricity"),
        ("classical-features", "*_FormFactor"),
    ),
    "texture": (
        ("classical-features", "*_Texture_Contrast_3_*"),
        ("classical-features", "*_Texture_Correlation_3_*"),
        ("classical-features", "*_Granularity_1_*"),
        ("classical-features", "*_RadialDistribution_FracAtD_1of4_*"),
    ),
    "arrangement": (
        ("cell-graph/positions", "nearest_cv"),
        ("cell-graph/positions", "clark_evans"),
        ("cell-graph/positions", "pair_correlation_1"),
        ("cell-graph/positions", "pair_correlation_2"),
    ),
}


@dataclass(frozen=True, eq=False)
class Factors:
    """Factors of wells.

    Attributes
    ----------
    tables
        Concept -> its factors, a column each, by well.
    is_truth
        Whether they are the truth of a phantom; if not, baselines have measured them.
    unmeasured
        Concept -> why it has no factors.
    halves
        Concept -> the same factors, measured on one half and on the other half of the sites of each well that has two
        or more; empty for the truth, and where no well has.
    """

    tables: Mapping[str, pd.DataFrame]
    is_truth: bool
    unmeasured: Mapping[str, str] = field(default_factory=dict)
    halves: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]] = field(default_factory=dict)


def find_factors(profiles: Profiles) -> Factors:
    """Return the true factors of a phantom's wells or, of real images, those that baselines have measured.

    Backgrounds and the finest detail stand for the acquisition; cells per image for density; mean intensities; areas,
    eccentricities and form factors of nuclei and cells; Haralick contrast and correlation, granularity and radial
    distribution for texture; and how nuclei lie, relative to their density, for arrangement.

    Raises
    ------
    TaskNotApplicable
        If there are none.
    """
    truth = _true_factors(next(iter(profiles.embeddings.values())))
    if truth:
        return Factors(truth, is_truth=True)
    measured = _measurements(profiles)
    tables = _columns_by_concept({name: _by_well(sites) for name, sites in measured.items()})
    if not tables:
        raise TaskNotApplicable("no baseline that measures a concept is among the encoders, and this is no phantom")
    unmeasured: dict[str, str] = {}
    for concept, sources in _MEASURED.items():
        if concept not in tables:
            unmeasured[concept] = f"it was not measured; add the baseline {sources[0][0]}"
    return Factors(tables, is_truth=False, unmeasured=unmeasured, halves=_halves(measured))


def _halves(measured: Mapping[str, AnnData]) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
    """Return concept -> its factors from the first, third, ... site of each well, and from the sites between them."""
    one, other = {}, {}
    for baseline, sites in measured.items():
        if not {"plate", "well"} <= set(sites.obs.columns):
            continue
        number = sites.obs.groupby(["plate", "well"], observed=True, dropna=False).cumcount().to_numpy()
        if (number == 0).all():  # one site of each well
            continue
        one[baseline], other[baseline] = _by_well(sites[number % 2 == 0]), _by_well(sites[number % 2 == 1])
    first, second = _columns_by_concept(one), _columns_by_concept(other)
    return {concept: (table, second[concept]) for concept, table in first.items()}


def _columns_by_concept(measured: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return concept -> its factors, among all that baselines have measured of wells."""
    tables: dict[str, pd.DataFrame] = {}
    for concept, sources in _MEASURED.items():
        columns = []
        for baseline, pattern in sources:
            if baseline in measured:
                table = measured[baseline]
                columns.append(table.loc[:, [fnmatchcase(name, pattern) for name in table.columns]])
        columns = [each for each in columns if each.shape[1]]
        if columns:
            tables[concept] = pd.concat(columns, axis=1, join="inner")
    return tables


def _true_factors(sites: AnnData) -> dict[str, pd.DataFrame]:
    """Return the factors of a phantom's wells, averaged over sites as vectors are; nothing for real images."""
    found: dict[str, pd.DataFrame] = {}
    for concept in LEVELS:
        columns = truth_columns(concept, sites.obs.columns)
        if columns:
            numbers = np.stack([parse_numbers(sites.obs[column]) for column in columns]).T
            names = pd.Index(columns).str.removeprefix(TRUTH)
            truth = AnnData(numbers, obs=sites.obs, var=pd.DataFrame(index=names))
            found[concept] = profile(truth, "raw", level="well").to_df()
    return found


def _measurements(profiles: Profiles) -> dict[str, AnnData]:
    """Return baseline -> what it has measured of sites, for those that are among the encoders."""
    found: dict[str, AnnData] = {}
    for sources in _MEASURED.values():
        for baseline, _ in sources:
            encoder = profiles.measured_by(baseline)
            if encoder is not None and baseline not in found:
                found[baseline] = profiles.embeddings[encoder]
    return found


def _by_well(sites: AnnData) -> pd.DataFrame:
    """Return the means of sites over wells."""
    return profile(sites, "raw", level="well").to_df().astype(np.float64)
