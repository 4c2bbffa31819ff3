"""Networks of timm, trained and untrained, and a bank of random convolution kernels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from torch import nn

from phenolens.core.errors import EncoderError, did_you_mean, reason_of
from phenolens.encoders.network import Mixing, Network, Untrained, in_channels
from phenolens.encoders.weights import check_weights, read_weights
from phenolens.images import RGB
from phenolens.nets import SIZES, Initialisation, MicroscopyViT, RandomConvolutions, draw

_UNTRAINED_SIZE = 256
_CHANNEL_VITS = {f"channel_vit_{name}": size for name, size in SIZES.items()}


def untrained(
    name: str,
    architecture: str,
    channels: Sequence[str],
    *,
    mixing: Mixing = "joint",
    init: Initialisation = "own",
    seed: int = 0,
) -> Network:
    """Return a network with weights drawn from a seed.

    Parameters
    ----------
    architecture
        A timm architecture; `vit_small_patch16` is short for `vit_small_patch16_224`. Vision transformers are built for
        256-pixel images. Or a channel-agnostic architecture such as `channel_vit_small_patch16`, whose tokens are
        patches of single channels.
    init
        As in `initialise`.

    Raises
    ------
    EncoderError
        If there is no such architecture.
    """
    if architecture in _CHANNEL_VITS:
        if mixing == "concat":
            raise EncoderError(f"'{name}': a channel-agnostic network reads all channels jointly; leave out mixing")
        model = draw(lambda: MicroscopyViT(_CHANNEL_VITS[architecture], None), seed, init)
        return Network(model, channels, input_size=_UNTRAINED_SIZE)
    known = _known_architecture(architecture)
    config = timm.get_pretrained_cfg(known)
    size = _UNTRAINED_SIZE if config is not None and config.fixed_input_size else None
    sized: dict[str, Any] = {} if size is None else {"img_size": size}
    return Network(draw(lambda: _create(known, mixing, channels, **sized), seed, init), channels, mixing, size)


def random_convolutions(
    name: str,
    channels: Sequence[str],
    *,
    mixing: Mixing = "concat",
    seed: int = 0,
) -> Network:
    """Return a bank of random kernels; see `RandomConvolutions`."""
    return Network(draw(lambda: RandomConvolutions(in_channels(mixing, channels)), seed), channels, mixing)


def pretrained(
    name: str,
    architecture: str,
    channels: Sequence[str],
    *,
    mixing: Mixing | None = None,
    weights: str | None = None,
    untrained: Untrained | None = None,
) -> Network:
    """Return a trained timm network, with weights from the hub or from a local file; or its untrained counterpart.

    Images with channels red, green and blue are normalised with the model's statistics and read jointly. Other images
    are standardised one by one, and read one channel at a time unless `mixing` says otherwise: weights trained on
    colour have no place for other channels.

    Parameters
    ----------
    architecture
        A timm model name, with or without a tag.
    weights
        A .safetensors file; the weights of the hub if None.
    untrained
        How to draw the weights of the untrained counterpart; None for trained weights.

    Raises
    ------
    EncoderError
        If there is no such model, or its weights cannot be obtained or do not fit.
    """
    architecture = _known_architecture(architecture)
    mixing = mixing or ("joint" if tuple(channels) == RGB else "concat")
    if untrained is not None:
        return _as_trained(untrained.draw(lambda: _create(architecture, mixing, channels)), channels, mixing)
    state = None if weights is None else _read_own(Path(weights), architecture, in_channels(mixing, channels))
    try:
        overlay = None if state is None else {"state_dict": dict(state)}
        model = _create(architecture, mixing, channels, pretrained=True, pretrained_cfg_overlay=overlay)
    except (OSError, RuntimeError, ValueError) as error:
        reason = reason_of(error)
        raise EncoderError(
            f"{name}: the weights cannot be obtained ({reason}); check the network, or give a local file: "
            f"timm/{architecture}@weights=FILE.safetensors"
        ) from error
    return _as_trained(model, channels, mixing)


def _read_own(path: Path, architecture: str, channels: int) -> dict[str, torch.Tensor]:
    """Return the weights of a file if they are those of the architecture, with any classifier or none.

    timm itself leaves out what does not fit. It reads weights of colour images for any number of channels, and those of
    one channel for one.
    """
    state = read_weights(path)
    config = timm.get_pretrained_cfg(architecture)
    first = state.get(f"{config.first_conv}.weight") if config is not None else None
    gray = channels == 1 and first is not None and first.ndim > 1 and first.shape[1] == 1
    with torch.device("meta"):
        body = timm.create_model(architecture, num_classes=0, in_chans=1 if gray else 3).state_dict()
        whole = timm.create_model(architecture, in_chans=1 if gray else 3).state_dict()
    shapes = {name: value.shape for name, value in body.items()}
    classifier = [name for name in whole if name not in body]
    check_weights(path, shapes, state, f"timm's {architecture}", classifier)
    return state


def _as_trained(model: nn.Module, channels: Sequence[str], mixing: Mixing) -> Network:
    """Return a network with the input size of a trained model and, for colour images read jointly, its statistics."""
    config: dict[str, Any] = model.pretrained_cfg  # type: ignore[assignment]
    jointly_rgb = tuple(channels) == RGB and mixing == "joint"
    mean, sd = (config["mean"], config["std"]) if jointly_rgb else (None, None)
    return Network(model, channels, mixing, config["input_size"][-1], mean, sd)


def _create(architecture: str, mixing: Mixing, channels: Sequence[str], **options: Any) -> nn.Module:
    return timm.create_model(architecture, num_classes=0, in_chans=in_channels(mixing, channels), **options)


def _known_architecture(architecture: str) -> str:
    for candidate in (architecture, f"{architecture}_224"):
        if timm.is_model(candidate):
            return candidate
    known = [*_CHANNEL_VITS, *timm.list_models()]
    raise EncoderError(f"timm has no model '{architecture}'{did_you_mean(architecture, known)}")
