"""Creation of encoders by name, with their descriptions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from phenolens.core.errors import EncoderError
from phenolens.datasets import Manifest
from phenolens.encoders import Encoder, EncoderInfo, Named, RowEncoder, create_encoder, describe_encoder


@dataclass(frozen=True, eq=False)
class MadeEncoder:
    """An encoder that has been created, and its description."""

    info: EncoderInfo
    encoder: Encoder | RowEncoder


EncoderLike = str | Encoder | RowEncoder | Named | MadeEncoder
"""An encoder, or a name by which it can be created."""


def make_encoders(
    encoders: Sequence[EncoderLike],
    channels: Sequence[str],
    *,
    manifest: Manifest,
    device: str,
    precision: str,
) -> list[MadeEncoder]:
    """Return the encoders, each once.

    Raises
    ------
    EncoderError
        If one cannot be created, or two different encoders have the same name.
    """
    made: dict[str, MadeEncoder] = {}
    for each in encoders:
        name, model = (each.name, each.model) if isinstance(each, Named) else (None, each)
        info = _describe(model, name)
        if isinstance(each, Named) and each.under_test:
            info = info.under_test()
        if info.id in made and made[info.id].info == info:
            continue
        if info.id in made:
            first = made[info.id].info.model
            raise EncoderError(f"both '{first}' and '{info.model}' are called '{info.id}'; rename one of them")
        if isinstance(model, MadeEncoder):
            made[info.id] = model
        elif isinstance(model, str):
            encoder = create_encoder(model, channels, manifest=manifest, device=device, precision=precision)
            made[info.id] = MadeEncoder(info, encoder)
        else:
            made[info.id] = MadeEncoder(info, model)
    return list(made.values())


def _describe(model: str | Encoder | RowEncoder | MadeEncoder, name: str | None) -> EncoderInfo:
    if isinstance(model, MadeEncoder):
        return model.info
    return describe_encoder(model if isinstance(model, str) else model.name, name)
