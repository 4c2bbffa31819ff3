"""Encoders that are timm networks: untrained ones, and trained ones from the hub or from a file."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from phenolens.encoders.base import Pixels, take_channels
from phenolens.errors import EncoderError, did_you_mean
from phenolens.images import RGB, scale_to_unit, self_standardise, standardise
from phenolens.nets import (
    SIZES,
    Initialisation,
    LayerVectors,
    MicroscopyViT,
    Pool,
    RandomConvolutions,
    initialise,
    n_layers,
)

Precision = Literal["fp32", "bf16"]
Mixing = Literal["joint", "concat"]

_UNTRAINED_SIZE = 256
_CHANNEL_VITS = {f"channel_vit_{name}": size for name, size in SIZES.items()}


class NetworkEncoder:
    """A network that reads either all channels at once or each one by itself.

    Parameters
    ----------
    name
        The name it was made by.
    model
        A network (B, C or 1, H, W) -> (B, d).
    channels
        The channels it reads.
    mixing
        `joint`: the first layer mixes all channels; `concat`: each channel passes through the network by
        itself and the vectors are concatenated in the order of `channels`.
    input_size
        The side that images are resized to; None for any size.
    mean, sd
        The model's own statistics on [0, 1] pixels, per channel; if None, every image and channel is
        standardised by itself.
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
        model: nn.Module,
        channels: Sequence[str],
        *,
        mixing: Mixing,
        input_size: int | None,
        mean: Sequence[float] | None = None,
        sd: Sequence[float] | None = None,
        layer: int | None = None,
        pool: Pool = "mean",
        device: str = "cpu",
        precision: Precision = "fp32",
    ) -> None:
        self.name = name
        self.channels = tuple(channels)
        self.mixing = mixing
        self.input_size = input_size
        self.weights_hash = hash_weights(model)
        self.layers = tuple(range(1, n_layers(model) + 1))
        if layer is not None:
            try:
                model = LayerVectors(model, layer, pool, _in_channels(mixing, channels))
            except ValueError as error:
                raise EncoderError(f"'{name}': {error}") from error
        elif pool != "mean":
            raise EncoderError(f"'{name}': pool is of a layer; name one: layer={len(self.layers) or 1}")
        self.device = torch.device(device)
        self.precision = precision
        self.model = model.eval().requires_grad_(requires_grad=False).to(self.device)
        self._statistics = None if mean is None or sd is None else (tuple(mean), tuple(sd))
        width: int = model.num_features  # type: ignore[assignment]
        parts = self.channels if mixing == "concat" else ("all",)
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


def untrained(
    name: str,
    architecture: str,
    channels: Sequence[str],
    *,
    mixing: Mixing = "joint",
    init: Initialisation = "own",
    seed: int = 0,
    layer: int | None = None,
    pool: Pool = "mean",
    device: str = "cpu",
    precision: Precision = "fp32",
) -> NetworkEncoder:
    """Return a network with weights drawn from a seed.

    Parameters
    ----------
    architecture
        A timm architecture; `vit_small_patch16` is short for `vit_small_patch16_224`. Vision transformers
        are built for 256-pixel images. Or a channel-agnostic one such as `channel_vit_small_patch16`, whose tokens are
        the patches of each channel by itself.
    init
        As in `initialise`.
    layer, pool
        As in `NetworkEncoder`.

    Raises
    ------
    EncoderError
        If there is no such architecture or layer.
    """
    size = None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if architecture in _CHANNEL_VITS:
            if mixing == "concat":
                raise EncoderError(f"'{name}': a channel-agnostic network reads all channels at once; leave out mixing")
            model: nn.Module = MicroscopyViT(_CHANNEL_VITS[architecture], None)
            size = _UNTRAINED_SIZE
        else:
            architecture = _known_architecture(architecture)
            config = timm.get_pretrained_cfg(architecture)
            size = _UNTRAINED_SIZE if config is not None and config.fixed_input_size else None
            sized: dict[str, Any] = {} if size is None else {"img_size": size}
            model = timm.create_model(
                architecture, pretrained=False, num_classes=0, in_chans=_in_channels(mixing, channels), **sized
            )
        initialise(model, init)
    return NetworkEncoder(
        name,
        model,
        channels,
        mixing=mixing,
        input_size=size,
        layer=layer,
        pool=pool,
        device=device,
        precision=precision,
    )


