"""Classical features: CellProfiler's measurements of classically segmented nuclei and cells."""

import re
import warnings
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from cp_measure.core.measurecolocalization import get_correlation_manders_fold, get_correlation_pearson
from cp_measure.core.measuregranularity import get_granularity
from cp_measure.core.measureobjectintensity import get_intensity
from cp_measure.core.measureobjectintensitydistribution import get_radial_distribution
from cp_measure.core.measureobjectsizeshape import get_sizeshape
from cp_measure.core.measuretexture import get_texture
from numpy.typing import NDArray

from phenolens.encoders.base import Pixels, hash_text, take_channels
from phenolens.encoders.nuclei import ALGORITHM, NucleiMeasurement, Segmentation
from phenolens.images import RGB, STAINS, on_border, segment_cells, separate_stains

Measured = dict[str, NDArray[np.float64]]

# Location and orientation of an object are no phenotype, and reveal where it was imaged.
_PLACE = re.compile(r"Location|Center_|BoundingBoxM|Orientation|SpatialMoment|NormalizedMoment_(0_[01]|1_0)$")
_ANGLE = re.compile(r"_(\d)_0[0-3]_\d+$")
_GRAYS = 32  # levels of texture: a nucleus of some hundred pixels cannot fill a table of 256 x 256
_GRANULES = 8  # steps of granularity; at a quarter of the resolution they reach the size of a cell
_DARK, _BRIGHT = 0.1, 99.9  # percentiles that become 0 and 1 for features that should depend on contrast only


class ClassicalFeatures(NucleiMeasurement):
    """CellProfiler's measurements (by cp_measure), as the median over the nuclei and over the cells of an image.

    Nuclei: size and shape; intensity and texture of each channel. Cells: size and shape; intensity, granularity and
    radial distribution of each channel that stains the cell body (of all channels if none does); correlation of each
    pair of channels. Texture, radial distribution, granularity and correlation are measured after stretching each
    channel of the image between its 0.1 and 99.9 percentiles. The number and the location of cells are not among the
    features. Nuclei cut by the border are left out if there are others. Features are 0 for images without nuclei and
    for objects that are too small for them. Sections stained with haematoxylin and eosin are measured in stains.

    Parameters
    ----------
    nucleus, diameter
        As in `CellCount`.

    References
    ----------
    Munoz et al., cp_measure, arXiv 2507.01163.
    """

    def __init__(
        self, name: str, channels: Sequence[str], *, nucleus: str | None = None, diameter: float | None = None
    ) -> None:
        self.name = name
        self.segmentation = Segmentation.choose(name.partition("@")[0], channels, nucleus, diameter)
        self._in_colour = self.segmentation.channels == RGB
        self.channels = RGB if self._in_colour else tuple(channels)
        self._measured = STAINS if self._in_colour else self.channels
        disc = np.hypot(*np.mgrid[-16:16, -16:16]) < 8
        self.feature_names = tuple(self._measure(disc.astype(np.int32), np.stack([disc * 1.0] * len(self._measured))))
        self.weights_hash = hash_text("classical-features", self.feature_names, diameter, ALGORITHM)

    def embed(
        self, pixels: Pixels, channels: Sequence[str], nuclei: NDArray[np.int32] | None = None
    ) -> NDArray[np.float32]:
        """Return the features (B, D); see `NucleiMeasurement.embed`."""
        nuclei = self.segmentation.find(pixels, channels) if nuclei is None else nuclei
        images = take_channels(pixels, channels, self.channels).cpu().numpy()
        vectors = np.zeros((len(images), self.dim), np.float32)
        for row, (image, labels) in enumerate(zip(images, nuclei, strict=True)):
            if labels.any():
                stains = separate_stains(image) if self._in_colour else image
                found = self._measure(labels, stains.astype(np.float64))
                vectors[row] = [found[name] for name in self.feature_names]
        return vectors

    def _measure(self, nuclei: NDArray[np.int32], image: NDArray[np.float64]) -> dict[str, float]:
        """Return the median over objects of each feature; 0 if undefined for all objects."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # small objects lack some features, which become 0
            names, values = zip(*self._features(nuclei, image), strict=True)  # there are as many nuclei as cells
            table = np.array(values)
            medians = np.nan_to_num(np.nanmedian(np.where(np.isfinite(table), table, np.nan), axis=1))
        return dict(zip(names, medians.tolist(), strict=True))

    def _features(
        self, nuclei: NDArray[np.int32], image: NDArray[np.float64]
    ) -> Iterator[tuple[str, NDArray[np.float64]]]:
        is_body = [name not in (*self.segmentation.channels, STAINS[0]) for name in self._measured]
        nuclei, cells = _whole(nuclei, segment_cells(nuclei, image[is_body]))
        stretched = [_stretch(plane) for plane in image]
        yield from _named("nuclei", get_sizeshape(nuclei, None, new_features=False))
        yield from _named("cells", get_sizeshape(cells, None, new_features=False))
        for channel, plane, contrast, body in zip(self._measured, image, stretched, is_body, strict=True):
            yield from _named("nuclei", get_intensity(nuclei, plane), channel)
            yield from _named("nuclei", _over_angles(get_texture(nuclei, contrast, gray_levels=_GRAYS)), channel)
            if body or not any(is_body):  # a nuclear stain shows only the nucleus of a cell
                yield from _named("cells", get_intensity(cells, plane), channel)
                yield from _named("cells", get_radial_distribution(cells, contrast), channel)
                granularity = get_granularity(cells, contrast, granular_spectrum_length=_GRANULES)
                yield from _named("cells", granularity, channel)
        for (one, first), (other, second) in combinations(zip(self._measured, stretched, strict=True), 2):
            for correlate in (get_correlation_pearson, get_correlation_manders_fold):
                yield from _named("cells", correlate(first, second, cells), f"{one}_{other}")


def _whole(nuclei: NDArray[np.int32], cells: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the nuclei not cut by the border, and their cells, numbered from 1.

    If the border cuts all nuclei, all are returned.
    """
    kept = np.setdiff1d(nuclei[nuclei > 0], on_border(nuclei))
    kept = kept if len(kept) else np.unique(nuclei[nuclei > 0])
    number = np.zeros(int(nuclei.max()) + 1, np.int32)
    number[kept] = np.arange(1, len(kept) + 1)
    return number[nuclei], number[cells]


def _named(what: str, measured: Measured, channel: str = "") -> Iterator[tuple[str, NDArray[np.float64]]]:
    for name, values in measured.items():
        if not _PLACE.search(name):
            yield "_".join(filter(None, (what, name, channel))), np.asarray(values, dtype=np.float64)


def _over_angles(texture: Measured) -> Measured:
    """Return the mean over the four directions, since the orientation of cells is arbitrary."""
    groups: dict[str, list[NDArray[np.float64]]] = {}
    for name, values in texture.items():
        groups.setdefault("Texture_" + _ANGLE.sub(r"_\1", name), []).append(values)
    return {name: np.mean(values, axis=0) for name, values in groups.items()}


def _stretch(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    dark, bright = np.percentile(plane, [_DARK, _BRIGHT])
    return np.clip((plane - dark) / (bright - dark), 0, 1) if bright > dark else np.zeros_like(plane)
