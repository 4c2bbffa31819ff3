"""The spectral baseline against waves of known frequency."""

import numpy as np
from numpy.testing import assert_allclose

from phenolens.encoders import create_encoder


def spectrum(x):
    encoder = create_encoder("power-spectrum", ("a",))
    return encoder.feature_names, encoder.embed(x[None, None], ("a",))[0]


def test_a_wave_has_its_power_in_its_ring():
    _, x = np.mgrid[:128, :128]
    for period in (4, 8, 32):
        names, power = spectrum(np.sin(2 * np.pi * x / period))
        low, high = (float(part) for part in names[int(power.argmax())].removesuffix("px").split("_")[2:])
        assert low <= period * 1.01
        assert period <= high * 1.01


def test_white_noise_is_flat_at_its_variance():
    _, power = spectrum(np.random.default_rng(0).normal(0, 3, (256, 256)))
    assert_allclose(10 ** power[-6:], 9, rtol=0.15)


def test_it_sees_neither_phase_nor_place():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(128, 128)).cumsum(axis=0)
    assert_allclose(spectrum(x)[1], spectrum(x[::-1, ::-1].copy())[1], rtol=1e-4, atol=1e-4)
    assert_allclose(spectrum(x)[1], spectrum(x.T)[1], rtol=1e-4, atol=1e-4)


def test_images_of_any_size_and_none_at_all():
    for shape in ((1, 1), (2, 5), (16, 300)):
        assert np.isfinite(spectrum(np.arange(np.prod(shape), dtype=float).reshape(shape))[1]).all()
    assert (spectrum(np.full((32, 32), 7.0))[1] == -12).all()
