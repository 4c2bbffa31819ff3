"""Networks from plain options, so that a recipe or a checkpoint's card can make them."""

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
    """Return a network, its weights not yet trained.

    Parameters
    ----------
    architecture
        ``masked-autoencoder``, ``masked-unet``, ``classifier`` or ``contrastive``.
    options
        What the network takes; `size` and `backbone` by name.
    channels
        How many channels the images have.

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
        raise ValueError(f"a {architecture} cannot be made of these options: {error}") from error
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
    """Return a vision transformer of ours, `vit_SIZE` or `channel_vit_SIZE`, or any of timm's networks."""
    for prefix, own in (("channel_vit_", None), ("microscopy_vit_", channels)):
        if name.startswith(prefix):
            return MicroscopyViT(_size(name.removeprefix(prefix)), own)
    if not timm.is_model(name):
        raise ValueError(f"timm has no model '{name}'")
    return timm.create_model(name, pretrained=False, num_classes=0, in_chans=channels)
