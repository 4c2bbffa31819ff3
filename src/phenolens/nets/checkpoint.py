"""Checkpoints of trained networks: weights as safetensors with a card that describes them, without pickles."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

_CARD = "card"  # the entry of the card in the metadata of the file
_LONGEST_CARD = 2**20  # characters
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Card:
    """The description of a checkpoint.

    Attributes
    ----------
    architecture
        The kind of network, e.g. ``masked-autoencoder``.
    options
        The options from which the network can be built again.
    channels
        The channels that it was trained on, in order.
    steps
        The number of training steps.
    crop
        The side in pixels of the crops that it was trained on.
    recipe
        The recipe, as YAML.
    data_hash
        The fingerprint of the manifest that it was trained on.
    licence
        The licence of the weights; empty if unknown.
    version
        The format version.
    """

    architecture: str
    options: dict[str, Any]
    channels: tuple[str, ...]
    steps: int
    crop: int
    recipe: str = ""
    data_hash: str = ""
    licence: str = ""
    version: int = field(default=FORMAT_VERSION)


def save_checkpoint(weights: Mapping[str, torch.Tensor], card: Card, path: Path) -> None:
    """Write weights and card to one .safetensors file, atomically: if it fails, an earlier file stays."""
    part = path.with_suffix(".part")
    weights = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    try:
        save_file(weights, part, metadata={_CARD: json.dumps(asdict(card))})
        with part.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def read_card(path: Path) -> Card:
    """Return the card of a checkpoint.

    Raises
    ------
    ValueError
        If the file is not a checkpoint of Phenolens; the reason in one line.
    """
    if path.suffix != ".safetensors":
        raise ValueError(f"{path}: checkpoints are .safetensors, since pickles can run code; convert the file")
    if not path.is_file():
        raise ValueError(f"no checkpoint at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {})[_CARD]
        if len(text) > _LONGEST_CARD:
            raise ValueError(f"{path}: the card of its weights is too long; give a checkpoint of `phenolens train`")
        fields = json.loads(text)
        card = Card(**{**fields, "channels": tuple(fields["channels"])})
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: is not a safetensors file: {error}") from error
    except (KeyError, TypeError, RecursionError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: has no card of its weights; give a checkpoint of `phenolens train`") from error
    if card.version != FORMAT_VERSION:
        raise ValueError(f"{path}: has format version {card.version}, this version reads {FORMAT_VERSION}")
    if wrong := _wrong_field(card):
        raise ValueError(f"{path}: the card of its weights has {wrong}; give a checkpoint of `phenolens train`")
    return card


def _wrong_field(card: Card) -> str:
    """Return the first field of a card that is not of its kind, in words; empty if there is none."""
    if not isinstance(card.architecture, str):
        return "an architecture that is no text"
    if not isinstance(card.options, dict):
        return "options that are not named"
    if not card.channels or not all(isinstance(name, str) and name for name in card.channels):
        return "channels without names"
    if not isinstance(card.crop, int) or card.crop < 1:
        return "a crop that is no number of pixels"
    return ""


def check_tensors(
    path: Path,
    expected: Mapping[str, Sequence[int]],
    found: Mapping[str, Sequence[int]],
    network: str,
    not_read: Sequence[str] = (),
) -> None:
    """Refuse weights unless every tensor of the file is one of the network, of the same shape, and vice versa.

    Parameters
    ----------
    path
        The file, for messages.
    expected, found
        The shapes of the tensors of the network and of the file, by name.
    network
        The network in words, for messages.
    not_read
        The beginnings of the names of tensors that a file may hold besides, which are not read.

    Raises
    ------
    ValueError
        If the tensors do not match; the message names the first mismatch.
    """
    for name in sorted({*expected, *found}):
        if name not in found:
            reason = "is missing"
        elif name not in expected:
            reason = "" if name.startswith(tuple(not_read)) else "is no part of it"
        else:
            same = tuple(found[name]) == tuple(expected[name])
            reason = "" if same else f"is {tuple(found[name])}, not {tuple(expected[name])}"
        if reason:
            raise ValueError(f"{path}: does not hold weights of {network}: tensor '{name}' {reason}; give its own file")


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the tensors of a .safetensors file from its header."""
    with safe_open(path, framework="pt") as file:
        names = list(file.keys())
        return {name: tuple(file.get_slice(name).get_shape()) for name in names}


def load_weights(model: nn.Module, path: Path) -> None:
    """Load the weights of a checkpoint into a network of the same architecture.

    Raises
    ------
    ValueError
        If the weights are those of another network; the message names the first mismatch.
    """
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    check_tensors(path, expected, tensor_shapes(path), f"this {type(model).__name__}")
    model.load_state_dict(load_file(path))
