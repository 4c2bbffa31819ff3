"""Checkpoints as encoders: networks that were trained here, and their untrained counterparts."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
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
    embedder,
    is_agnostic,
    load_weights,
    read_card,
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
    """Return a network that `train` has kept; or its untrained counterpart: what training started from.

    A channel-agnostic network reads all channels of the images; any other those that it was trained on, by name.

    Parameters
    ----------
    path
        The .safetensors file, the folder that holds ``model.safetensors``, or ``hf/OWNER/NAME`` of the hub.
    revision
        Of the hub's repository: a branch, tag or commit.
    adapt
        Whether the statistics of batch normalisation are replaced by those of the manifest's images (AdaBN; Li et al.,
        Pattern Recognition 80, 2018), which are then one domain: give a manifest for each plate to adapt to plates.
    manifest
        The images that will be embedded.
    untrained
        How weights are drawn, for the untrained counterpart.

    Raises
    ------
    EncoderError
        If there is no checkpoint, it is damaged or of another kind, the images lack a channel, or there is nothing to
        adapt.
    """
    file = _file(name, path, revision)
    try:
        card = read_card(file)
        if untrained is None:
            model = _build(card)
            load_weights(model, file)
        else:
            model = untrained.draw(lambda: _build(card))
    except ValueError as error:
        raise EncoderError(str(error)) from error
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
            raise EncoderError(f"'{name}': adapts to the images of a manifest; give the manifest")
        if not adapt_batch_norm(network, _batches(manifest, chosen, card.crop)):
            raise EncoderError(f"'{name}': has no batch normalisation to adapt")
    return Network(network, chosen)


def _batches(manifest: Manifest, channels: Sequence[str], size: int) -> Iterator[torch.Tensor]:
    """Yield standardised middles (B, C, h, w) of sites from all over a manifest, but for those that cannot be read."""
    rows = np.linspace(0, len(manifest) - 1, min(len(manifest), _ADAPT_SITES)).astype(int)
    crops: dict[tuple[int, ...], list[NDArray[Any]]] = {}
    for row in rows:
        with suppress(ImageError):
            site = read_site(manifest.images(row), manifest.names).select(channels)
            middle = Crop("centre", min(size, *site.pixels.shape[1:]))
            crops.setdefault(site.pixels.shape, []).append(cut(site.pixels, corners(site, middle), middle)[0])
    for alike in crops.values():
        for start in range(0, len(alike), _ADAPT_BATCH):
            yield self_standardise(torch.from_numpy(np.stack(alike[start : start + _ADAPT_BATCH])))
