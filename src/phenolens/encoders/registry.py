"""Encoders by name: looked up lazily, so that listing them imports no network library."""

import inspect
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Literal, cast

from pydantic import TypeAdapter, ValidationError

from phenolens.core.errors import EncoderError, did_you_mean
from phenolens.datasets import Manifest
from phenolens.encoders.base import Encoder, RowEncoder
from phenolens.encoders.info import EncoderInfo, Role

ENTRY_POINT_GROUP = "phenolens.encoders"

_PREFIX_ENDS = ("/", ":")
_ORACLE = "oracle/"

_GIVEN = ("device", "precision", "manifest")  # said once for a run, never as an option of one encoder
_NETWORK_ENCODER = "phenolens.encoders.network:NetworkEncoder"

Form = Literal["vectors", "measurements", "quantities"]


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
    seeded
        Whether it takes a seed, so that one of them is a single draw from a family.
    network
        Whether the factory gives a `Network`, of which a layer may be chosen, instead of an encoder.
    twin
        The prefix under which its random twin is found: the same architecture and input path without what was learned;
        empty if it has none.
    form
        What its numbers are. ``vectors``: directions in one space, as networks give them. ``measurements``: numbers in
        unlike units, which are standardised before anything is made of them. ``quantities``: so few of these that a
        cosine would see but their signs, so that they are spread as well (`phenolens.profiling.spread`).
    """

    summary: str
    factory: str
    baseline: bool = False
    seeded: bool = False
    network: bool = False
    twin: str = ""
    form: Form = "vectors"


# A name that ends in a slash or a colon is a prefix: the rest of the encoder's name says which.
_BUILT_IN = {
    "pixel-statistics": EncoderEntry(
        "intensity moments and quantiles of each channel",
        "phenolens.encoders.pixel_statistics:PixelStatistics",
        baseline=True,
        form="measurements",
    ),
    "power-spectrum": EncoderEntry(
        "power of each channel in rings of spatial frequency",
        "phenolens.encoders.power_spectrum:PowerSpectrum",
        baseline=True,
        form="measurements",
    ),
    "metadata": EncoderEntry(
        "which batch, plate, slide and patient; @columns=a+b for others",
        "phenolens.encoders.rows:Metadata",
        baseline=True,
    ),
    "well-position": EncoderEntry(
        "row, column and distance to the edge of the plate",
        "phenolens.encoders.rows:WellPosition",
        baseline=True,
        form="quantities",
    ),
    "file-size": EncoderEntry(
        "size and bit depth of the image files",
        "phenolens.encoders.rows:FileSize",
        baseline=True,
        form="quantities",
    ),
    "cell-count": EncoderEntry(
        "number of nuclei", "phenolens.encoders.density:CellCount", baseline=True, form="quantities"
    ),
    "area-fraction": EncoderEntry(
        "share of the image that nuclei cover",
        "phenolens.encoders.density:AreaFraction",
        baseline=True,
        form="quantities",
    ),
    "classical-features": EncoderEntry(
        "CellProfiler's measurements of nuclei and cells, by cp_measure",
        "phenolens.encoders.classical:ClassicalFeatures",
        baseline=True,
        form="measurements",
    ),
    "cell-graph/": EncoderEntry(
        "how cells lie to each other, in nested steps: density, positions, morphology, composition, neighbourhoods",
        "phenolens.encoders.cell_graph:cell_graph",
        baseline=True,
        form="measurements",
    ),
    "cell-graph-network": EncoderEntry(
        "a small graph network over a table of cells; @training=none|masked,seed=N",
        "phenolens.encoders.cell_graph.network:GraphNetworkEncoder",
        baseline=True,
        seeded=True,
    ),
    "random-convolutions": EncoderEntry(
        "a bank of random kernels of many scales; @mixing=joint|concat,seed=N",
        "phenolens.encoders.timm_networks:random_convolutions",
        network=True,
        baseline=True,
        seeded=True,
    ),
    "untrained/": EncoderEntry(
        "any timm architecture, or channel_vit_small_patch16, untrained; "
        "@mixing=joint|concat,init=own|orthogonal|scaled,seed=N",
        "phenolens.encoders.timm_networks:untrained",
        network=True,
        baseline=True,
        seeded=True,
    ),
    "oracle/": EncoderEntry(
        "true factors of a phantom, to test the benchmark, e.g. oracle/density+texture@noise=0.3",
        "phenolens.simulation.oracle:Oracle",
    ),
    "timm/": EncoderEntry(
        "any trained timm model; @weights=FILE.safetensors for a local file, @mixing=joint|concat",
        "phenolens.encoders.timm_networks:pretrained",
        network=True,
        twin="twin/timm/",
    ),
    "hf/": EncoderEntry(
        "OpenPhenom's published layout, e.g. hf/recursionpharma/OpenPhenom; @weights=FILE.safetensors for a local file",
        "phenolens.encoders.published:openphenom",
        network=True,
        twin="twin/hf/",
    ),
    "twin/hf/": EncoderEntry(
        "the random twin of a network of OpenPhenom's layout",
        "phenolens.encoders.published:twin",
        network=True,
        baseline=True,
        seeded=True,
    ),
    "checkpoint:": EncoderEntry(
        "a network that `phenolens train` has kept, by its file or folder; @layer=N,pool=mean|class|channels",
        "phenolens.encoders.checkpoint:checkpoint",
        network=True,
        twin="twin/checkpoint:",
    ),
    "twin/checkpoint:": EncoderEntry(
        "the random twin of a checkpoint: what its training started from, but for the seed",
        "phenolens.encoders.checkpoint:twin",
        network=True,
        baseline=True,
        seeded=True,
    ),
    "twin/timm/": EncoderEntry(
        "the random twin of a trained timm model: same architecture and input path, weights from a seed",
        "phenolens.encoders.timm_networks:twin",
        network=True,
        baseline=True,
        seeded=True,
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
    return {**_plugins(), **_BUILT_IN}


@cache  # what is installed is read from the disk, and names are looked up thousands of times
def _plugins() -> dict[str, EncoderEntry]:
    return {
        point.name: EncoderEntry(f"from {point.dist.name if point.dist else 'a plug-in'}", point.value)
        for point in entry_points(group=ENTRY_POINT_GROUP)
    }


def find_encoder(base: str) -> tuple[str, EncoderEntry]:
    """Return the key and entry of an encoder's name without options.

    Raises
    ------
    EncoderError
        If there is none, with the nearest name.
    """
    known = list_encoders()
    for key, entry in known.items():
        is_prefix = key.endswith(_PREFIX_ENDS)
        if (is_prefix and base.startswith(key) and base != key) or (base == key and not is_prefix):
            return key, entry
    raise EncoderError(f"no encoder '{base}'{did_you_mean(base, known)}")


def twin_of(name: str) -> str | None:
    """Return the name of an encoder's random twin, without a seed; None if it has none."""
    parsed = EncoderName.parse(name)
    key, entry = find_encoder(parsed.base)
    if not entry.twin:
        return None
    options = tuple(option for option in parsed.options if option[0] != "weights")
    return str(EncoderName(entry.twin + parsed.base.removeprefix(key), options))


