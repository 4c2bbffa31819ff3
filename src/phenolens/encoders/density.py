"""Density baselines: the number of nuclei, and the share of the image that they cover."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from phenolens.encoders.base import Pixels, hash_text
from phenolens.encoders.nuclei import ALGORITHM, NucleiMeasurement, Segmentation


class CellCount(NucleiMeasurement):
    """The number of nuclei.

    Parameters
    ----------
    nucleus
        The nuclear channel; if None, the only channel, the one with a usual name such as dna or hoechst, or the
        haematoxylin of a colour image.
    diameter
        The diameter of a nucleus in pixels; estimated from each image if None.

    Raises
    ------
    EncoderError
        If the nuclear channel cannot be determined.
    """

    feature_names = ("nuclei_count",)

    def __init__(
        self, name: str, channels: Sequence[str], *, nucleus: str | None = None, diameter: float | None = None
    ) -> None:
        self.name = name
        self.segmentation = Segmentation.choose(name.partition("@")[0], channels, nucleus, diameter)
        self.channels = self.segmentation.channels
        self.weights_hash = hash_text(self.feature_names, diameter, ALGORITHM)

    def embed(
        self, pixels: Pixels, channels: Sequence[str], nuclei: NDArray[np.int32] | None = None
    ) -> NDArray[np.float32]:
        """Return the count (B, 1); see `NucleiMeasurement.embed`."""
        nuclei = self.segmentation.find(pixels, channels) if nuclei is None else nuclei
        return np.array([[self._measure(labels)] for labels in nuclei], dtype=np.float32)

    def _measure(self, labels: NDArray[np.int32]) -> float:
        return len(np.unique(labels[labels > 0]))


class AreaFraction(CellCount):
    """The share of the image that nuclei cover.

    Parameters
    ----------
    nucleus, diameter
        As in `CellCount`.
    """

    feature_names = ("nuclei_area_fraction",)

    def _measure(self, labels: NDArray[np.int32]) -> float:
        return float((labels > 0).mean())
