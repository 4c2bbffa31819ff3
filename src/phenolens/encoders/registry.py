"""Encoders by name, imported lazily, so that listing them imports no network library."""

import inspect
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import EntryPoint
from operator import attrgetter
from typing import Any, cast, get_args

from pydantic import TypeAdapter, ValidationError

from phenolens.core.errors import EncoderError, did_you_mean
from phenolens.core.plugins import Registry, package_of
from phenolens.datasets import Manifest
from phenolens.encoders.base import Encoder, RowEncoder
from phenolens.encoders.info import FeatureType, Role
from phenolens.encoders.names import EncoderName

COUNTERPART = "twin/"
"""Prefix of the name of a trained network that names its untrained counterpart."""

_PREFIX_ENDS = ("/", ":")

# Parameters of factories that are set for a whole run or by a prefix, and cannot be options of an encoder.
_GIVEN = ("device", "precision", "manifest", "untrained")
_WEIGHTS = "weights"  # option of networks that names a file; untrained counterparts do not have it
_NETWORK_ENCODER = "phenolens.encoders.network:NetworkEncoder"
_UNTRAINED = "phenolens.encoders.network:Untrained"


@dataclass(frozen=True)
class EncoderEntry:
    """The entry of an encoder in the registry, or of all encoders with a prefix, known without importing them.

    Attributes
    ----------
    summary
        One line for users.
    factory
        ``module:callable``, called with the name, the rest of the name after a prefix, the channels, and the options as
        keywords.
    role
        Its role in comparisons; see `EncoderInfo`.
    seeded
        Whether it takes a seed, of which several are drawn.
    network
        Whether the factory returns a `Network`, of which a layer can be chosen, instead of an encoder.
    counterpart
        Whether the factory takes `untrained` (`phenolens.encoders.network.Untrained`) and then returns the untrained
        counterpart of its network, which ``twin/NAME`` names.
    feature_type
        The type of its features; see `EncoderInfo`.
    """

    summary: str
    factory: str
    role: Role = "tested"
    seeded: bool = False
    network: bool = False
    counterpart: bool = False
    feature_type: FeatureType = "vectors"

    @property
    def is_baseline(self) -> bool:
        """Whether encoders under test are compared with it."""
        return self.role in ("baseline", "untrained")


