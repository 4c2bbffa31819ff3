"""Spectral baseline: the variance of each channel by spatial scale."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from phenolens.encoders.base import Measurement, Pixels, hash_text, take_channels

_EDGES = np.geomspace(1 / 256, 0.5, 15)  # cycles per pixel: half an octave per ring
_LEAST_POWER = 1e-12  # replaces zero variance


class PowerSpectrum(Measurement):
    """Logarithm of each channel's mean power in rings of spatial frequency.

    It depends on scales and contrast, but not on phase: positions of objects and sharpness of edges are lost.
    Frequencies are in cycles per pixel, so that images of different sizes can be compared. A ring without any frequency
    of an image, as the lowest ones of small images, takes the power of the next ring.
    """

    def __init__(self, name: str, channels: Sequence[str]) -> None:
        self.name = name
        self.channels = tuple(channels)
        rings = [f"power_{1 / high:.3g}_{1 / low:.3g}px" for low, high in pairwise(_EDGES)]
        self.feature_names = tuple(f"{channel}_{ring}" for channel in channels for ring in rings)
        self.weights_hash = hash_text("power-spectrum", self.feature_names)

    def embed(self, pixels: Pixels, channels: Sequence[str]) -> NDArray[np.float32]:
        """Return the spectra (B, D); see `Encoder.embed`."""
        x = take_channels(pixels, channels, self.channels).to("cpu", torch.float64).numpy()
        height, width = x.shape[-2:]
        taper = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])  # avoids artefacts of the borders
        spectrum = np.abs(np.fft.rfft2((x - x.mean(axis=(-2, -1), keepdims=True)) * taper)) ** 2 / (taper**2).sum()
        frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
        ring = np.digitize(frequency.ravel(), _EDGES) - 1
        inside = (ring >= 0) & (ring < len(_EDGES) - 1)
        # The spectrum of a real image is symmetric: its half holds each frequency once, except in two columns.
        twice = np.full(width // 2 + 1, 2.0)
        twice[0] = 1.0
        if width % 2 == 0:
            twice[-1] = 1.0
        weight = np.tile(twice, height)[inside]
        size = np.bincount(ring[inside], weight, minlength=len(_EDGES) - 1)
        filled = np.flatnonzero(size)
        if not len(filled):  # an image of a single pixel
            return np.full((len(x), self.dim), np.log10(_LEAST_POWER), np.float32)
        flat = spectrum.reshape(x.shape[0] * x.shape[1], -1)[:, inside]
        total = np.stack([np.bincount(ring[inside], row * weight, len(size)) for row in flat])
        nearest = filled[np.minimum(np.searchsorted(filled, np.arange(len(size))), len(filled) - 1)]
        power = np.log10(np.maximum(total[:, nearest] / size[nearest], _LEAST_POWER))
        return power.reshape(len(x), -1).astype(np.float32)
