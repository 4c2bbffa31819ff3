"""Networks from plain options, as in recipes and cards of checkpoints."""

from collections.abc import Mapping
from typing import Any

import timm
from torch import nn

from phenolens.nets.classifier import Classifier
from phenolens.nets.contrastive import Contrastive
from phenolens.nets.mae import MaskedAutoencoder
from phenolens.nets.munet import MaskedUNet
from phenolens.nets.vit import SIZES, MicroscopyViT, Size


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
    options = dict(options)
    try:
        if architecture == "masked-autoencoder":
            size = _size(options.pop("size"))
            decoder = options.pop("decoder", None)
            return MaskedAutoencoder(size, channels, decoder=None if decoder is None else tuple(decoder), **options)
        if architecture == "masked-unet":
            return MaskedUNet(channels, **options)
        if architecture in ("classifier", "contrastive"):
            backbone = _backbone(options.pop("backbone"), channels)
            return (Classifier if architecture == "classifier" else Contrastive)(backbone, **options)
    except (KeyError, TypeError) as error:
        raise ValueError(f"a {architecture} cannot be built from these options: {error}") from error
    raise ValueError(f"no architecture '{architecture}'")


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


def _size(size: str | Mapping[str, Any]) -> Size:
    if isinstance(size, str):
        if size not in SIZES:
            raise ValueError(f"no size '{size}'; there is: {', '.join(SIZES)}")
        return SIZES[size]
    return Size(**size)


def _backbone(name: str, channels: int) -> nn.Module:
    """Return a `MicroscopyViT` for `microscopy_vit_SIZE` or `channel_vit_SIZE`, or a network of timm."""
    for prefix, joint_channels in (("channel_vit_", None), ("microscopy_vit_", channels)):
        if name.startswith(prefix):
            return MicroscopyViT(_size(name.removeprefix(prefix)), joint_channels)
    if not timm.is_model(name):
        raise ValueError(f"timm has no model '{name}'")
    return timm.create_model(name, pretrained=False, num_classes=0, in_chans=channels)