# A name that ends in a slash or a colon is a prefix; the rest of an encoder's name says which encoder it is.
_BUILT_IN = {
    "pixel-statistics": EncoderEntry(
        "intensity moments and quantiles of each channel",
        "phenolens.encoders.pixel_statistics:PixelStatistics",
        role="baseline",
        feature_type="measurements",
    ),
    "power-spectrum": EncoderEntry(
        "power of each channel in rings of spatial frequency",
        "phenolens.encoders.power_spectrum:PowerSpectrum",
        role="baseline",
        feature_type="measurements",
    ),
    "metadata": EncoderEntry(
        "batch, plate, slide and patient of a site; @columns=a+b for other columns",
        "phenolens.encoders.rows:Metadata",
        role="baseline",
    ),
    "well-position": EncoderEntry(
        "row, column and distance to the edge of the plate",
        "phenolens.encoders.rows:WellPosition",
        role="baseline",
        feature_type="quantities",
    ),
    "file-size": EncoderEntry(
        "size and bit depth of the image files",
        "phenolens.encoders.rows:FileSize",
        role="baseline",
        feature_type="quantities",
    ),
    "cell-count": EncoderEntry(
        "number of nuclei", "phenolens.encoders.density:CellCount", role="baseline", feature_type="quantities"
    ),
    "area-fraction": EncoderEntry(
        "share of the image that nuclei cover",
        "phenolens.encoders.density:AreaFraction",
        role="baseline",
        feature_type="quantities",
    ),
    "classical-features": EncoderEntry(
        "CellProfiler's measurements of nuclei and cells, by cp_measure",
        "phenolens.encoders.classical:ClassicalFeatures",
        role="baseline",
        feature_type="measurements",
    ),
    "cell-graph/": EncoderEntry(
        "spatial arrangement of cells, in nested steps: density, positions, morphology, composition, neighbourhoods",
        "phenolens.encoders.cell_graph:cell_graph",
        role="baseline",
        feature_type="measurements",
    ),
    "cell-graph-network": EncoderEntry(
        "a small graph network over a table of cells; @training=none|masked,seed=N",
        "phenolens.encoders.cell_graph.network:GraphNetworkEncoder",
        role="baseline",
        seeded=True,
    ),
    "random-convolutions": EncoderEntry(
        "a bank of random kernels of many scales; @mixing=joint|concat,seed=N",
        "phenolens.encoders.timm_networks:random_convolutions",
        network=True,
        role="untrained",
        seeded=True,
    ),
    "untrained/": EncoderEntry(
        "any timm architecture, or channel_vit_small_patch16, untrained; "
        "@mixing=joint|concat,init=own|orthogonal|scaled,seed=N",
        "phenolens.encoders.timm_networks:untrained",
        network=True,
        role="untrained",
        seeded=True,
    ),
    "timm/": EncoderEntry(
        "any trained timm model; @weights=FILE.safetensors for a local file, @mixing=joint|concat",
        "phenolens.encoders.timm_networks:pretrained",
        network=True,
        counterpart=True,
    ),
    "hf/": EncoderEntry(
        "networks of OpenPhenom's layout, e.g. hf/recursionpharma/OpenPhenom; @weights=FILE for a local file",
        "phenolens.encoders.published:openphenom",
        network=True,
        counterpart=True,
    ),
    "checkpoint:": EncoderEntry(
        "a checkpoint of `phenolens train`, by its file or folder; @layer=N,pool=mean|class|channels",
        "phenolens.encoders.checkpoint:checkpoint",
        network=True,
        counterpart=True,
    ),
    "python:": EncoderEntry(
        "a model of yours: python:PACKAGE.MODULE:FUNCTION, a function that returns phenolens.encoder(...); only with "
        "--allow-code",
        "phenolens.encoders.own:load_own",
        network=True,
        counterpart=True,
    ),
    COUNTERPART: EncoderEntry(
        "the untrained counterpart of a trained network, e.g. twin/timm/resnet18: same architecture and input path, "
        "random weights; @init=own|orthogonal|scaled,seed=N",
        "",  # the factory of the network
        network=True,
        role="untrained",
        seeded=True,
    ),
}


def _accept(point: EntryPoint, loaded: Any) -> EncoderEntry:
    """Return the entry that a package registers, or an entry for the factory that it registers."""
    if isinstance(loaded, EncoderEntry):
        for value, allowed in ((loaded.role, get_args(Role)), (loaded.feature_type, get_args(FeatureType))):
            if value not in allowed:
                raise TypeError(f"{point.value}: '{value}' is not one of {', '.join(allowed)}")
        return loaded
    if not callable(loaded):
        raise TypeError(f"{point.value} is neither an EncoderEntry nor callable")
    return EncoderEntry(f"from {package_of(point)}", point.value)


ENCODERS: Registry[EncoderEntry] = Registry("encoder", "phenolens.encoders", _BUILT_IN, _accept, EncoderError)


def list_encoders() -> dict[str, EncoderEntry]:
    """Return every encoder and prefix by name, including those of installed packages that can be loaded."""
    entries = {}
    for name in ENCODERS:
        with suppress(EncoderError):
            entries[name] = ENCODERS[name]
    return entries


def find_encoder(base: str) -> tuple[str, EncoderEntry]:
    """Return the key and entry of an encoder's name without options.

    The key of an untrained counterpart is ``twin/`` and that of its network.

    Raises
    ------
    EncoderError
        If there is none, with the closest name, or the package that registers it cannot be loaded.
    """
    key = max((key for key in ENCODERS if _stands_for(key, base)), key=len, default=None)
    if key is None:
        raise EncoderError(f"no encoder '{base}'{did_you_mean(base, ENCODERS)}")
    if key != COUNTERPART:
        return key, ENCODERS[key]
    network = base.removeprefix(COUNTERPART)
    key_of_network, entry = find_encoder(network)
    if not entry.counterpart:
        raise EncoderError(f"'{base}': '{network}' has no untrained counterpart, since it is not a trained network")
    return COUNTERPART + key_of_network, replace(_BUILT_IN[COUNTERPART], factory=entry.factory)


