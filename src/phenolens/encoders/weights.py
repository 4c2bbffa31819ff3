"""Weights from local files and from the Hugging Face hub."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError
from safetensors.torch import load_file

from phenolens.core.errors import EncoderError, reason_of
from phenolens.nets import check_tensors

_FILE = "model.safetensors"


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a .safetensors file.

    Raises
    ------
    EncoderError
        If the file has another format, is missing, or is damaged.
    """
    if path.suffix != ".safetensors":
        raise EncoderError(
            f"{path}: weights are read only from .safetensors, since pickles can run code; convert the file"
        )
    if not path.is_file():
        raise EncoderError(f"no weights at {path}")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise EncoderError(f"{path}: is not a safetensors file: {error}") from error


def check_weights(
    path: Path,
    expected: Mapping[str, Sequence[int]],
    weights: Mapping[str, torch.Tensor],
    network: str,
    not_read: Sequence[str] = (),
) -> None:
    """Refuse weights whose tensors are not those of a network; see `phenolens.nets.check_tensors`.

    Raises
    ------
    EncoderError
        If any tensor is missing, unknown or of another shape.
    """
    try:
        check_tensors(path, expected, {name: value.shape for name, value in weights.items()}, network, not_read)
    except ValueError as error:
        raise EncoderError(str(error)) from error


def download_weights(name: str, repository: str, revision: str | None = None) -> Path:
    """Return the path of ``model.safetensors`` of a repository of the hub, downloaded if needed.

    Parameters
    ----------
    name
        The encoder's name, for messages.
    repository
        Such as ``recursionpharma/OpenPhenom``.
    revision
        A branch, tag or commit; the newest if None.

    Raises
    ------
    EncoderError
        If it cannot be obtained.
    """
    try:
        return Path(hf_hub_download(repository, _FILE, revision=revision))
    except (OSError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        reason = reason_of(error)
        raise EncoderError(
            f"'{name}': the weights cannot be obtained ({reason}); check the name and the network, or give a local file"
        ) from error
