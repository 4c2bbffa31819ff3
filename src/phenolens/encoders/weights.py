"""Weights from files of strangers."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from phenolens.errors import EncoderError


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a .safetensors file.

    Raises
    ------
    EncoderError
        If it is a file of another kind, is not there, or is damaged.
    """
    if path.suffix != ".safetensors":
        raise EncoderError(
            f"{path}: weights are read from .safetensors alone, since pickles can run code; convert the file"
        )
    if not path.is_file():
        raise EncoderError(f"no weights at {path}")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise EncoderError(f"{path}: is not a safetensors file: {error}") from error
