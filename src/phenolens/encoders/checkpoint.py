"""Checkpoints of `phenolens train` as encoders, and their untrained counterparts."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from torch import nn

from phenolens.core.errors import EncoderError, ImageError, did_you_mean
from phenolens.datasets import Manifest
from phenolens.encoders.network import Network, Untrained
from phenolens.encoders.weights import download_weights
from phenolens.images import Crop, corners, cut, read_site, self_standardise
from phenolens.nets import (
    Card,
    adapt_batch_norm,
    build,
    build_shapes,
    check_tensors,
    embedder,
    is_agnostic,
    load_weights,
    read_card,
    tensor_shapes,
)

_HUB = "hf/"
_ADAPT_SITES, _ADAPT_BATCH = 512, 32


def checkpoint(
    name: str,
    path: str,
    channels: Sequence[str],
    *,
    revision: str | None = None,
    adapt: bool = False,
    manifest: Manifest | None = None,
    untrained: Untrained | None = None,
) -> Network:
    """Return a network from a checkpoint of `train`, or its untrained counterpart.

    A channel-agnostic network reads all channels of the images; others read the channels that they were trained on.

    Parameters
    ----------
    path
        The .safetensors file, the folder that holds ``model.safetensors``, or ``hf/OWNER/NAME`` of the hub.
    revision
        A branch, tag or commit of the repository.
    adapt
        Whether to replace the statistics of batch normalisation by those of the manifest's images (AdaBN; Li et al.,
        Pattern Recognition 80, 2018). All images of the manifest are one domain: to adapt to plates, use one manifest
        per plate.
    manifest
        The images that will be embedded.
    untrained
        How to draw the weights of the untrained counterpart; None for trained weights.

    Raises
    ------
    EncoderError
        If there is no checkpoint, it is damaged or of another kind, the images lack a channel, or there is nothing to
        adapt.
    """
    file = _file(name, path, revision)
    try:
        card = read_card(file)
        # Before the network is built: a card may describe any size.
        shapes = build_shapes(card.architecture, card.options, len(card.channels))
        check_tensors(file, shapes, tensor_shapes(file), f"the {card.architecture} of its card")
        if untrained is None:
            model = _build(card)
            load_weights(model, file)
        else:
            model = untrained.draw(lambda: _build(card))
    except ValueError as error:
        reason = str(error)
        raise EncoderError(reason if str(file) in reason else f"{file}: {reason}") from error
    return _network(name, model, card, channels, manifest, adapt=adapt)


def _build(card: Card) -> nn.Module:
    return build(card.architecture, card.options, len(card.channels))


def _file(name: str, path: str, revision: str | None) -> Path:
    if path.startswith(_HUB) and not Path(path).exists():
        return download_weights(name, path.removeprefix(_HUB), revision)
    return Path(path) / "model.safetensors" if Path(path).is_dir() else Path(path)


def _network(
    name: str, model: nn.Module, card: Card, channels: Sequence[str], manifest: Manifest | None, *, adapt: bool
) -> Network:
    chosen = tuple(channels) if is_agnostic(model) else card.channels
    for channel in chosen:
        if channel not in channels:
            raise EncoderError(f"'{name}' was trained on a channel '{channel}'{did_you_mean(channel, channels)}")
    network = embedder(model)
    if adapt:
        if manifest is None:
            raise EncoderError(f"'{name}': adapt needs the images of a manifest; give the manifest")
        if not adapt_batch_norm(network, _batches(manifest, chosen, card.crop)):
            raise EncoderError(f"'{name}': has no batch normalisation to adapt; leave out adapt")
    return Network(network, chosen)


def _batches(manifest: Manifest, channels: Sequence[str], size: int) -> Iterator[torch.Tensor]:
    """Yield standardised centre crops (B, C, h, w) of evenly sampled sites that can be read.

    Sites smaller than the crop are left out, unless all are.
    """
    rows = np.linspace(0, len(manifest) - 1, min(len(manifest), _ADAPT_SITES)).astype(int)
    crops: dict[tuple[int, ...], list[torch.Tensor]] = {}
    for row in rows:
        with suppress(ImageError):
            site = read_site(manifest.images(row), manifest.names).select(channels)
            middle = Crop("centre", min(size, *site.pixels.shape[1:]))
            crop = self_standardise(torch.from_numpy(cut(site.pixels, corners(site, middle), middle)))
            crops.setdefault(site.pixels.shape, []).append(crop)
    large = {shape: found for shape, found in crops.items() if min(shape[1:]) >= size}
    for same_size in (large or crops).values():
        for start in range(0, len(same_size), _ADAPT_BATCH):
            yield torch.cat(same_size[start : start + _ADAPT_BATCH])
