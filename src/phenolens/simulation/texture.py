"""Random fields on a periodic tile, and sampling of them with a scale and a direction per cell."""

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

TILE = 192


def random_field(spacing: float, rng: np.random.Generator, *, fibrous: bool = False) -> NDArray[np.float32]:
    """Draw a smooth periodic Gaussian field with features about `spacing` pixels apart.

    The field is band-limited: without low frequencies, the mean of a texture does not depend on its scale.

    Parameters
    ----------
    spacing
        Distance between neighbouring features in pixels.
    rng
        Source of randomness.
    fibrous
        Whether the features are fibres along the second axis, instead of grains.

    Returns
    -------
    ndarray
        Shape (`TILE`, `TILE`), mean 0 and variance 1.
    """
    fy = np.fft.fftfreq(TILE)[:, None]
    fx = np.fft.rfftfreq(TILE)[None, :]
    frequency = np.hypot(fy, fx)
    frequency[0, 0] = np.inf
    band = np.exp(-0.5 * (np.log(frequency * spacing) / 0.35) ** 2)
    if fibrous:
        band = band * np.exp(-0.5 * (np.arctan2(fx, np.abs(fy)) / 0.12) ** 2)
    spectrum = fft.rfft2(rng.standard_normal((TILE, TILE), dtype=np.float32))
    field = fft.irfft2(spectrum * band.astype(np.float32), s=(TILE, TILE))
    return np.asarray(field / field.std(), dtype=np.float32)


def lay(
    field: NDArray[np.float32],
    dy: NDArray[np.float32],
    dx: NDArray[np.float32],
    *,
    zoom: NDArray[np.float32] | float = 1.0,
    angle: NDArray[np.float32] | float = 0.0,
) -> NDArray[np.float32]:
    """Sample a periodic field at offsets from the origin of each cell, rotated and scaled.

    Parameters
    ----------
    field
        Periodic field.
    dy, dx
        Offsets of the pixels, all of one shape.
    zoom, angle
        Enlargement of the features, and rotation in radians of the fibres; one value or one per pixel.

    Returns
    -------
    ndarray
        The samples, of the shape of the offsets.
    """
    cos, sin = np.cos(angle) / zoom, np.sin(angle) / zoom
    along = dx * cos + dy * sin
    across = dy * cos - dx * sin
    sampled = ndimage.map_coordinates(field, [across, along], order=1, mode="grid-wrap", output=np.float32)
    return np.asarray(sampled)
