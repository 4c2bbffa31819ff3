"""Trained networks on disk: weights as safetensors, and a card that says what they are. No pickles."""

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

_CARD = "card"  # the entry of the file's metadata that holds the card
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Card:
    """What a checkpoint holds.

    Attributes
    ----------
    architecture
        The kind of network, e.g. ``masked-autoencoder``.
    options
        What it was made with, so that it can be made again.
    channels
        The channels that it was trained on, in order.
    steps
        How many steps it was trained for.
    crop
        The side in pixels of the crops that it was trained on.
    recipe
        The recipe, as YAML.
    data_hash
        The fingerprint of the manifest that it was trained on.
    licence
        Under which it may be used; empty if nobody has said.
    version
        Of this format.
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
    """Write weights and card to one .safetensors file, whole or not at all: a full disk leaves what was there."""
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
        If the file is no checkpoint of ours; one line that says why.
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
        raise ValueError(f"{path}: has no card that says what its weights are; was it written by `train`?") from error
    if card.version != FORMAT_VERSION:
        raise ValueError(f"{path}: has format version {card.version}, this version reads {FORMAT_VERSION}")
    return card


def load_weights(model: nn.Module, path: Path) -> None:
    """Load the weights of a checkpoint into a network of the same architecture.

    Raises
    ------
    ValueError
        If the weights are those of another network; the message names the first that does not fit.
    """
    with safe_open(path, framework="pt") as file:
        weights: dict[str, torch.Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    own = model.state_dict()
    for name in sorted({*own, *weights}):
        if name not in weights or name not in own:
            where = "has no" if name not in weights else "has a"
            raise ValueError(f"{path}: {where} weight '{name}'; it is a checkpoint of another architecture")
        if own[name].shape != weights[name].shape:
            raise ValueError(
                f"{path}: weight '{name}' is {tuple(weights[name].shape)}, not {tuple(own[name].shape)}; it is a "
                "checkpoint of another size"
            )
    model.load_state_dict(weights)
