"""Networks as encoders: from pixels to vectors, jointly or channel by channel, whole or up to a layer."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from phenolens.core.errors import EncoderError
from phenolens.encoders.base import Pixels, take_channels
from phenolens.images import scale_to_unit, self_standardise, standardise
from phenolens.nets import Initialisation, LayerVectors, Pool, draw, n_layers

Precision = Literal["fp32", "bf16"]
Mixing = Literal["joint", "concat"]


@dataclass(frozen=True, eq=False)
class Network:
    """A network and what it reads.

    Attributes
    ----------
    model
        (B, C or 1, H, W) -> (B, d).
    channels
        The channels it reads.
    mixing
        `joint`: the network reads all channels at once; `concat`: each channel passes through it by itself and the
        vectors are concatenated in the order of `channels`.
    input_size
        The side that images are resized to; None for any size.
    mean, sd
        The model's own statistics on [0, 1] pixels, per channel; if None, every image and channel is standardised by
        itself.
    """

    model: nn.Module
    channels: Sequence[str]
    mixing: Mixing = "joint"
    input_size: int | None = None
    mean: Sequence[float] | None = None
    sd: Sequence[float] | None = None

    @property
    def in_channels(self) -> int:
        """How many channels the model itself is given."""
        return in_channels(self.mixing, self.channels)


@dataclass(frozen=True, kw_only=True)
class Untrained:
    """How the weights of an untrained network are drawn.

    A factory of networks that takes ``untrained`` makes, where it is given one, the untrained counterpart of its
    network: the same architecture and input path, with weights from `draw` instead of from a file.

    Attributes
    ----------
    init
        As in `initialise`.
    seed
        Of the weights.
    """

    init: Initialisation = "own"
    seed: int = 0

    def draw(self, make: Callable[[], nn.Module]) -> nn.Module:
        """Return the network that `make` makes, with weights drawn from the seed; see `phenolens.nets.draw`."""
        return draw(make, self.seed, self.init)


def in_channels(mixing: Mixing, channels: Sequence[str]) -> int:
    """Return how many channels a network is given at once."""
    return len(channels) if mixing == "joint" else 1


class NetworkEncoder:
    """The encoder that a network makes.

    Parameters
    ----------
    name
        The name it was made by.
    network
        The network.
    layer
        The layer whose output is pooled, counted from 1; None for the network's own vectors.
    pool
        How: `mean` of patches or places, `class` token, or the mean of each channel's patches, in a row (`channels`).
    device, precision
        Where and how precisely it runs; bf16 means autocast, with vectors returned in float32.

    Raises
    ------
    EncoderError
        If there is no such layer, or nothing to pool so.
    """

    def __init__(
        self,
        name: str,
        network: Network,
        *,
        layer: int | None = None,
        pool: Pool = "mean",
        device: str = "cpu",
        precision: Precision = "fp32",
    ) -> None:
        self.name = name
        self.channels = tuple(network.channels)
        self.mixing = network.mixing
        self.input_size = network.input_size
        self.weights_hash = hash_weights(network.model)
        self.layers = tuple(range(1, n_layers(network.model) + 1))
        model = network.model
        if layer is not None:
            try:
                model = LayerVectors(model, layer, pool, network.in_channels)
            except ValueError as error:
                raise EncoderError(f"'{name}': {error}") from error
        elif pool != "mean":
            raise EncoderError(f"'{name}': pool is of a layer; name one: layer={len(self.layers) or 1}")
        self.device = torch.device(device)
        self.precision = precision
        self.model = model.eval().requires_grad_(requires_grad=False).to(self.device)
        self._statistics = None if network.mean is None or network.sd is None else (network.mean, network.sd)
        width: int = model.num_features  # type: ignore[assignment]
        parts = self.channels if self.mixing == "concat" else ("all",)
        self.feature_names = tuple(f"{part}_{index}" for part in parts for index in range(width))
        self.dim = len(self.feature_names)

    @torch.inference_mode()
    def embed(self, pixels: Pixels, channels: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors (B, D); see `Encoder.embed`."""
        x = self._prepare(take_channels(pixels, channels, self.channels).to(self.device, non_blocking=True))
        batch = len(x)
        if self.mixing == "concat":
            x = x.flatten(0, 1)[:, None]
        try:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
                features = self.model(x)
        except ValueError as error:  # what a network says of a size that it cannot take
            raise EncoderError(f"{self.name}: {error}; set a crop") from error
        return features.float().reshape(batch, self.dim).cpu().numpy()

    def _prepare(self, x: torch.Tensor) -> torch.Tensor:
        """Bring images to the size and the intensities that the network expects."""
        height, width = x.shape[-2:]
        if self.input_size is not None and (height, width) != (self.input_size, self.input_size):
            if height != width:
                raise EncoderError(
                    f"{self.name}: takes squares of {self.input_size} pixels, found {height} x {width}; set a crop"
                )
            # Resized before standardising: interpolation changes the variance. Floats keep their own scale.
            x = x.to(torch.float32) if self._statistics is None else scale_to_unit(x)
            x = F.interpolate(x, size=self.input_size, mode="bilinear", antialias=True)
        if self._statistics is None:
            return self_standardise(x)
        mean, sd = self._statistics
        return standardise(scale_to_unit(x), mean, sd)


def hash_weights(model: nn.Module) -> str:
    """Return a short hash of a network's weights and buffers."""
    digest = hashlib.sha256()
    for key, value in model.state_dict().items():
        digest.update(key.encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:16]
