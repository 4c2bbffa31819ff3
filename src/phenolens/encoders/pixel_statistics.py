"""Intensity baseline: statistics of the histogram of each channel."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from phenolens.encoders.base import Measurement, Pixels, hash_text, take_channels

_QUANTILES = (1, 5, 25, 50, 75, 95, 99)
_STATISTICS = ("mean", "sd", "skewness", "kurtosis", *(f"p{q}" for q in _QUANTILES))


class PixelStatistics(Measurement):
    """Mean, standard deviation, skewness, excess kurtosis and quantiles of each channel's intensities.

    It does not depend on shape, texture or position: shuffling the pixels of a channel changes nothing.
    """

    def __init__(self, name: str, channels: Sequence[str]) -> None:
        self.name = name
        self.channels = tuple(channels)
        self.feature_names = tuple(f"{channel}_{s}" for channel in channels for s in _STATISTICS)
        self.weights_hash = hash_text("pixel-statistics", self.feature_names)

    def embed(self, pixels: Pixels, channels: Sequence[str]) -> NDArray[np.float32]:
        """Return the statistics (B, D); see `Encoder.embed`."""
        x = take_channels(pixels, channels, self.channels).to("cpu", torch.float32).flatten(2)
        rows = np.sort(x.numpy(), axis=-1)
        # Quantiles are order statistics of rank floor(q n), without interpolation.
        at = [min(int(q / 100 * rows.shape[-1]), rows.shape[-1] - 1) for q in _QUANTILES]
        wide = rows.astype(np.float64)
        mean = wide.mean(axis=-1, keepdims=True)
        centred = wide - mean
        sd = np.sqrt((centred**2).mean(axis=-1, keepdims=True))
        z = np.divide(centred, sd, out=np.zeros_like(centred), where=sd > 0)
        flat = sd > 0
        moments = [
            mean,
            sd,
            (z**3).mean(axis=-1, keepdims=True),
            ((z**4).mean(axis=-1, keepdims=True) - 3) * flat,
        ]
        features = np.concatenate([*moments, wide[..., at]], axis=-1)
        return features.reshape(len(features), -1).astype(np.float32)
