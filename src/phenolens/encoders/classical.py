"""Classical features: CellProfiler's measurements of nuclei and cells, found without weights."""

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
from phenolens.encoders.nuclei import NucleiMeasurement, Segmentation
from phenolens.images import RGB, STAINS, on_border, segment_cells, separate_stains

Measured = dict[str, NDArray[np.float64]]

# Where an object lies and how it is turned says nothing of what it is, and leaks where it was imaged.
_PLACE = re.compile(r"Location|Center_|BoundingBoxM|Orientation|SpatialMoment|NormalizedMoment_(0_[01]|1_0)$")
_ANGLE = re.compile(r"_(\d)_0[0-3]_\d+$")
_GRAYS = 32  # levels of texture: a nucleus of some hundred pixels cannot fill a table of 256 x 256
_GRANULES = 8  # steps of granularity; at a quarter of the resolution they reach the size of a cell
_DARK, _BRIGHT = 0.1, 99.9  # percentiles that become 0 and 1 where only contrast counts


class ClassicalFeatures(NucleiMeasurement):
    """CellProfiler's measurements (by cp_measure), as the median over the nuclei and over the cells of an image.

    Nuclei: size and shape; intensity and texture of each channel. Cells: size and shape; intensity, granularity and
    radial distribution of each channel that stains the cell's body (of all where none does); correlation of each pair.
    Texture, radial distribution, granularity and correlation are of the image stretched to its own dark and bright
    ends. The number of cells is none of the features, nor is where they lie; nuclei that the border cuts are left out
    where there are others. An image without nuclei, and a feature that its objects are too small for, has 0. A section
    stained with haematoxylin and eosin is measured in its stains.

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
        self.weights_hash = hash_text("classical-features", self.feature_names, diameter)

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
        """Return the median over objects of each feature; 0 where no object has it."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # small objects lack some features, which become 0
            names, values = zip(*self._features(nuclei, image), strict=True)  # nuclei and cells are as many
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
            if body or not any(is_body):  # what a nuclear stain shows of a cell is its nucleus
                yield from _named("cells", get_intensity(cells, plane), channel)
                yield from _named("cells", get_radial_distribution(cells, contrast), channel)
                granularity = get_granularity(cells, contrast, granular_spectrum_length=_GRANULES)
                yield from _named("cells", granularity, channel)
        for (one, first), (other, second) in combinations(zip(self._measured, stretched, strict=True), 2):
            for correlate in (get_correlation_pearson, get_correlation_manders_fold):
                yield from _named("cells", correlate(first, second, cells), f"{one}_{other}")


def _whole(nuclei: NDArray[np.int32], cells: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the nuclei that the border does not cut, whose shape is their own, and their cells, numbered from 1.

    All of them are returned if it cuts all.
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
    """Return the mean over the four directions: cells lie any way."""
    groups: dict[str, list[NDArray[np.float64]]] = {}
    for name, values in texture.items():
        groups.setdefault("Texture_" + _ANGLE.sub(r"_\1", name), []).append(values)
    return {name: np.mean(values, axis=0) for name, values in groups.items()}


def _stretch(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    dark, bright = np.percentile(plane, [_DARK, _BRIGHT])
    return np.clip((plane - dark) / (bright - dark), 0, 1) if bright > dark else np.zeros_like(plane)