def _stands_for(key: str, base: str) -> bool:
    is_prefix = key.endswith(_PREFIX_ENDS)
    return (is_prefix and base.startswith(key) and base != key) or (base == key and not is_prefix)


def counterpart_of(name: str) -> str:
    """Return the name of an encoder's untrained counterpart; empty if it has none.

    Raises
    ------
    EncoderError
        If there is no such encoder.
    """
    parsed = EncoderName.parse(name)
    if not find_encoder(parsed.base)[1].counterpart:
        return ""
    options = tuple(option for option in parsed.options if option[0] != _WEIGHTS)
    return str(EncoderName(COUNTERPART + parsed.base, options))


def create_encoder(
    name: str,
    channels: Sequence[str],
    *,
    manifest: Manifest | None = None,
    device: str = "cpu",
    precision: str = "fp32",
) -> Encoder | RowEncoder:
    """Create an encoder for the images and the manifest of a data set.

    Parameters
    ----------
    name
        ``base@option=value,...``, e.g. ``untrained/resnet18@mixing=concat,seed=1``.
    channels
        The channels of the images; none if there are no images.
    manifest
        The manifest, for encoders that read it.
    device, precision
        The device of networks, and their precision, fp32 or bf16.

    Raises
    ------
    EncoderError
        If the name or an option is unknown, or the encoder cannot be created for these data.

    Examples
    --------
    >>> create_encoder("pixel-statistics", ["dna"]).dim
    11
    """
    parsed = EncoderName.parse(name)
    key, entry = find_encoder(parsed.base)
    try:
        factory = _import(entry.factory)
    except (ImportError, AttributeError) as error:
        raise EncoderError(
            f"'{name}': {entry.factory} cannot be loaded ({error}); fix or install its package"
        ) from error
    encode = _import(_NETWORK_ENCODER) if entry.network else None
    untrained = _import(_UNTRAINED) if key.startswith(COUNTERPART) else None
    of_factory, of_encoder, of_draw = (_keywords(each) if each else {} for each in (factory, encode, untrained))
    if untrained:
        of_factory.pop(_WEIGHTS, None)
    options = _typed_options({**of_encoder, **of_factory, **of_draw}, parsed)
    needs_manifest = "manifest" in of_factory and of_factory["manifest"].default is inspect.Parameter.empty
    if needs_manifest and manifest is None:
        raise EncoderError(f"'{name}' reads the manifest, not images; give the manifest")
    if not channels and (entry.network or "manifest" not in of_factory):
        raise EncoderError(f"'{name}' needs images, and there are none")
    drawn = untrained(**_among(options, of_draw)) if untrained else None
    options |= zip(_GIVEN, (device, precision, manifest, drawn), strict=True)
    rest = [parsed.base.removeprefix(key)] if key.endswith(_PREFIX_ENDS) else []
    made = factory(name, *rest, tuple(channels), **_among(options, of_factory))
    return cast("Encoder | RowEncoder", encode(name, made, **_among(options, of_encoder)) if encode else made)


def _among(options: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key in known}


def _import(path: str) -> Any:
    module, _, attribute = path.partition(":")
    return attrgetter(attribute)(import_module(module))


def _keywords(factory: Any) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(factory, eval_str=True).parameters
    return {key: value for key, value in parameters.items() if value.kind is value.KEYWORD_ONLY}


def _typed_options(parameters: Mapping[str, inspect.Parameter], name: EncoderName) -> dict[str, Any]:
    """Return the options of a name, converted to the types that the keywords declare."""
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
