"""What makes an image, by level: the truth of a phantom, or what baselines have measured of real images."""

from collections.abc import Mapping
from fnmatch import fnmatchcase

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.evaluation import Profiles
from phenolens.profiling import profile
from phenolens.simulation import LEVELS, TRUTH, Level, truth_columns

# Level -> baseline and its features, as patterns, that measure it. A few that a biologist knows by name, not all that
# there are: what is left of a factor once other levels are known shrinks with every feature of theirs.
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


def true_factors(sites: AnnData) -> dict[str, pd.DataFrame]:
    """Return level -> the true factors of a phantom's wells; nothing for real images."""
    found = {level: truth_columns(level, sites.obs.columns) for level in LEVELS}
    return {level: _of_wells(sites, columns) for level, columns in found.items() if columns}


def measured_factors(profiles: Profiles) -> dict[str, pd.DataFrame]:
    """Return level -> what baselines among the encoders have measured of it, in wells that all of these have.

    Backgrounds and the finest detail stand for the acquisition; cells per image for density; mean intensities; areas,
    eccentricities and form factors of nuclei and cells; Haralick contrast and correlation, granularity and radial
    distribution for texture; and how nuclei lie, relative to their density, for arrangement.
    """
    baselines = sorted({baseline for sources in _MEASURED.values() for baseline, _ in sources})
    wells = {}
    for baseline in baselines:
        encoder = profiles.measured_by(baseline)
        if encoder is not None:
            wells[baseline] = profiles.averaged(encoder).to_df().astype(np.float64)
    factors = {}
    for level, sources in _MEASURED.items():
        parts = [
            wells[baseline].loc[:, [fnmatchcase(name, pattern) for name in wells[baseline].columns]]
            for baseline, pattern in sources
            if baseline in wells
        ]
        parts = [part for part in parts if part.shape[1]]
        if parts:
            factors[str(level)] = pd.concat(parts, axis=1, join="inner")
    return factors


def unmeasured(factors: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    """Return why each level of real images that has no measured factors cannot be asked."""
    return {
        level: f"nobody has measured it; the baseline {sources[0][0]} would"
        for level, sources in _MEASURED.items()
        if level not in factors
    }


def _of_wells(sites: AnnData, columns: list[str]) -> pd.DataFrame:
    """Return columns of truth averaged to wells, as vectors are."""
    numbers = sites.obs[columns].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    names = pd.DataFrame(index=[column.removeprefix(TRUTH) for column in columns])
    return profile(AnnData(numbers, obs=sites.obs, var=names), "raw", level="well").to_df()
