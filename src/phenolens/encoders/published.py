"""Published channel-agnostic autoencoders: OpenPhenom's layout, from the hub or from a local file."""

from collections.abc import Sequence
from pathlib import Path

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from phenolens.encoders.network import NetworkEncoder, Precision, read_weights
from phenolens.errors import EncoderError
from phenolens.nets import SIZES, Initialisation, MicroscopyViT, Pool, initialise

_FILE = "model.safetensors"
_ENCODER = "encoder.vit_backbone."
_POSITIONS = "pos_embed"


def openphenom(
    name: str,
    repository: str,
    channels: Sequence[str],
    *,
    weights: str | None = None,
    layer: int | None = None,
    pool: Pool = "mean",
    device: str = "cpu",
    precision: Precision = "fp32",
) -> NetworkEncoder:
    """Return a network of OpenPhenom's published layout (Kraus et al., CVPR 2024; ViT-S/16, 384 numbers).

    It reads any channels. Of the file only the encoder is read; its fixed positions are made anew, for images of any
    size that its patches divide.

    Parameters
    ----------
    repository
        Of the hub, such as ``recursionpharma/OpenPhenom``.
    weights
        A local .safetensors file of that layout; the hub's if None.
    layer, pool
        As in `NetworkEncoder`.

    Raises
    ------
    EncoderError
        If the weights cannot be had, or are of another layout.
    """
    if weights is None:
        try:
            weights = hf_hub_download(repository, _FILE)
        except (OSError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
            reason = str(error).splitlines()[0]
            raise EncoderError(
                f"'{name}': the weights cannot be had ({reason}); check the network, or give a local file: "
                f"hf/{repository}@weights=FILE.safetensors"
            ) from error
    state = {
        key.removeprefix(_ENCODER): value
        for key, value in read_weights(Path(weights)).items()
        if key.startswith(_ENCODER) and key != _ENCODER + _POSITIONS
    }
    model = MicroscopyViT(SIZES["small_patch16"], None)
    expected = model.backbone.state_dict()
    for key in sorted({*expected, *state}):
        if key not in state or key not in expected or state[key].shape != expected[key].shape:
            raise EncoderError(
                f"{weights}: is no ViT-S/16 of OpenPhenom's layout: tensor '{_ENCODER}{key}' is missing, unknown or of "
                "another shape"
            )
    model.backbone.load_state_dict(state)
    return _encoder(name, model, channels, layer, pool, device, precision)


def twin(
    name: str,
    repository: str,
    channels: Sequence[str],
    *,
    init: Initialisation = "own",
    seed: int = 0,
    layer: int | None = None,
    pool: Pool = "mean",
    device: str = "cpu",
    precision: Precision = "fp32",
) -> NetworkEncoder:
    """Return the random twin of `openphenom`, with weights from a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = MicroscopyViT(SIZES["small_patch16"], None)
        initialise(model, init)
    return _encoder(name, model, channels, layer, pool, device, precision)


def _encoder(
    name: str,
    model: MicroscopyViT,
    channels: Sequence[str],
    layer: int | None,
    pool: Pool,
    device: str,
    precision: Precision,
) -> NetworkEncoder:
    return NetworkEncoder(
        name,
        model,
        channels,
        mixing="joint",
        input_size=None,
        layer=layer,
        pool=pool,
        device=device,
        precision=precision,
    )
