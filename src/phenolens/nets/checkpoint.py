"""Checkpoints of trained networks: weights as safetensors with a card that describes them, without pickles."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

_CARD = "card"  # the entry of the card in the metadata of the file
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
            metadata = file.metadata() or {}
        fields = json.loads(metadata[_CARD])
        card = Card(**{**fields, "channels": tuple(fields["channels"])})
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: is not a safetensors file: {error}") from error
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: has no card of its weights; give a checkpoint of `phenolens train`") from error
    if card.version != FORMAT_VERSION:
        raise ValueError(f"{path}: has format version {card.version}, this version reads {FORMAT_VERSION}")
    return card


def load_weights(model: nn.Module, path: Path) -> None:
    """Load the weights of a checkpoint into a network of the same architecture.

    Raises
    ------
    ValueError
        If the weights are those of another network; the message names the first mismatch.
    """
    with safe_open(path, framework="pt") as file:
        weights: dict[str, torch.Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    expected = model.state_dict()
    for name in sorted({*expected, *weights}):
        if name not in weights or name not in expected:
            where = "has no" if name not in weights else "has a"
            raise ValueError(f"{path}: {where} weight '{name}'; it is a checkpoint of another architecture")
        if expected[name].shape != weights[name].shape:
            raise ValueError(
                f"{path}: weight '{name}' is {tuple(weights[name].shape)}, not {tuple(expected[name].shape)}; it is a "
                "checkpoint of another size"
            )
    model.load_state_dict(weights)