def random_convolutions(
    name: str,
    channels: Sequence[str],
    *,
    mixing: Mixing = "concat",
    seed: int = 0,
    device: str = "cpu",
    precision: Precision = "fp32",
) -> NetworkEncoder:
    """Return a bank of random kernels; see `RandomConvolutions`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = RandomConvolutions(_in_channels(mixing, channels))
    return NetworkEncoder(name, model, channels, mixing=mixing, input_size=None, device=device, precision=precision)


def pretrained(
    name: str,
    architecture: str,
    channels: Sequence[str],
    *,
    mixing: Mixing | None = None,
    weights: str | None = None,
    layer: int | None = None,
    pool: Pool = "mean",
    device: str = "cpu",
    precision: Precision = "fp32",
) -> NetworkEncoder:
    """Return a trained timm network, with weights from the hub or from a local file.

    Images whose channels are red, green and blue are normalised with the model's own statistics and read
    jointly. Any other images are standardised by themselves, and read one channel at a time unless `mixing`
    says otherwise: there is no right place for a fourth channel in weights trained on colour.

    Parameters
    ----------
    architecture
        A timm model name, with or without a tag.
    weights
        A .safetensors file; the hub's weights if None.
    layer, pool
        As in `NetworkEncoder`.

    Raises
    ------
    EncoderError
        If there is no such model or layer, or its weights cannot be had or do not fit.
    """
    architecture = _known_architecture(architecture)
    mixing = _mixing_of_trained(mixing, channels)
    state = None if weights is None else read_weights(Path(weights))
    try:
        model = timm.create_model(
            architecture,
            pretrained=True,
            num_classes=0,
            in_chans=_in_channels(mixing, channels),
            pretrained_cfg_overlay=None if state is None else {"state_dict": dict(state)},
        )
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise EncoderError(
            f"{name}: the weights cannot be had ({reason}); check the network, or give a local file: "
            f"timm/{architecture}@weights=FILE.safetensors"
        ) from error
    # With a head of another size timm loads what fits and leaves the rest as it was, without a word.
    lacking = set() if state is None else set(model.state_dict()) - set(state)
    if lacking:
        raise EncoderError(
            f"{weights}: holds no weights of timm's {architecture}: {len(lacking)} of "
            f"{len(model.state_dict())} tensors are not in it, e.g. '{min(lacking)}'"
        )
    return _as_trained(name, model, channels, mixing, layer, pool, device, precision)


def twin(
    name: str,
    architecture: str,
    channels: Sequence[str],
    *,
    mixing: Mixing | None = None,
    init: Initialisation = "own",
    seed: int = 0,
    layer: int | None = None,
    pool: Pool = "mean",
    device: str = "cpu",
    precision: Precision = "fp32",
) -> NetworkEncoder:
    """Return the random twin of a trained timm network: the same architecture and input path, weights from a seed.

    Parameters
    ----------
    architecture, mixing
        As in `pretrained`.
    init
        As in `initialise`.
    layer, pool
        As in `NetworkEncoder`.

    Raises
    ------
    EncoderError
        If there is no such model or layer.
    """
    mixing = _mixing_of_trained(mixing, channels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = timm.create_model(
            _known_architecture(architecture),
            pretrained=False,
            num_classes=0,
            in_chans=_in_channels(mixing, channels),
        )
        initialise(model, init)
    return _as_trained(name, model, channels, mixing, layer, pool, device, precision)


def _mixing_of_trained(mixing: Mixing | None, channels: Sequence[str]) -> Mixing:
    return mixing or ("joint" if tuple(channels) == RGB else "concat")


def _as_trained(
    name: str,
    model: nn.Module,
    channels: Sequence[str],
    mixing: Mixing,
    layer: int | None,
    pool: Pool,
    device: str,
    precision: Precision,
) -> NetworkEncoder:
    """Return an encoder with the input size of a trained model and, where it reads colours jointly, its statistics."""
    config: dict[str, Any] = model.pretrained_cfg  # type: ignore[assignment]
    jointly_rgb = tuple(channels) == RGB and mixing == "joint"
    return NetworkEncoder(
        name,
        model,
        channels,
        mixing=mixing,
        input_size=config["input_size"][-1],
        mean=config["mean"] if jointly_rgb else None,
        sd=config["std"] if jointly_rgb else None,
        layer=layer,
        pool=pool,
        device=device,
        precision=precision,
    )


def hash_weights(model: nn.Module) -> str:
    """Return a short hash of a network's weights and buffers."""
    digest = hashlib.sha256()
    for key, value in model.state_dict().items():
        digest.update(key.encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def _in_channels(mixing: Mixing, channels: Sequence[str]) -> int:
    return len(channels) if mixing == "joint" else 1


def _known_architecture(architecture: str) -> str:
    for candidate in (architecture, f"{architecture}_224"):
        if timm.is_model(candidate):
            return candidate
    known = [*_CHANNEL_VITS, *timm.list_models()]
    raise EncoderError(f"timm has no model '{architecture}'{did_you_mean(architecture, known)}")


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a .safetensors file.

    Raises
    ------
    EncoderError
        If it is a file of another kind, is not there, or is damaged.
    """
    if path.suffix != ".safetensors":
        raise EncoderError(
            f"{path}: weights are read from .safetensors alone, since pickles can run code; convert the file"
        )
    if not path.is_file():
        raise EncoderError(f"no weights at {path}")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise EncoderError(f"{path}: is not a safetensors file: {error}") from error
