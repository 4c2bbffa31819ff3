"""Checkpoints as encoders: networks that were trained here, and their random twins."""

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from phenolens.encoders.network import Network
from phenolens.encoders.weights import download_weights
from phenolens.errors import EncoderError, did_you_mean
from phenolens.nets import Card, Initialisation, build, draw, embedder, is_agnostic, load_weights, read_card

_HUB = "hf/"


def checkpoint(name: str, path: str, channels: Sequence[str], *, revision: str | None = None) -> Network:
    """Return a network that `train` has kept.

    A channel-agnostic network reads all channels of the images; any other those that it was trained on, by name.

    Parameters
    ----------
    path
        The .safetensors file, the folder that holds ``model.safetensors``, or ``hf/OWNER/NAME`` of the hub.
    revision
        Of the hub's repository: a branch, tag or commit.

    Raises
    ------
    EncoderError
        If there is no checkpoint, it is damaged or of another kind, or the images lack a channel.
    """
    file = _file(name, path, revision)
    try:
        card = read_card(file)
        model = build(card.architecture, card.options, len(card.channels))
        load_weights(model, file)
    except ValueError as error:
        raise EncoderError(str(error)) from error
    return _network(name, model, card, channels)


def twin(
    name: str,
    path: str,
    channels: Sequence[str],
    *,
    revision: str | None = None,
    init: Initialisation = "own",
    seed: int = 0,
) -> Network:
    """Return the random twin of a checkpoint: what its training started from, but for the seed.

    Parameters
    ----------
    path, revision
        As in `checkpoint`.
    init
        As in `initialise`.

    Raises
    ------
    EncoderError
        If there is no checkpoint, or the images lack a channel.
    """
    try:
        card = read_card(_file(name, path, revision))
        model = draw(lambda: build(card.architecture, card.options, len(card.channels)), seed, init)
    except ValueError as error:
        raise EncoderError(str(error)) from error
    return _network(name, model, card, channels)


def _file(name: str, path: str, revision: str | None) -> Path:
    if path.startswith(_HUB) and not Path(path).exists():
        return download_weights(name, path.removeprefix(_HUB), revision)
    return Path(path) / "model.safetensors" if Path(path).is_dir() else Path(path)


def _network(name: str, model: nn.Module, card: Card, channels: Sequence[str]) -> Network:
    if is_agnostic(model):
        return Network(embedder(model), channels)
    for channel in card.channels:
        if channel not in channels:
            raise EncoderError(f"'{name}' was trained on a channel '{channel}'{did_you_mean(channel, channels)}")
    return Network(embedder(model), card.channels)
