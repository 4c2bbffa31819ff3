"""Masks, stains, cells around nuclei, and headers."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from phenolens.core.errors import ImageError
from phenolens.images import bit_depth, on_border, read_mask, segment_cells, segment_nuclei, separate_stains


def stained(haematoxylin, eosin):
    """Colours of a section after Beer and Lambert, with the vectors of Ruifrok and Johnston."""
    absorb = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])
    density = np.einsum("s...,sc->c...", np.stack([haematoxylin, eosin]), absorb)
    return np.clip(255 * 10**-density, 0, 255).astype(np.uint8)


def test_stains_are_told_apart():
    rng = np.random.default_rng(0)
    haematoxylin, eosin = rng.uniform(0.1, 0.8, (2, 40, 40))
    found = separate_stains(stained(haematoxylin, eosin))
    assert np.corrcoef(found[0].ravel(), haematoxylin.ravel())[0, 1] > 0.97
    assert np.corrcoef(found[1].ravel(), eosin.ravel())[0, 1] > 0.97
    with pytest.raises(ImageError, match=r"\(3, H, W\)"):
        separate_stains(np.zeros((2, 4, 4)))


def test_nuclei_of_a_section_are_found_in_its_haematoxylin():
    y, x = np.mgrid[:160, :160]
    centres = [(30, 30), (30, 110), (90, 60), (120, 120)]
    nuclei = np.max([np.hypot(y - cy, x - cx) < 9 for cy, cx in centres], axis=0)
    noise = np.random.default_rng(1).normal(0, 0.02, nuclei.shape)
    rgb = stained(0.1 + 0.6 * nuclei + noise, 0.4 - 0.2 * nuclei)
    assert segment_nuclei(separate_stains(rgb)[0]).max() == 4


def test_cells_hold_their_nuclei_and_follow_the_stain():
    y, x = np.mgrid[:100, :100]
    nuclei = np.zeros((100, 100), np.int32)
    body = np.full((100, 100), 10.0)
    for number, (cy, cx) in enumerate([(50, 30), (50, 66)], start=4):
        nuclei[np.hypot(y - cy, x - cx) < 8] = number
        body[np.hypot(y - cy, x - cx) < 16] = 100
    cells = segment_cells(nuclei, body[None])
    assert (cells[nuclei > 0] == nuclei[nuclei > 0]).all()
    assert set(np.unique(cells)) == {0, 4, 5}
    assert ((cells > 0) == (body > 50)).mean() > 0.97
    rim = segment_cells(nuclei, body[None][:0])
    assert (nuclei > 0).sum() < (rim > 0).sum() < (body > 50).sum()
    assert not segment_cells(np.zeros((9, 9), np.int32), np.ones((1, 9, 9))).any()


def test_masks_keep_their_labels(tmp_path):
    labels = np.zeros((6, 8), np.uint16)
    labels[1:3, 1:3], labels[4, 5] = 7, 60_000
    Image.fromarray(labels).save(tmp_path / "mask.png")
    tifffile.imwrite(tmp_path / "mask.tif", labels)
    for name in ("mask.png", "mask.tif"):
        assert (read_mask(tmp_path / name, (6, 8)) == labels).all()
    tifffile.imwrite(tmp_path / "wide.tif", labels.astype(np.int32) + 70_000 * (labels > 0))
    assert read_mask(tmp_path / "wide.tif", (6, 8)).max() == 130_000


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((3, 6, 8), np.uint8), "a mask must have one channel .*, found 3"),
        (np.zeros((8, 6), np.uint8), "the mask is 8x6 but its image 6x8"),
        (np.full((6, 8), -1, np.int16), "labels must be whole numbers"),
        (np.full((6, 8), 0.25, np.float32), "labels must be whole numbers"),
    ],
)
def test_what_is_no_mask_is_refused(tmp_path, labels, message):
    tifffile.imwrite(tmp_path / "mask.tif", labels, photometric="minisblack")
    with pytest.raises(ImageError, match=message):
        read_mask(tmp_path / "mask.tif", (6, 8))


def test_objects_on_the_border():
    labels = np.zeros((10, 10), np.int32)
    labels[0, 3], labels[5, 5], labels[9, 9] = 3, 4, 8
    assert on_border(labels).tolist() == [3, 8]


def test_bits_are_read_from_headers(tmp_path):
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "b.png")
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "c.jpg")
    tifffile.imwrite(tmp_path / "d.tif", np.zeros((4, 4), np.uint16))
    tifffile.imwrite(tmp_path / "e.tif", np.zeros((4, 4), np.float32))
    assert [bit_depth(tmp_path / name) for name in ("a.png", "b.png", "c.jpg", "d.tif", "e.tif")] == [8, 16, 8, 16, 32]
    (tmp_path / "f.png").write_text("no image")
    with pytest.raises(ImageError, match="header cannot be read"):
        bit_depth(tmp_path / "f.png")