def describe_encoder(model: str, name: str | None = None) -> EncoderInfo:
    """Return what is known of an encoder by the name of its model.

    Parameters
    ----------
    model
        As `create_encoder` takes it; what the registry does not know, such as a table of vectors, is under test.
    name
        What to call it; its model without the seed if None.
    """
    try:
        parsed = EncoderName.parse(model)
        entry = find_encoder(parsed.base)[1]
    except EncoderError:
        return EncoderInfo(name or model, model)
    seed = dict(parsed.options).get("seed", "")
    return EncoderInfo(
        name or parsed.family,
        model,
        int(seed) if seed.isdecimal() else None,
        _role(parsed.base, entry),
        entry.form,
        twin_of(parsed.family) or "",
    )


def _role(base: str, entry: EncoderEntry) -> Role:
    if base.startswith(_ORACLE):
        return "oracle"
    if not entry.baseline:
        return "tested"
    return "untrained" if entry.network else "baseline"


def form_of(name: str) -> Form:
    """Return what an encoder's numbers are; vectors, where the registry does not know the name."""
    try:
        return find_encoder(EncoderName.parse(name).base)[1].form
    except EncoderError:
        return "vectors"


def is_baseline(name: str) -> bool:
    """Whether a name is that of a baseline; names that the registry does not know are not."""
    try:
        return find_encoder(EncoderName.parse(name).base)[1].baseline
    except EncoderError:
        return False


def is_untrained(name: str) -> bool:
    """Whether a name is that of a network with random weights."""
    return is_baseline(name) and find_encoder(EncoderName.parse(name).base)[1].network


def create_encoder(
    name: str,
    channels: Sequence[str],
    *,
    manifest: Manifest | None = None,
    device: str = "cpu",
    precision: str = "fp32",
) -> Encoder | RowEncoder:
    """Make an encoder for the images and the manifest of a data set.

    Parameters
    ----------
    name
        ``base@option=value,...``, e.g. ``untrained/resnet18@mixing=concat,seed=1``.
    channels
        The channels of the images; none if there are no images.
    manifest
        The sites, for encoders that read what it says of them.
    device, precision
        Where networks run, and whether in fp32 or bf16.

    Raises
    ------
    EncoderError
        If the name or an option is unknown, or the encoder cannot be had for these data.

    Examples
    --------
    >>> create_encoder("pixel-statistics", ["dna"]).dim
    11
    """
    parsed = EncoderName.parse(name)
    key, entry = find_encoder(parsed.base)
    factory = _import(entry.factory)
    encode = _import(_NETWORK_ENCODER) if entry.network else None
    own, of_encoder = _keywords(factory), _keywords(encode) if encode else {}
    options = _typed_options({**of_encoder, **own}, parsed)
    if "manifest" in own and own["manifest"].default is inspect.Parameter.empty and manifest is None:
        raise EncoderError(f"'{name}' reads what a manifest says of sites, not their images; give the manifest")
    if not channels and (entry.network or "manifest" not in own):
        raise EncoderError(f"'{name}' reads images, and there are none")
    options |= zip(_GIVEN, (device, precision, manifest), strict=True)
    rest = [parsed.base.removeprefix(key)] if key.endswith(_PREFIX_ENDS) else []
    made = factory(name, *rest, tuple(channels), **_among(options, own))
    return cast("Encoder | RowEncoder", encode(name, made, **_among(options, of_encoder)) if encode else made)


def _among(options: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key in known}


def _import(path: str) -> Any:
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)


def _keywords(factory: Any) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(factory, eval_str=True).parameters
    return {key: value for key, value in parameters.items() if value.kind is value.KEYWORD_ONLY}


def _typed_options(parameters: Mapping[str, inspect.Parameter], name: EncoderName) -> dict[str, Any]:
    """Return the options of a name as the types that keywords declare."""
    keywords = {key: parameter.annotation for key, parameter in parameters.items() if key not in _GIVEN}
    options = {}
    for key, text in name.options:
        if key not in keywords:
            raise EncoderError(f"'{name}': no option '{key}'{did_you_mean(key, keywords)}")
        try:
            options[key] = TypeAdapter(keywords[key]).validate_strings(text)
        except ValidationError as error:
            raise EncoderError(f"'{name}': option '{key}': {error.errors()[0]['msg'].lower()}") from error
    return options
