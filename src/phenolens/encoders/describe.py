"""What the registry knows of an encoder, as the record that is carried with its vectors."""

from dataclasses import dataclass
from functools import cache

from phenolens.core.errors import EncoderError
from phenolens.encoders.base import Encoder, RowEncoder
from phenolens.encoders.info import EncoderInfo
from phenolens.encoders.names import EncoderName
from phenolens.encoders.registry import counterpart_of, find_encoder


@dataclass(frozen=True, eq=False)
class Named:
    """An encoder under a name that somebody gives it.

    Attributes
    ----------
    name
        What tables, sentences and files call it.
    model
        What it is made by, as `create_encoder` takes it; or the encoder itself, already made.
    """

    name: str
    model: str | Encoder | RowEncoder


@cache  # asked thousands of times, and an unknown name is compared with all others
def describe_encoder(model: str, name: str | None = None) -> EncoderInfo:
    """Return what is known of an encoder; what the registry does not know is under test, and gives vectors.

    Parameters
    ----------
    model
        What it is made by, seed included.
    name
        What it is called, without a seed; as it is made if None.
    """
    try:
        parsed = EncoderName.parse(model)
    except EncoderError:  # the name of a table that somebody brings
        return EncoderInfo(name or model, model)
    name = name or parsed.family
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
        counterpart_of(parsed.family),
        parsed.base if entry.role == "baseline" else "",
    )


def is_registered(name: str) -> bool:
    """Whether the registry knows an encoder of that name."""
    try:
        find_encoder(EncoderName.parse(name).base)
    except EncoderError:
        return False
    return True
