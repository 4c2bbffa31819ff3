"""Interventions on pixels: each removes one kind of information from an image and keeps the rest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from phenolens.core.errors import ImageError, did_you_mean
from phenolens.images.channels import RGB, nuclear_channel

Crops = NDArray[Any]  # (T, C, H, W)

_BRIGHT = 250.0  # within the range of all pixel types
_DISC = 5  # pixels, the radius of the disc that replaces a nucleus
_RIM = 3  # pixels
_DROP, _SHUFFLE = "drop-channel:", "shuffle-patches:"
_PATCHES = (64, 32, 16, 8)


@dataclass(frozen=True)
class _Scene:
    """The crops of one site, as floats, with channels, nuclei and a source of randomness."""

    crops: Crops
    channels: Sequence[str]
    nuclei: NDArray[np.int32]
    rng: np.random.Generator


@dataclass(frozen=True)
class Intervention:
    """A change of the crops of a site.

    Attributes
    ----------
    name
        The name, as in `find_intervention`.
    change
        The function that changes the crops.
    needs_nuclei
        Whether it needs labels of nuclei.
    """

    name: str
    change: Callable[[_Scene], Crops]
    needs_nuclei: bool = False

    def apply(
        self,
        crops: Crops,
        channels: Sequence[str],
        rng: np.random.Generator,
        nuclei: NDArray[np.int32] | None = None,
    ) -> Crops:
        """Return changed crops (T, C, H, W) of the same type; integers are rounded and clipped to their range.

        Parameters
        ----------
        crops
            (T, C, H, W) pixels of one site, which are not changed.
        channels
            The names of its C channels.
        rng
            The source of randomness.
        nuclei
            (T, H, W) labels of nuclei.

        Raises
        ------
        ImageError
            If it needs nuclei and has none, or the crops do not have four axes.
        """
        if crops.ndim != 4:
            raise ImageError(f"{self.name}: expected crops (T, C, H, W), found shape {crops.shape}")
        if nuclei is None:
            if self.needs_nuclei:
                raise ImageError(f"{self.name}: needs labels of nuclei; segment them first")
            nuclei = np.zeros((len(crops), *crops.shape[2:]), np.int32)
        changed = self.change(_Scene(crops.astype(np.float32), channels, nuclei, rng))
        if crops.dtype.kind in "ui":
            limits = np.iinfo(crops.dtype)
            changed = np.clip(np.rint(changed), limits.min, limits.max)
        return np.ascontiguousarray(changed, dtype=crops.dtype)


def _scramble_phases(scene: _Scene) -> Crops:
    """Add the phases of white noise, the same for all channels: their correlation at each frequency is kept."""
    x = scene.crops
    noise = np.fft.rfft2(scene.rng.standard_normal((len(x), 1, *x.shape[2:])))
    spectrum = np.fft.rfft2(x) * noise / np.maximum(np.abs(noise), 1e-12)
    spectrum[..., 0, 0] = x.sum(axis=(2, 3))
    return np.fft.irfft2(spectrum, s=x.shape[2:])


def _shuffle_patches(size: int) -> Callable[[_Scene], Crops]:
    """Shuffle square patches of this size, all channels together; an incomplete border stays."""

    def change(scene: _Scene) -> Crops:
        changed = scene.crops.copy()
        for crop in changed:
            rows, columns = crop.shape[1] // size, crop.shape[2] // size
            inside = crop[:, : rows * size, : columns * size]
            patches = inside.reshape(len(crop), rows, size, columns, size).transpose(1, 3, 0, 2, 4)
            shuffled = patches.reshape(rows * columns, len(crop), size, size)[scene.rng.permutation(rows * columns)]
            inside[:] = shuffled.reshape(patches.shape).transpose(2, 0, 3, 1, 4).reshape(inside.shape)
        return changed

    return change


def _equalise(scene: _Scene) -> Crops:
    """Replace pixels by their ranks, so that every channel of every crop has the same histogram; ties share a rank."""
    from scipy.stats import rankdata

    x = scene.crops
    ranks = rankdata(x.reshape(*x.shape[:2], -1), axis=-1).reshape(x.shape)
    return ranks / (x.shape[2] * x.shape[3]) * _BRIGHT


def _permute_channels(scene: _Scene) -> Crops:
    """Give each channel the pixels of the previous one."""
    return np.roll(scene.crops, 1, axis=1)


def _drop_channel(name: str) -> Callable[[_Scene], Crops]:
    """Replace a channel by its median."""

    def change(scene: _Scene) -> Crops:
        number = list(scene.channels).index(name)
        changed = scene.crops.copy()
        changed[:, number] = np.median(changed[:, number])
        return changed

    return change


def _blur(sigma: float) -> Callable[[_Scene], Crops]:
    def change(scene: _Scene) -> Crops:
        return np.asarray(ndimage.gaussian_filter(scene.crops, (0, 0, sigma, sigma)))

    return change


def _background(scene: _Scene) -> Crops:
    """Return the median (T, C, 1, 1) of pixels outside nuclei; of all pixels if there are none outside."""
    x = scene.crops.reshape(*scene.crops.shape[:2], -1)
    outside = (scene.nuclei == 0).reshape(len(x), 1, -1)
    outside = outside | ~outside.any(axis=-1, keepdims=True)
    return np.asarray(np.nanmedian(np.where(outside, x, np.nan), axis=-1)[..., None, None])


def _keep_nuclei(scene: _Scene) -> Crops:
    return np.where((scene.nuclei > 0)[:, None], scene.crops, _background(scene))


def _remove_nuclei(scene: _Scene) -> Crops:
    """Replace nuclei with a rim, since blur around them would still show their positions."""
    wide = ndimage.binary_dilation(scene.nuclei > 0, np.ones((1, 3, 3)), iterations=_RIM)
    return np.where(wide[:, None], _background(scene), scene.crops)


def _keep_positions(scene: _Scene) -> Crops:
    """Draw the same disc at the position of each nucleus, in every channel, on a dark background."""
    middles = np.zeros(scene.nuclei.shape, dtype=bool)
    for labels, middle in zip(scene.nuclei, middles, strict=True):
        there = np.unique(labels[labels > 0])
        if len(there):
            at = np.rint(ndimage.center_of_mass(labels > 0, labels, there)).astype(int)
            middle[at[:, 0], at[:, 1]] = True
    reach = np.arange(-_DISC, _DISC + 1)
    disc = reach[:, None] ** 2 + reach**2 <= _DISC**2
    discs = ndimage.binary_dilation(middles, disc[None])
    return np.broadcast_to(np.where(discs, _BRIGHT, 0.0)[:, None], scene.crops.shape)


def _turn(scene: _Scene) -> Crops:
    """Rotate by 180 degrees, since crops may not be square."""
    return scene.crops[..., ::-1, ::-1]


def _flip(scene: _Scene) -> Crops:
    return scene.crops[..., ::-1]


def _jitter_stains(scene: _Scene) -> Crops:
    """Multiply each stain by a random factor per site; in colour images, the optical density of each colour."""
    x = scene.crops
    factor = np.exp(scene.rng.normal(0, 0.2, (1, x.shape[1], 1, 1)))
    if not set(RGB) <= set(scene.channels):
        return x * factor
    white = max(float(x.max()), 1e-6)
    return white * (np.clip(x, 0, None) / white) ** factor


def _illuminate(scene: _Scene) -> Crops:
    """Reduce illumination by a third from one side to the other, in a random direction per site."""
    angle = scene.rng.uniform(0, 2 * np.pi)
    y, z = (np.linspace(-1, 1, size) for size in scene.crops.shape[2:])
    return scene.crops * (1 - 0.2 * (np.cos(angle) * y[:, None] + np.sin(angle) * z) / np.sqrt(2))


_ALL = (
    Intervention("scramble-phases", _scramble_phases),
    *(Intervention(f"{_SHUFFLE}{size}", _shuffle_patches(size)) for size in _PATCHES),
    Intervention("equalise", _equalise),
    Intervention("permute-channels", _permute_channels),
    *(Intervention(f"blur:{sigma}", _blur(sigma)) for sigma in (1, 2, 4)),
    Intervention("nuclei-only", _keep_nuclei, needs_nuclei=True),
    Intervention("no-nuclei", _remove_nuclei, needs_nuclei=True),
    Intervention("positions-only", _keep_positions, needs_nuclei=True),
    Intervention("turn", _turn),
    Intervention("flip", _flip),
    Intervention("jitter-stains", _jitter_stains),
    Intervention("illuminate", _illuminate),
)
_BY_NAME: Mapping[str, Intervention] = {one.name: one for one in _ALL}


def interventions(channels: Sequence[str], size: tuple[int, int]) -> list[str]:
    """Return the names of all interventions that apply to images of these channels and this height and width.

    Interventions on nuclei are included if the nuclear channel can be determined.
    """
    several = len(channels) > 1
    left_out = {f"{_SHUFFLE}{patch}" for patch in _PATCHES if 2 * patch > min(size)}
    if not several:
        left_out.add("permute-channels")
    if not _shows_nuclei(channels):
        left_out |= {one.name for one in _ALL if one.needs_nuclei}
    names = [name for name in _BY_NAME if name not in left_out]
    return [*names, *(f"{_DROP}{channel}" for channel in channels if several)]


def find_intervention(name: str, channels: Sequence[str]) -> Intervention:
    """Return an intervention on images of these channels, by its name.

    Raises
    ------
    ImageError
        If there is none of this name, or it needs nuclei and the nuclear channel cannot be determined.
    """
    channel = name.removeprefix(_DROP)
    if channel != name and channel in channels:
        return Intervention(name, _drop_channel(channel))
    if name not in _BY_NAME:
        known = [*_BY_NAME, *(_DROP + each for each in channels)]
        raise ImageError(f"no intervention '{name}'{did_you_mean(name, known)}")
    if _BY_NAME[name].needs_nuclei and not _shows_nuclei(channels):
        raise ImageError(f"{name}: the nuclear channel is none of the usual names ({', '.join(channels)}); name it dna")
    return _BY_NAME[name]


def _shows_nuclei(channels: Sequence[str]) -> bool:
    return set(RGB) <= set(channels) or nuclear_channel(channels) is not None
