"""The contracts of encoders: images in, vectors out; or rows of the manifest in."""

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
    """What turns images into vectors.

    Attributes
    ----------
    name
        The name it was made by, options included.
    channels
        The channels it reads, in its own order. Images may list them in another order, and hold more.
    dim
        The length D of its vectors.
    feature_names
        D names, one per entry of a vector.
    input_size
        The side in pixels that images are resized to; None if it takes them as they are.
    weights_hash
        A hash of everything that its numbers depend on besides the images.
    """

    name: str
    channels: tuple[str, ...]
    dim: int
    feature_names: tuple[str, ...]
    input_size: int | None
    weights_hash: str

    def embed(self, pixels: Pixels, channels: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors (B, D) of images (B, C, H, W) in their native intensities.

        The vector of an image does not depend on the other images of the batch.

        Raises
        ------
        EncoderError
            If a channel is missing, the shape does not fit, or pixels are NaN or infinite.
        """
        ...


class Measurement(ABC):
    """An encoder without weights, which runs in the processes that read images; it keeps the contract of `Encoder`."""

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
    """A baseline that reads what the manifest says of a site, and not its image.

    Attributes
    ----------
    note
        What a reader must know of the vectors; empty if nothing. Known once they have been made.
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
        """Return the vectors (n, D) of the rows of the manifest that it was made for."""


def take_channels(pixels: Pixels, channels: Sequence[str], wanted: Sequence[str]) -> "torch.Tensor":
    """Return the `wanted` channels of images (B, C, H, W) as a tensor, in that order.

    Raises
    ------
    EncoderError
        If pixels and names do not fit together, a wanted channel is missing, or pixels are not finite.
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
        raise EncoderError("images hold NaN or infinite pixels; mend or drop them first")
    if tuple(wanted) == tuple(channels):
        return tensor
    return tensor[:, [list(channels).index(name) for name in wanted]]


def hash_text(*parts: object) -> str:
    """Return a short hash of the text of `parts`: the `weights_hash` of what has no weights."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
