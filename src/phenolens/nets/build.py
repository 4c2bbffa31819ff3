"""Networks from plain options, as in recipes and cards of checkpoints."""

from collections.abc import Mapping
from typing import Any

import timm
import torch
from torch import nn

from phenolens.nets.classifier import Classifier
from phenolens.nets.contrastive import Contrastive
from phenolens.nets.mae import MaskedAutoencoder
from phenolens.nets.munet import MaskedUNet
from phenolens.nets.vit import SIZES, MicroscopyViT, Size

_MOST_BLOCKS = 256

# What torch, timm and our networks raise for sizes that do not fit together.
_UNFIT = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


def build(architecture: str, options: Mapping[str, Any], channels: int) -> nn.Module:
    """Return a network with untrained weights.

    Parameters
    ----------
    architecture
        ``masked-autoencoder``, ``masked-unet``, ``classifier`` or ``contrastive``.
    options
        The options of the network; `size` and `backbone` by name.
    channels
        The number of channels of images.

    Raises
    ------
    ValueError
        If there is no such architecture, size or backbone, or an option is unknown.
    """
    builders = {
        "masked-autoencoder": _masked_autoencoder,
        "masked-unet": _masked_unet,
        "classifier": _classifier,
        "contrastive": _contrastive,
    }
    if architecture not in builders:
        raise ValueError(f"no architecture '{architecture}'; there is: {', '.join(builders)}")
    try:
        return builders[architecture](dict(options), channels)
    except _UNFIT as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"a {architecture} cannot be built from these options: {said}") from error


def build_shapes(architecture: str, options: Mapping[str, Any], channels: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the tensors of the network that `build` returns, without using memory for them.

    Raises
    ------
    ValueError
        As `build`.
    """
    with torch.device("meta"):
        state = build(architecture, options, channels).state_dict()
    return {name: tuple(value.shape) for name, value in state.items()}


def embedder(model: nn.Module) -> nn.Module:
    """Return the part of a trained network that maps images (B, C, H, W) to vectors (B, num_features)."""
    if isinstance(model, MaskedAutoencoder):
        return model.encoder
    if isinstance(model, Classifier | Contrastive):
        return model.backbone
    return model


def is_agnostic(model: nn.Module) -> bool:
    """Whether a network takes any number of channels in any order."""
    part = embedder(model)
    return isinstance(part, MicroscopyViT) and part.agnostic


def _masked_autoencoder(options: dict[str, Any], channels: int) -> nn.Module:
    size = _size(options.pop("size"))
    decoder = options.pop("decoder", None)
    if decoder is not None:
        _check_depth(decoder[1])
    return MaskedAutoencoder(size, channels, decoder=None if decoder is None else tuple(decoder), **options)


def _masked_unet(options: dict[str, Any], channels: int) -> nn.Module:
    _check_depth(options.get("depth", 1))
    return MaskedUNet(channels, **options)


def _classifier(options: dict[str, Any], channels: int) -> nn.Module:
    return Classifier(_backbone(options.pop("backbone"), channels), **options)


def _contrastive(options: dict[str, Any], channels: int) -> nn.Module:
    return Contrastive(_backbone(options.pop("backbone"), channels), **options)


def _check_depth(depth: int) -> None:
    """Refuse a number of blocks that would take long to create, even without their weights."""
    if not 0 < depth <= _MOST_BLOCKS:
        raise ValueError(f"depth must be from 1 to {_MOST_BLOCKS}, found {depth}")


def _size(size: str | Mapping[str, Any]) -> Size:
    if isinstance(size, str):
        if size not in SIZES:
            raise ValueError(f"no size '{size}'; there is: {', '.join(SIZES)}")
        return SIZES[size]
    chosen = Size(**size)
    _check_depth(chosen.depth)
    return chosen


def _backbone(name: str, channels: int) -> nn.Module:
    """Return a `MicroscopyViT` for `microscopy_vit_SIZE` or `channel_vit_SIZE`, or a network of timm."""
    for prefix, joint_channels in (("channel_vit_", None), ("microscopy_vit_", channels)):
        if name.startswith(prefix):
            return MicroscopyViT(_size(name.removeprefix(prefix)), joint_channels)
    if not timm.is_model(name):
        raise ValueError(f"timm has no model '{name}'")
    return timm.create_model(name, pretrained=False, num_classes=0, in_chans=channels)
