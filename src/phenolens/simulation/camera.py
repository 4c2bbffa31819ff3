"""Optics and camera: from emitted light to counts in an image."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

_SHARP_SIGMA = 1.0
_HAZE_SIGMA = 9.0
_HAZE = 0.16
_ELECTRONS = 260.0
_COUNTS_PER_ELECTRON = 4.0
_READ_NOISE_ELECTRONS = 2.0
_OFFSET = 100.0
_CEILING = 4095


@dataclass(frozen=True, slots=True)
class Acquisition:
    """Staining and imaging of one channel of one plate.

    Parameters
    ----------
    gain
        Brightness of the stain, relative to the screen.
    background
        Light that is not from cells, relative to a typical cell.
    unevenness
        Loss of illumination at the distance of half a field from the brightest point.
    brightest
        Position of the brightest point (y, x), in half fields from the centre.
    focus
        Width of the in-focus blur in pixels; larger out of focus.
    """

    gain: float
    background: float
    unevenness: float
    brightest: tuple[float, float]
    focus: float = _SHARP_SIGMA


def draw_acquisition(rng: np.random.Generator, strength: float = 1.0) -> Acquisition:
    """Draw the staining and imaging of one channel of one plate.

    Parameters
    ----------
    rng
        Source of randomness.
    strength
        The amount of variation between plates; 0 for identical plates.
    """
    y, x = rng.normal(0.0, 0.25, 2)
    gain, background, focus = rng.standard_normal(3)
    return Acquisition(
        gain=math.exp(0.14 * strength * gain),
        background=0.09 * math.exp(0.25 * strength * background),
        unevenness=0.09 + strength * rng.uniform(-0.04, 0.04),
        brightest=(float(y), float(x)),
        focus=_SHARP_SIGMA * math.exp(0.1 * strength * focus),
    )


def photograph(
    light: NDArray[np.float32], acquisition: Acquisition, margin: int, rng: np.random.Generator
) -> NDArray[np.uint16]:
    """Image the light of one channel: blur, uneven illumination, background, shot and read noise, 12-bit counts.

    Parameters
    ----------
    light
        Light emitted in field and margin, about 1 in stained regions, shape (size + 2 margin, size + 2 margin).
    acquisition
        The staining and imaging of the plate.
    margin
        Pixels to remove on every side after blurring.
    rng
        Source of noise.

    Returns
    -------
    ndarray
        Counts from 0 to 4095, shape (size, size).
    """
    blurred = _blur(light, acquisition.focus)[margin:-margin, margin:-margin]
    arriving = blurred * acquisition.gain + acquisition.background
    electrons = _ELECTRONS * arriving * _illumination(len(arriving), acquisition)
    counts = rng.poisson(np.maximum(electrons, 0.0)) + _READ_NOISE_ELECTRONS * rng.standard_normal(arriving.shape)
    return np.clip(np.rint(_OFFSET + _COUNTS_PER_ELECTRON * counts), 0, _CEILING).astype(np.uint16)


def _illumination(size: int, acquisition: Acquisition) -> NDArray[np.float64]:
    position = np.linspace(-1.0, 1.0, size)
    y, x = acquisition.brightest
    loss = acquisition.unevenness * ((position[:, None] - y) ** 2 + (position[None, :] - x) ** 2)
    return np.asarray(1.0 / (1.0 + loss))


def _blur(light: NDArray[np.float32], focus: float) -> NDArray[np.float32]:
    """Blur with a narrow Gaussian for the focal plane and a faint wide one for out-of-focus haze."""
    shape = tuple(fft.next_fast_len(n, real=True) for n in light.shape)
    fy = np.fft.fftfreq(shape[0])[:, None]
    fx = np.fft.rfftfreq(shape[1])[None, :]
    exponent = -2.0 * math.pi**2 * (fy**2 + fx**2)
    transfer = (1.0 - _HAZE) * np.exp(exponent * focus**2) + _HAZE * np.exp(exponent * _HAZE_SIGMA**2)
    spectrum = fft.rfft2(light, s=shape) * transfer.astype(np.float32)
    return np.asarray(fft.irfft2(spectrum, s=shape)[: light.shape[0], : light.shape[1]], dtype=np.float32)
