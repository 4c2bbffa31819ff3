"""What makes an image, by level: the truth of a phantom, or what baselines have measured of real images."""

from collections.abc import Mapping
from fnmatch import fnmatchcase

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.datasets.phantom import LEVELS, TRUTH, Level, truth_columns

# Level -> baseline and its features, as patterns, that measure it. A few that a biologist knows by name, not all that
# there are: what is left of a factor once other levels are known shrinks with every feature of theirs.
_MEASURED: Mapping[Level, tuple[tuple[str, str], ...]] = {
    "acquisition": (("pixel-statistics", "*_p1"), ("power-spectrum", "*_power_2_2.83px")),
    "density": (("cell-count", "nuclei_count"),),
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


def true_factors(obs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return level -> the true factors of a phantom's wells; nothing for real images."""
    found = {level: truth_columns(level, obs.columns) for level in LEVELS}
    return {
        level: obs[columns].apply(pd.to_numeric, errors="coerce").rename(columns=lambda name: name.removeprefix(TRUTH))
        for level, columns in found.items()
        if columns
    }


def measured_factors(embeddings: Mapping[str, AnnData]) -> dict[str, pd.DataFrame]:
    """Return level -> what baselines among the encoders have measured of it, in the same rows.

    Backgrounds and the finest detail stand for the acquisition; nuclei per image for density; mean intensities; areas,
    eccentricities and form factors of nuclei and cells; Haralick contrast and correlation, granularity and radial
    distribution for texture; and how nuclei lie, relative to their density, for arrangement.
    """
    factors = {}
    for level, sources in _MEASURED.items():
        parts = [
            own.to_df().loc[:, [fnmatchcase(name, pattern) for name in own.var_names]]
            for encoder, pattern in sources
            if (own := embeddings.get(encoder)) is not None
        ]
        parts = [part for part in parts if part.shape[1]]
        if parts:
            factors[str(level)] = pd.concat(parts, axis=1).astype(np.float64)
    return factors
