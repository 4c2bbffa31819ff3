"""The factors of what makes an image: the truth of a phantom, or what baselines have measured of real images."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.core.errors import TaskNotApplicable
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
    """

    tables: Mapping[str, pd.DataFrame]
    is_truth: bool
    unmeasured: Mapping[str, str] = field(default_factory=dict)


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
    tables: dict[str, pd.DataFrame] = {}
    unmeasured: dict[str, str] = {}
    for concept, sources in _MEASURED.items():
        columns = []
        for baseline, pattern in sources:
            if baseline in measured:
                table = measured[baseline]
                columns.append(table.loc[:, [fnmatchcase(name, pattern) for name in table.columns]])
        columns = [each for each in columns if each.shape[1]]
        if columns:
            tables[concept] = pd.concat(columns, axis=1, join="inner")
        else:
            unmeasured[concept] = f"it was not measured; add the baseline {sources[0][0]}"
    if not tables:
        raise TaskNotApplicable("no baseline that measures a concept is among the encoders, and this is no phantom")
    return Factors(tables, is_truth=False, unmeasured=unmeasured)


def _true_factors(sites: AnnData) -> dict[str, pd.DataFrame]:
    """Return the factors of a phantom's wells, averaged over sites as vectors are; nothing for real images."""
    found: dict[str, pd.DataFrame] = {}
    for concept in LEVELS:
        columns = truth_columns(concept, sites.obs.columns)
        if columns:
            numbers = sites.obs[columns].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
            names = pd.Index(columns).str.removeprefix(TRUTH)
            truth = AnnData(numbers, obs=sites.obs, var=pd.DataFrame(index=names))
            found[concept] = profile(truth, "raw", level="well").to_df()
    return found


def _measurements(profiles: Profiles) -> dict[str, pd.DataFrame]:
    """Return baseline -> what it has measured of wells, for those that are among the encoders."""
    found: dict[str, pd.DataFrame] = {}
    for sources in _MEASURED.values():
        for baseline, _ in sources:
            encoder = profiles.measured_by(baseline)
            if encoder is not None and baseline not in found:
                found[baseline] = profiles.averaged(encoder).to_df().astype(np.float64)
    return found
