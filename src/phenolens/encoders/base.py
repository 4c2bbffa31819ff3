"""The contracts of encoders, which turn images or rows of a manifest into vectors."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from phenolens.core.errors import EncoderError, did_you_mean

if TYPE_CHECKING:
    import torch

Pixels: TypeAlias = "torch.Tensor | NDArray[Any]"


@runtime_checkable
class Encoder(Protocol):
    """An encoder of images.

    Attributes
    ----------
    name
        The name it was created by, including options.
    channels
        The channels it reads, in the encoder's order. Images may list them in another order, and have more channels.
    dim
        The length D of its vectors.
    feature_names
        D names, one per entry of a vector.
    input_size
        The side in pixels that images are resized to; None if they are not resized.
    weights_hash
        A hash of everything besides the images that determines the vectors.
    """

    name: str
    channels: tuple[str, ...]
    dim: int
    feature_names: tuple[str, ...]
    input_size: int | None
    weights_hash: str

    def embed(self, pixels: Pixels, channels: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors (B, D) of images (B, C, H, W) in their native intensities.

        The vector of an image must not depend on the other images of the batch.

        Raises
        ------
        EncoderError
            If a channel is missing, the shape is wrong, or pixels are NaN or infinite.
        """
        ...


class Measurement(ABC):
    """An encoder without weights, run in the processes that read images; it follows the contract of `Encoder`."""

    name: str
    channels: tuple[str, ...]
    feature_names: tuple[str, ...]
    weights_hash: str
    input_size: int | None = None

    @property
    def dim(self) -> int:
        """The length D of its vectors."""
        return len(self.feature_names)

    @abstractmethod
    def embed(self, pixels: Pixels, channels: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors (B, D); see `Encoder.embed`."""


class RowEncoder(ABC):
    """An encoder that reads the manifest's metadata of a site, not its image.

    Attributes
    ----------
    note
        What a reader must know of the vectors; empty if nothing. Set by `embed_rows`.
    """

    name: str
    feature_names: tuple[str, ...]
    weights_hash: str
    note: str = ""

    @property
    def dim(self) -> int:
        """The length D of its vectors."""
        return len(self.feature_names)

    @abstractmethod
    def embed_rows(self) -> NDArray[np.float32]:
        """Return the vectors (n, D) of the rows of the manifest that it was created for."""


def take_channels(pixels: Pixels, channels: Sequence[str], wanted: Sequence[str]) -> "torch.Tensor":
    """Return the `wanted` channels of images (B, C, H, W) as a tensor, in that order.

    Raises
    ------
    EncoderError
        If pixels and names do not match, a wanted channel is missing, or pixels are not finite.
    """
    import torch

    tensor = torch.as_tensor(pixels)
    if tensor.ndim != 4:
        raise EncoderError(f"images must be (B, C, H, W), found shape {tuple(tensor.shape)}")
    if tensor.shape[1] != len(channels):
        raise EncoderError(f"images have {tensor.shape[1]} channels but {len(channels)} names were given")
    for name in wanted:
        if name not in channels:
            raise EncoderError(f"the images have no channel '{name}'{did_you_mean(name, channels)}")
    if tensor.is_floating_point() and not torch.isfinite(tensor).all():
        raise EncoderError("images hold NaN or infinite pixels; fix or remove them first")
    if tuple(wanted) == tuple(channels):
        return tensor
    return tensor[:, [list(channels).index(name) for name in wanted]]


def hash_text(*parts: object) -> str:
    """Return a short hash of the text of `parts`, used as the `weights_hash` of encoders without weights."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
