"""Creation of encoders by name, with their descriptions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from phenolens.core.errors import EncoderError
from phenolens.datasets import Manifest
from phenolens.encoders import Encoder, EncoderInfo, Named, RowEncoder, create_encoder, describe_encoder

if TYPE_CHECKING:
    from phenolens.encoders.own import OwnModel


@dataclass(frozen=True, eq=False)
class MadeEncoder:
    """An encoder that has been created, and its description."""

    info: EncoderInfo
    encoder: Encoder | RowEncoder


EncoderLike: TypeAlias = "str | Encoder | RowEncoder | Named | MadeEncoder | OwnModel"
"""An encoder, or a name or a model from which it can be created."""


def make_encoders(
    encoders: Sequence[EncoderLike],
    channels: Sequence[str],
    *,
    manifest: Manifest,
    device: str,
    precision: str,
) -> list[MadeEncoder]:
    """Return the encoders, each once; a model of the user with its untrained counterpart.

    Raises
    ------
    EncoderError
        If one cannot be created, or two different encoders have the same name.
    """
    made: dict[str, MadeEncoder] = {}
    for each in _opened(encoders, channels, device, precision):
        name, model = (each.name, each.model) if isinstance(each, Named) else (None, each)
        info = _describe(model, name)
        if isinstance(each, Named) and each.under_test:
            info = info.under_test()
        earlier = made.get(info.id)
        if earlier is not None:
            if earlier.info == info and _may_be(model, earlier.encoder):
                continue
            raise EncoderError(
                f"both '{earlier.info.model}' and '{info.model}' are called '{info.id}'; rename one of them"
            )
        if isinstance(model, MadeEncoder):
            made[info.id] = model
        elif isinstance(model, str):
            encoder = create_encoder(model, channels, manifest=manifest, device=device, precision=precision)
            made[info.id] = MadeEncoder(info, encoder)
        else:
            made[info.id] = MadeEncoder(info, model)
    return list(made.values())


def _opened(
    encoders: Sequence[EncoderLike], channels: Sequence[str], device: str, precision: str
) -> Iterator[str | Encoder | RowEncoder | Named | MadeEncoder]:
    """Yield the encoders; models of the user as their encoders."""
    from phenolens.encoders.own import OwnModel

    for each in encoders:
        if isinstance(each, OwnModel):
            for info, made in each.create(channels, device, precision):
                yield MadeEncoder(info, made)
        else:
            yield each


def _may_be(model: str | Encoder | RowEncoder | MadeEncoder, earlier: Encoder | RowEncoder) -> bool:
    """Whether an encoder of the same description is the same: a name stands for one, objects by their weights."""
    if isinstance(model, str):
        return True
    encoder = model.encoder if isinstance(model, MadeEncoder) else model
    return encoder.weights_hash == earlier.weights_hash


def _describe(model: str | Encoder | RowEncoder | MadeEncoder, name: str | None) -> EncoderInfo:
    if isinstance(model, MadeEncoder):
        return model.info
    return describe_encoder(model if isinstance(model, str) else model.name, name)
