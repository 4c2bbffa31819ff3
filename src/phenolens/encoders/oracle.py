"""Oracles: encoders that know chosen true factors of a phantom, and nothing else, to test the benchmark itself."""

from collections.abc import Sequence
from typing import NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.datasets import Manifest
from phenolens.datasets.phantom import FACTORS, LEVELS
from phenolens.encoders.registry import EncoderName
from phenolens.errors import EncoderError, did_you_mean
from phenolens.randomness import spawn

PREFIX = "oracle/"
_TRUTH = "true_"
_DIM = 128
# What the truth of a site says of levels whose factors are not measured cell by cell.
_MEASURED = {"arrangement": ("neighbour_distance", "alignment", "segregation")}


def refuse(name: str, what: str, channels: Sequence[str], *, noise: float = 0.0, seed: int = 0) -> NoReturn:
    """Say that an oracle reads no images."""
    raise EncoderError(
        f"'{name}' reads a phantom's manifest, not its images; name it in a recipe, or use oracle_vectors"
    )


def is_oracle(name: str) -> bool:
    """Whether an encoder's name is that of an oracle."""
    return name.startswith(PREFIX)


def oracle_vectors(manifest: Manifest, name: str) -> NDArray[np.float32]:
    """Return vectors (n, 128) of a phantom's sites that depend on chosen true factors alone.

    The factors are standardised over the sites, given noise, and spread by random Fourier features: the cosine of two
    sites then falls with the distance of what the oracle knows of them, in however few dimensions.

    Parameters
    ----------
    manifest
        Of a phantom, with columns ``true_*``.
    name
        ``oracle/WHAT@noise=N,seed=S``: levels (density, intensity, shape, texture, arrangement, acquisition) or factors
        as in the manifest without ``true_``, joined by ``+``; the noise's standard deviation relative to that between
        sites.

    Raises
    ------
    EncoderError
        If there is no such level or factor, or the manifest is not that of a phantom.
    """
    parsed = EncoderName.parse(name)
    options = dict(parsed.options)
    try:
        noise, seed = float(options.pop("noise", 0.0)), int(options.pop("seed", 0))
    except ValueError as error:
        raise EncoderError(f"'{name}': noise and seed are numbers") from error
    if options:
        raise EncoderError(
            f"'{name}': no option '{next(iter(options))}'{did_you_mean(next(iter(options)), ['noise', 'seed'])}"
        )
    known = _standardise(manifest.table, _columns(parsed.base.removeprefix(PREFIX), manifest, name))
    rng = spawn(seed, "oracle", parsed.base)
    known = known + noise * rng.standard_normal(known.shape)
    frequency, phase = rng.standard_normal((known.shape[1], _DIM)), rng.uniform(0.0, 2.0 * np.pi, _DIM)
    spread = np.cos(known @ frequency / np.sqrt(known.shape[1]) + phase) * np.sqrt(2.0 / _DIM)
    return np.asarray(spread, dtype=np.float32)


def _columns(what: str, manifest: Manifest, name: str) -> list[str]:
    there = [column.removeprefix(_TRUTH) for column in manifest.table if column.startswith(_TRUTH)]
    if not there:
        raise EncoderError(f"{manifest.source}: has no columns {_TRUTH}*, which '{name}' reads; is it a phantom's?")
    chosen: list[str] = []
    for part in what.split("+"):
        if part == "acquisition":
            own = [
                column
                for column in there
                if column.startswith(("gain_", "background_", "focus_", "unevenness_", "edge"))
            ]
        elif part in LEVELS:
            factors = _MEASURED.get(part) or [factor for factor, cause in FACTORS.items() if cause.level == part]
            own = [factor for factor in factors if factor in there]
        else:
            own = [part] if part in there else []
        if not own:
            raise EncoderError(f"'{name}': no level or factor '{part}'{did_you_mean(part, [*LEVELS, *there])}")
        chosen += own
    return [_TRUTH + column for column in dict.fromkeys(chosen)]


def _standardise(table: pd.DataFrame, columns: Sequence[str]) -> NDArray[np.float64]:
    """Return factors (n, k) of mean 0 and variance 1; what is not known of a site is put at the mean."""
    values = table[list(columns)].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    centred = values - np.nanmean(values, axis=0)
    scale = np.nanstd(values, axis=0)
    return np.nan_to_num(centred / np.where(scale > 0, scale, 1.0))
