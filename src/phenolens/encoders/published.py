"""OpenPhenom and networks of its published layout, from the hub or a local file."""

from collections.abc import Sequence
from pathlib import Path

from phenolens.encoders.network import Network, Untrained
from phenolens.encoders.weights import check_weights, download_weights, read_weights
from phenolens.nets import SIZES, MicroscopyViT

_ENCODER = "encoder.vit_backbone."
# The decoder of training, and positions, which are computed for the size of images.
_NOT_READ = ("decoder.", "decoder_pred.", "encoder_decoder_proj.", _ENCODER + "pos_embed")


def openphenom(
    name: str,
    repository: str,
    channels: Sequence[str],
    *,
    weights: str | None = None,
    untrained: Untrained | None = None,
) -> Network:
    """Return a network of OpenPhenom's published layout (Kraus et al., CVPR 2024; ViT-S/16, 384 numbers).

    It reads any channels. Only the encoder is read from the file; its fixed positions are computed for the size of
    images, which must be a multiple of the patch size.

    Parameters
    ----------
    repository
        A repository of the hub, such as ``recursionpharma/OpenPhenom``.
    weights
        A local .safetensors file of that layout; that of the hub if None.
    untrained
        How to draw the weights of the untrained counterpart; None for trained weights.

    Raises
    ------
    EncoderError
        If the weights cannot be obtained, or have another layout.
    """
    if untrained is not None:
        return Network(untrained.draw(_network), channels)
    file = download_weights(name, repository) if weights is None else Path(weights)
    state = read_weights(file)
    model = _network()
    expected = {_ENCODER + name: value.shape for name, value in model.backbone.state_dict().items()}
    check_weights(file, expected, state, "a ViT-S/16 of OpenPhenom's layout", _NOT_READ)
    model.backbone.load_state_dict({name.removeprefix(_ENCODER): state[name] for name in expected})
    return Network(model, channels)


def _network() -> MicroscopyViT:
    return MicroscopyViT(SIZES["small_patch16"], None)
