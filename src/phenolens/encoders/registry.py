"""Encoders by name: looked up lazily, so that listing them imports no network library."""

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from phenolens.encoders.base import Encoder
from phenolens.errors import EncoderError, did_you_mean

ENTRY_POINT_GROUP = "phenolens.encoders"

_RUNTIME = ("device", "precision")  # said once for a run, never as an option of one encoder


@dataclass(frozen=True)
class EncoderEntry:
    """What the registry knows of an encoder, or of a family of them, without importing it.

    Attributes
    ----------
    summary
        One line for a person.
    factory
        ``module:callable``, called with the name, for a prefix the rest of the name, the channels, and the
        options as keywords.
    baseline
        Whether models are held against it.
    network
        Whether it takes a device and a precision.
    seeded
        Whether it takes a seed, so that one of them is a single draw from a family.
    """

    summary: str
    factory: str
    baseline: bool = False
    network: bool = False
    seeded: bool = False


# A name that ends in a slash is a prefix: the rest of the encoder's name is the architecture.
_BUILT_IN = {
    "pixel-statistics": EncoderEntry(
        "intensity moments and quantiles of each channel",
        "phenolens.encoders.pixel_statistics:PixelStatistics",
        baseline=True,
    ),
    "cell-count": EncoderEntry(
        "number of nuclei and the area they cover", "phenolens.encoders.cell_count:CellCount", baseline=True
    ),
    "untrained/": EncoderEntry(
        "any timm architecture as initialised, e.g. vit_small_patch16, resnet18; @mixing=joint|concat,seed=N",
        "phenolens.encoders.network:untrained",
        baseline=True,
        network=True,
        seeded=True,
    ),
    "oracle/": EncoderEntry(
        "true factors of a phantom, to test the benchmark, e.g. oracle/density+texture@noise=0.3",
        "phenolens.encoders.oracle:refuse",
    ),
    "timm/": EncoderEntry(
        "any trained timm model; @weights=FILE.safetensors for a local file, @mixing=joint|concat",
        "phenolens.encoders.network:pretrained",
        network=True,
    ),
}


@dataclass(frozen=True)
class EncoderName:
    """An encoder's name taken apart: ``base@option=value,option=value``."""

    base: str
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, name: str) -> "EncoderName":
        """Take a name apart.

        Raises
        ------
        EncoderError
            If the options are not ``option=value`` pairs.
        """
        base, _, text = name.partition("@")
        options = tuple(tuple(part.split("=", 1)) for part in text.split(",")) if text else ()
        if any(len(option) != 2 or not all(option) for option in options):
            raise EncoderError(f"'{name}': options are written NAME@option=value,option=value")
        return cls(base, cast("tuple[tuple[str, str], ...]", options))

    def __str__(self) -> str:
        options = ",".join(f"{key}={value}" for key, value in self.options)
        return f"{self.base}@{options}" if options else self.base

    @property
    def family(self) -> str:
        """The name without its seed: what the seeds of one untrained network have in common."""
        return str(EncoderName(self.base, tuple(o for o in self.options if o[0] != "seed")))

    @property
    def slug(self) -> str:
        """The name as a file name."""
        return re.sub(r"[^A-Za-z0-9._=-]+", "-", str(self))

    def seeds(self, n: int) -> list["EncoderName"]:
        """Return this encoder with seeds 0 to n - 1; itself alone if it has a seed or takes none."""
        if not find_encoder(self.base)[1].seeded or "seed" in dict(self.options):
            return [self]
        return [EncoderName(self.base, (*self.options, ("seed", str(seed)))) for seed in range(n)]


def list_encoders() -> dict[str, EncoderEntry]:
    """Return every encoder and prefix by name, those of installed plug-ins included."""
    plugins = {
        point.name: EncoderEntry(f"from {point.dist.name if point.dist else 'a plug-in'}", point.value)
        for point in entry_points(group=ENTRY_POINT_GROUP)
    }
    return {**plugins, **_BUILT_IN}


def find_encoder(base: str) -> tuple[str, EncoderEntry]:
    """Return the key and entry of an encoder's name without options.

    Raises
    ------
    EncoderError
        If there is none, with the nearest name.
    """
    known = list_encoders()
    for key, entry in known.items():
        is_prefix = key.endswith("/")
        if (is_prefix and base.startswith(key) and base != key) or (base == key and not is_prefix):
            return key, entry
    raise EncoderError(f"no encoder '{base}'{did_you_mean(base, known)}")


def is_baseline(name: str) -> bool:
    """Whether a name is that of a baseline; names that the registry does not know are not."""
    try:
        return find_encoder(EncoderName.parse(name).base)[1].baseline
    except EncoderError:
        return False


def create_encoder(name: str, channels: Sequence[str], *, device: str = "cpu", precision: str = "fp32") -> Encoder:
    """Make an encoder for images of the given channels.

    Parameters
    ----------
    name
        ``base@option=value,...``, e.g. ``untrained/resnet18@mixing=concat,seed=1``.
    channels
        The channels of the images.
    device, precision
        Where networks run, and whether in fp32 or bf16.

    Raises
    ------
    EncoderError
        If the name or an option is unknown, or the encoder cannot take these channels.

    Examples
    --------
    >>> create_encoder("pixel-statistics", ["dna"]).dim
    11
    """
    parsed = EncoderName.parse(name)
    key, entry = find_encoder(parsed.base)
    module, _, attribute = entry.factory.partition(":")
    factory: Any = getattr(import_module(module), attribute)
    architecture = [parsed.base.removeprefix(key)] if key.endswith("/") else []
    runtime = dict(zip(_RUNTIME, (device, precision), strict=True)) if entry.network else {}
    options = _typed_options(factory, parsed)
    return cast("Encoder", factory(name, *architecture, tuple(channels), **options, **runtime))


def _typed_options(factory: Any, name: EncoderName) -> dict[str, Any]:
    """Return the options of a name as the types that the factory's keywords declare."""
    keywords = {
        key: parameter.annotation
        for key, parameter in inspect.signature(factory, eval_str=True).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and key not in _RUNTIME
    }
    options = {}
    for key, text in name.options:
        if key not in keywords:
            raise EncoderError(f"'{name}': no option '{key}'{did_you_mean(key, keywords)}")
        try:
            options[key] = TypeAdapter(keywords[key]).validate_strings(text)
        except ValidationError as error:
            raise EncoderError(f"'{name}': option '{key}': {error.errors()[0]['msg'].lower()}") from error
    return options


def default_baselines(n_channels: int) -> list[str]:
    """Return the baselines that every claim is held against, without their seeds.

    With a single channel, mixing the channels and keeping them apart are the same, and stand once.
    """
    mixings = ["joint", "concat"] if n_channels > 1 else ["joint"]
    networks = ("vit_small_patch16", "resnet18")
    return [
        "pixel-statistics",
        "cell-count",
        *(f"untrained/{network}@mixing={mixing}" for network in networks for mixing in mixings),
    ]
