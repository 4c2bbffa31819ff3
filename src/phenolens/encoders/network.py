"""Networks as encoders: jointly or channel by channel, with their output or that of a layer."""

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
    """A network and its input.

    Attributes
    ----------
    model
        (B, C or 1, H, W) -> (B, d).
    channels
        The channels it reads.
    mixing
        `joint`: the network reads all channels together; `concat`: it reads each channel separately, and the vectors
        are concatenated in the order of `channels`.
    input_size
        The side that images are resized to; None for any size.
    mean, sd
        The statistics that the model was trained with, on [0, 1] pixels, per channel; if None, each channel of each
        image is standardised separately.
    raw
        Whether the model reads intensities as they are, as float32.
    weights_hash
        A hash of all that determines the vectors; if empty, that of the model's weights.
    """

    model: nn.Module
    channels: Sequence[str]
    mixing: Mixing = "joint"
    input_size: int | None = None
    mean: Sequence[float] | None = None
    sd: Sequence[float] | None = None
    raw: bool = False
    weights_hash: str = ""

    @property
    def in_channels(self) -> int:
        """The number of input channels of the model."""
        return in_channels(self.mixing, self.channels)

    def prepare(self, name: str, x: torch.Tensor) -> torch.Tensor:
        """Return images (B, C, H, W) resized and scaled as the model reads them, (B, C, h, w) or (B * C, 1, h, w).

        Parameters
        ----------
        name
            The name of the encoder, for messages.
        x
            Its channels, in its order.

        Raises
        ------
        EncoderError
            If images would have to be stretched.
        """
        height, width = x.shape[-2:]
        statistics = None if self.mean is None or self.sd is None else (self.mean, self.sd)
        if self.input_size is not None and (height, width) != (self.input_size, self.input_size):
            if height != width:
                raise EncoderError(
                    f"{name}: needs squares of {self.input_size} pixels, found {height} x {width}; set a crop"
                )
            # Resized before standardising, because interpolation changes the variance. Floats keep their scale.
            x = x.to(torch.float32) if statistics is None else scale_to_unit(x)
            x = F.interpolate(x, size=self.input_size, mode="bilinear", antialias=True)
        if self.raw:
            x = x.to(torch.float32)
        elif statistics is None:
            x = self_standardise(x)
        else:
            x = standardise(scale_to_unit(x), *statistics)
        return x.flatten(0, 1)[:, None] if self.mixing == "concat" else x


@dataclass(frozen=True, kw_only=True)
class Untrained:
    """How to draw the weights of an untrained network.

    A factory of networks with a parameter ``untrained`` returns, if one is given, the untrained counterpart of its
    network: the same architecture and input path, with weights from `draw` instead of a file.

    Attributes
    ----------
    init
        As in `initialise`.
    seed
        The seed of the weights.
    """

    init: Initialisation = "own"
    seed: int = 0

    def draw(self, make: Callable[[], nn.Module]) -> nn.Module:
        """Return the network that `make` returns, with weights drawn from the seed; see `phenolens.nets.draw`."""
        return draw(make, self.seed, self.init)


def in_channels(mixing: Mixing, channels: Sequence[str]) -> int:
    """Return the number of input channels of a network."""
    return len(channels) if mixing == "joint" else 1


class NetworkEncoder:
    """A network as an encoder.

    Parameters
    ----------
    name
        The name it was created by.
    network
        The network.
    layer
        The layer whose output is pooled, counted from 1; None for the output of the network.
    pool
        The pooling: `mean` of patches or positions, `class` token, or the means of each channel's patches, concatenated
        (`channels`).
    device, precision
        The device, and the precision; bf16 uses autocast, and vectors are float32.

    Raises
    ------
    EncoderError
        If there is no such layer, or it cannot be pooled that way.
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
        self.weights_hash = network.weights_hash or hash_weights(network.model)
        self._prepare = network.prepare
        self.layers = tuple(range(1, n_layers(network.model) + 1))
        model = network.model
        if layer is not None:
            try:
                model = LayerVectors(model, layer, pool, network.in_channels)
            except ValueError as error:
                raise EncoderError(f"'{name}': {error}") from error
        elif pool != "mean":
            raise EncoderError(f"'{name}': pool needs a layer, such as layer={len(self.layers) or 1}")
        self.device = torch.device(device)
        self.precision = precision
        self.model = model.eval().requires_grad_(requires_grad=False).to(self.device)
        width: int = model.num_features  # type: ignore[assignment]
        parts = self.channels if self.mixing == "concat" else ("all",)
        self.feature_names = tuple(f"{part}_{index}" for part in parts for index in range(width))
        self.dim = len(self.feature_names)

    @torch.inference_mode()
    def embed(self, pixels: Pixels, channels: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors (B, D); see `Encoder.embed`."""
        images = take_channels(pixels, channels, self.channels).to(self.device, non_blocking=True)
        x = self._prepare(self.name, images)
        try:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
                features = self.model(x)
        except ValueError as error:  # raised by networks for image sizes that they cannot take
            raise EncoderError(f"{self.name}: {error}; set a crop") from error
        return features.float().reshape(len(images), self.dim).cpu().numpy()


def hash_weights(model: nn.Module) -> str:
    """Return a short hash of a network's weights and buffers."""
    digest = hashlib.sha256()
    for key, value in model.state_dict().items():
        digest.update(key.encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:16]
