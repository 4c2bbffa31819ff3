"""The contract of measurements of nuclei, and segmentation of nuclei in images without masks."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from phenolens.core.errors import EncoderError, did_you_mean
from phenolens.encoders.base import Measurement, Pixels, take_channels
from phenolens.images import RGB, NucleiOptions, Site, find_nuclei, nuclear_channel

ALGORITHM = 3
"""Version of the classical segmentation, part of the hash of what rests on it."""


@dataclass(frozen=True)
class Segmentation:
    """Which images of a site show its nuclei, and their size if that is known; `NucleiOptions` says how they are found.

    Attributes
    ----------
    channels
        The nuclear channel; or red, green and blue of a section stained with haematoxylin and eosin.
    diameter
        The diameter of a nucleus in pixels; estimated from each image if None.
    """

    channels: tuple[str, ...]
    diameter: float | None = None

    @classmethod
    def choose(cls, encoder: str, channels: Sequence[str], nucleus: str | None, diameter: float | None) -> Self:
        """Return the segmentation for images of these channels.

        Parameters
        ----------
        encoder
            The encoder's name, for messages.
        channels
            The channels of the images.
        nucleus
            The nuclear channel; if None, the only channel, the one with a usual name such as dna or hoechst, or the
            haematoxylin of a colour image.
        diameter
            As in the attributes.

        Raises
        ------
        EncoderError
            If the nuclear channel cannot be determined.
        """
        if nucleus is not None and nucleus not in channels:
            raise EncoderError(f"{encoder}: no nuclear channel '{nucleus}'{did_you_mean(nucleus, channels)}")
        if diameter is not None and not diameter > 0:
            raise EncoderError(f"{encoder}: the diameter of a nucleus must be positive, found {diameter}")
        if not channels:
            raise EncoderError(f"{encoder}: segments nuclei in images, and there are no images")
        if nucleus is None and set(RGB) <= set(channels):
            return cls(RGB, diameter)
        chosen = nucleus or nuclear_channel(channels)
        if chosen is None:
            raise EncoderError(
                f"{encoder}: the nuclear channel is none of the usual names; name one of {', '.join(channels)}: "
                f"{encoder}@nucleus={channels[0]}"
            )
        return cls((chosen,), diameter)

    def find(
        self,
        pixels: Pixels,
        channels: Sequence[str],
        options: NucleiOptions | None = None,
        mpp: float | None = None,
    ) -> NDArray[np.int32]:
        """Return labels (B, H, W) of the nuclei of images (B, C, H, W); see `find_nuclei`."""
        return np.stack([find_nuclei(site, options, self.diameter) for site in self.sites(pixels, channels, mpp)])

    def sites(self, pixels: Pixels, channels: Sequence[str], mpp: float | None = None) -> list[Site]:
        """Return what shows the nuclei in each of the images (B, C, H, W)."""
        images = take_channels(pixels, channels, self.channels).cpu().numpy()
        return [Site(image, self.channels, mpp=mpp) for image in images]


class NucleiMeasurement(Measurement):
    """A measurement of nuclei, given as masks or segmented.

    Attributes
    ----------
    segmentation
        The segmentation for images without masks.
    """

    segmentation: Segmentation

    @abstractmethod
    def embed(
        self, pixels: Pixels, channels: Sequence[str], nuclei: NDArray[np.int32] | None = None
    ) -> NDArray[np.float32]:
        """Return the vectors (B, D); see `Encoder.embed`.

        Parameters
        ----------
        pixels, channels
            As in `Encoder.embed`.
        nuclei
            Labels (B, H, W), 0 for background, not necessarily consecutive; segmented if None.
        """
