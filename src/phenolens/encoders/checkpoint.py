"""Checkpoints as encoders: networks that were trained here, and their random twins."""

from collections.abc import Sequence
from pathlib import Path

import torch

from phenolens.encoders.network import NetworkEncoder, Precision
from phenolens.errors import EncoderError, did_you_mean
from phenolens.nets import Card, Initialisation, Pool, build, embedder, initialise, is_agnostic, load_weights, read_card


def checkpoint(
    name: str,
    path: str,
    channels: Sequence[str],
    *,
    layer: int | None = None,
    pool: Pool = "mean",
    device: str = "cpu",
    precision: Precision = "fp32",
) -> NetworkEncoder:
    """Return a network that `train` has kept.

    A channel-agnostic network reads all channels of the images; any other those that it was trained on, by name.

    Parameters
    ----------
    path
        The .safetensors file, or the folder that holds ``model.safetensors``.
    layer, pool
        As in `NetworkEncoder`.

    Raises
    ------
    EncoderError
        If there is no checkpoint, it is damaged or of another kind, or there is no such layer.
    """
    file = Path(path) / "model.safetensors" if Path(path).is_dir() else Path(path)
    try:
        card = read_card(file)
        model = build(card.architecture, card.options, len(card.channels))
        load_weights(model, file)
    except ValueError as error:
        raise EncoderError(str(error)) from error
    return _encoder(name, model, card, channels, layer, pool, device, precision)


def twin(
    name: str,
    path: str,
    channels: Sequence[str],
    *,
    init: Initialisation = "own",
    seed: int = 0,
    layer: int | None = None,
    pool: Pool = "mean",
    device: str = "cpu",
    precision: Precision = "fp32",
) -> NetworkEncoder:
    """Return the random twin of a checkpoint: what its training started from, but for the seed.

    Parameters
    ----------
    path, layer, pool
        As in `checkpoint`.
    init
        As in `initialise`.

    Raises
    ------
    EncoderError
        If there is no checkpoint.
    """
    file = Path(path) / "model.safetensors" if Path(path).is_dir() else Path(path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            card = read_card(file)
            model = build(card.architecture, card.options, len(card.channels))
        except ValueError as error:
            raise EncoderError(str(error)) from error
        initialise(model, init)
    return _encoder(name, model, card, channels, layer, pool, device, precision)


def _encoder(
    name: str,
    model: torch.nn.Module,
    card: Card,
    channels: Sequence[str],
    layer: int | None,
    pool: Pool,
    device: str,
    precision: Precision,
) -> NetworkEncoder:
    agnostic = is_agnostic(model)
    for channel in () if agnostic else card.channels:
        if channel not in channels:
            raise EncoderError(f"'{name}' was trained on a channel '{channel}'{did_you_mean(channel, channels)}")
    return NetworkEncoder(
        name,
        embedder(model),
        channels if agnostic else card.channels,
        mixing="joint",
        input_size=None,
        layer=layer,
        pool=pool,
        device=device,
        precision=precision,
    )
