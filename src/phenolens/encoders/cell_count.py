"""The density baseline: how many nuclei, and how much of the image they cover."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from phenolens.encoders.base import Pixels, hash_text, take_channels
from phenolens.errors import EncoderError, did_you_mean
from phenolens.images import nuclear_channel, segment_nuclei


class CellCount:
    """Number of nuclei and share of the area they cover, by a classical segmentation.

    Parameters
    ----------
    nucleus
        The nuclear channel; if None, the only channel, or the one with a usual name such as dna or hoechst.
    diameter
        The diameter of a nucleus in pixels; estimated from each image if None.

    Raises
    ------
    EncoderError
        If the nuclear channel cannot be told.
    """

    input_size = None
    feature_names = ("nuclei_count", "nuclei_area_fraction")
    dim = 2

    def __init__(
        self,
        name: str,
        channels: Sequence[str],
        *,
        nucleus: str | None = None,
        diameter: float | None = None,
    ) -> None:
        self.name = name
        self.diameter = diameter
        self.channels = (_choose_channel(channels, nucleus),)
        self.weights_hash = hash_text("cell-count", diameter)

    def embed(self, pixels: Pixels, channels: Sequence[str]) -> NDArray[np.float32]:
        """Return count and area fraction (B, 2); see `Encoder.embed`."""
        images = take_channels(pixels, channels, self.channels)[:, 0].cpu().numpy()
        labels = [segment_nuclei(image, diameter=self.diameter) for image in images]
        return np.array([(label.max(), (label > 0).mean()) for label in labels], dtype=np.float32)


def _choose_channel(channels: Sequence[str], nucleus: str | None) -> str:
    if nucleus is not None and nucleus not in channels:
        raise EncoderError(f"cell-count: no nuclear channel '{nucleus}'{did_you_mean(nucleus, channels)}")
    chosen = nucleus or nuclear_channel(channels)
    if chosen is None:
        raise EncoderError(
            f"cell-count: which of the channels {', '.join(channels)} shows nuclei? "
            f"Name it: cell-count@nucleus={channels[0]}"
        )
    return chosen
