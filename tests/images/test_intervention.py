"""Interventions keep what they say and destroy the rest."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

from phenolens.core.errors import ImageError
from phenolens.images import find_intervention, interventions

CHANNELS = ("dna", "er")


@pytest.fixture
def nuclei():
    labels = np.zeros((2, 80, 96), np.int32)
    labels[0, 5:12, 6:13], labels[0, 30:40, 40:50] = 1, 2
    labels[1, 20:26, 20:26] = 1
    return labels


@pytest.fixture
def crops(nuclei):
    rng = np.random.default_rng(0)
    background = rng.normal(100, 5, (2, 2, 80, 96))
    return (background + (nuclei > 0)[:, None] * rng.normal(80, 10, (2, 2, 80, 96))).astype(np.uint16)


def change(name, crops, nuclei=None, seed=0, channels=CHANNELS):
    return find_intervention(name, channels).apply(crops, channels, np.random.default_rng(seed), nuclei)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("name", interventions(CHANNELS, (80, 96)))
def test_shape_type_and_seed_are_kept_and_the_image_is_not_touched(name, dtype, crops, nuclei):
    x = crops.astype(dtype)
    before = x.copy()
    changed = change(name, x, nuclei)
    assert changed.shape == x.shape
    assert changed.dtype == x.dtype
    assert not np.array_equal(changed, x)
    assert_array_equal(changed, change(name, x, nuclei))
    assert_array_equal(x, before)


def test_scrambled_phases_keep_the_power_at_each_frequency_and_what_channels_share(crops):
    x = crops.astype(np.float64)
    changed = change("scramble-phases", x)
    one, other = np.fft.rfft2(x), np.fft.rfft2(changed)
    # Frequencies that are their own mirror image have no phase but a sign, which rounding leaves alone.
    assert_allclose(np.abs(one), np.abs(other), rtol=1e-3, atol=1)
    assert_allclose(one[:, 0] * one[:, 1].conj(), other[:, 0] * other[:, 1].conj(), rtol=1e-3, atol=10)
    assert abs(np.corrcoef(x[0, 0].ravel(), changed[0, 0].ravel())[0, 1]) < 0.2


@pytest.mark.parametrize("size", [8, 16])
def test_shuffled_patches_are_the_same_patches_elsewhere_in_all_channels(crops, size):
    def patches(image):  # (C, H, W) -> a set of patches over all channels
        rows, columns = image.shape[1] // size, image.shape[2] // size
        return sorted(
            image[:, r * size : (r + 1) * size, c * size : (c + 1) * size].tobytes()
            for r in range(rows)
            for c in range(columns)
        )

    changed = change(f"shuffle-patches:{size}", crops)
    for one, other in zip(crops, changed, strict=True):
        assert patches(one) == patches(other)


def test_a_rest_that_fills_no_patch_stays(crops):
    changed = change("shuffle-patches:32", crops)  # of 80 x 96 pixels: two rows of three patches
    assert_array_equal(changed[:, :, 64:], crops[:, :, 64:])


def test_equalised_channels_have_one_histogram_and_their_order(crops):
    x = np.random.default_rng(1).permuted(np.arange(crops.size, dtype=np.float64)).reshape(crops.shape)
    changed = change("equalise", x)
    expected = np.sort(changed[0, 0].ravel())
    for crop in changed.reshape(4, -1):
        assert_allclose(np.sort(crop), expected)
    assert_array_equal(np.argsort(changed[1, 1].ravel()), np.argsort(x[1, 1].ravel()))
    assert_allclose(change("equalise", x * 7 + 3), changed)  # whatever the gain


def test_channels_are_permuted_or_dropped_one_at_a_time(crops):
    assert_array_equal(change("permute-channels", crops)[:, 1], crops[:, 0])
    dropped = change("drop-channel:er", crops)
    assert_array_equal(dropped[:, 0], crops[:, 0])
    assert len(np.unique(dropped[:, 1])) == 1


def test_nuclei_are_kept_or_removed(crops, nuclei):
    inside = np.broadcast_to((nuclei > 0)[:, None], crops.shape)
    only, without = change("nuclei-only", crops, nuclei), change("no-nuclei", crops, nuclei)
    assert_array_equal(only[inside], crops[inside])
    far = ~ndimage.binary_dilation(inside, np.ones((1, 1, 9, 9)))
    assert_array_equal(without[far], crops[far])
    for number in range(2):
        ground = np.rint(np.median(crops[number, 0][nuclei[number] == 0]))
        assert set(np.unique(only[number, 0][nuclei[number] == 0])) == {ground}
        assert set(np.unique(without[number, 0][nuclei[number] > 0])) == {ground}


def test_positions_are_all_that_is_left(crops, nuclei):
    changed = change("positions-only", crops, nuclei)
    assert_array_equal(changed[:, 0], changed[:, 1])
    assert set(np.unique(changed)) == {0, 250}
    assert changed[0, 0, 8, 9] == changed[0, 0, 35, 45] == 250  # the middles of both
    assert_array_equal(change("positions-only", crops[::-1].copy(), nuclei), changed)  # whatever the pixels


def test_blurring_takes_fine_detail(crops):
    x = crops.astype(float)
    rough = [np.abs(np.diff(each, axis=-1)).mean() for each in (x, *(change(f"blur:{s}", x) for s in (1, 2, 4)))]
    assert (np.diff(rough) < 0).all()
    assert_allclose(change("blur:2", np.full((1, 2, 9, 9), 7.0)), 7.0, rtol=1e-6)


def test_turning_and_flipping_twice_gives_the_image_back(crops):
    for name in ("turn", "flip"):
        assert_array_equal(change(name, change(name, crops)), crops)


def test_light_and_stains_change_smoothly(crops):
    x = crops.astype(np.float64)
    light = change("illuminate", x) / x
    assert 0.6 < light.min() < light.max() < 1.4
    assert np.abs(np.diff(light, axis=-1)).max() < 0.02
    gain = change("jitter-stains", x) / x
    assert_allclose(gain, gain[:1, :, :1, :1] * np.ones_like(gain), rtol=1e-4)
    assert gain[0, 0, 0, 0] != pytest.approx(gain[0, 1, 0, 0])


def test_stains_of_colours_keep_white_white(crops):
    rgb = np.concatenate([crops, crops[:, :1]], axis=1).astype(np.uint8)
    rgb[:, :, :4, :4] = 255
    changed = change("jitter-stains", rgb, channels=("red", "green", "blue"))
    assert (changed[:, :, :4, :4] == 255).all()


def test_an_image_that_is_all_nuclei_or_has_none(crops):
    everything = np.ones((2, 80, 96), np.int32)
    assert_array_equal(change("nuclei-only", crops, everything), crops)
    assert np.isfinite(change("no-nuclei", crops.astype(np.float32), everything)).all()
    assert not change("positions-only", crops, np.zeros_like(everything)).any()


def test_refusals(crops):
    with pytest.raises(ImageError, match="no intervention 'blurr:1'; did you mean 'blur:1'"):
        find_intervention("blurr:1", CHANNELS)
    with pytest.raises(ImageError, match="nuclei-only: needs labels of nuclei"):
        change("nuclei-only", crops)
    with pytest.raises(ImageError, match="expected crops"):
        change("flip", crops[0])
    with pytest.raises(ImageError, match="no-nuclei: the nuclear channel is none of the usual names \\(a, b\\)"):
        find_intervention("no-nuclei", ["a", "b"])
    with pytest.raises(ImageError, match="no intervention 'drop-channel:mito'"):
        find_intervention("drop-channel:mito", CHANNELS)


def test_only_what_changes_an_image_is_offered():
    assert "permute-channels" not in interventions(["dna"], (256, 256))
    assert not [name for name in interventions(["dna"], (256, 256)) if name.startswith("drop")]
    assert "nuclei-only" in interventions(["dna"], (256, 256))
    assert "nuclei-only" not in interventions(["a", "b"], (256, 256))
    assert [name for name in interventions(CHANNELS, (40, 256)) if name.startswith("shuffle")] == [
        "shuffle-patches:16",
        "shuffle-patches:8",
    ]
