"""Descriptions of encoders from the registry."""

from dataclasses import dataclass
from functools import cache

from phenolens.core.errors import EncoderError
from phenolens.encoders.base import Encoder, RowEncoder
from phenolens.encoders.info import EncoderInfo
from phenolens.encoders.names import EncoderName
from phenolens.encoders.registry import counterpart_of, find_encoder


@dataclass(frozen=True, eq=False)
class Named:
    """An encoder under a name that the user has given it.

    Attributes
    ----------
    name
        Its name in tables, sentences and files.
    model
        The name that `create_encoder` takes, or an encoder.
    under_test
        Whether it is under test whatever it is, as a baseline is that a recipe lists among its encoders.
    """

    name: str
    model: str | Encoder | RowEncoder
    under_test: bool = False


@cache  # called thousands of times, and an unknown name is compared with all known ones
def describe_encoder(model: str, name: str | None = None) -> EncoderInfo:
    """Return the description of an encoder; those not in the registry are under test and give vectors.

    Parameters
    ----------
    model
        The name that `create_encoder` takes, including the seed.
    name
        Its name in tables, without a seed; if None, the name of the model without folders.
    """
    try:
        parsed = EncoderName.parse(model)
    except EncoderError:  # the name of a user's table
        return EncoderInfo(name or model, model)
    name = name or parsed.short
    try:
        entry = find_encoder(parsed.base)[1]
    except EncoderError:
        return EncoderInfo(name, model, parsed.seed)
    return EncoderInfo(
        name,
        model,
        parsed.seed,
        entry.role,
        entry.feature_type,
        EncoderName.parse(counterpart_of(model)).short,
        parsed.base if entry.role == "baseline" else "",
    )


def is_registered(name: str) -> bool:
    """Whether the registry has an encoder of that name."""
    try:
        find_encoder(EncoderName.parse(name).base)
    except EncoderError:
        return False
    return True
