"""Masks hold one number per object: classes of pixels, lossy files and noise are refused."""

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from phenolens.core.errors import ImageError
from phenolens.images import read_mask

SHAPE = (96, 96)


def discs(n, radius=6):
    """Labels of n discs that do not touch."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    labels = np.zeros(SHAPE, np.uint16)
    for number in range(n):
        centre = 12 + 18 * (number // 5), 12 + 18 * (number % 5)
        labels[np.hypot(y - centre[0], x - centre[1]) < radius] = number + 1
    return labels


def save(path, labels):
    tifffile.imwrite(path, labels, compression="zlib")
    return path


@pytest.mark.parametrize("value", [1, 255])
@pytest.mark.parametrize("n", [2, 5, 12])
def test_a_binary_mask_is_no_mask_of_objects(tmp_path, n, value):
    path = tmp_path / "mask.png"
    Image.fromarray(((discs(n) > 0) * value).astype(np.uint8)).save(path)
    with pytest.raises(
        ImageError, match=rf"is a binary mask, not of objects: {n} separate parts share 1 number; number"
    ):
        read_mask(path, SHAPE)


def test_a_mask_of_one_bit_is_binary(tmp_path):
    Image.fromarray(discs(4) > 0).save(tmp_path / "mask.png")
    with pytest.raises(ImageError, match="is a binary mask"):
        read_mask(tmp_path / "mask.png", SHAPE)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_mask_of_classes_is_no_mask_of_objects(tmp_path, n_classes):
    labels = discs(15)
    classes = np.where(labels > 0, labels % n_classes + 1, 0).astype(np.uint8)
    with pytest.raises(
        ImageError, match=f"is a mask of classes, not of objects: 15 separate parts share {n_classes} num"
    ):
        read_mask(save(tmp_path / "mask.tif", classes), SHAPE)


def test_nuclei_in_cells_are_classes(tmp_path):
    classes = (discs(8, radius=8) > 0).astype(np.uint8) + (discs(8, radius=4) > 0)
    with pytest.raises(ImageError, match="is a mask of classes"):
        read_mask(save(tmp_path / "mask.tif", classes), SHAPE)


def test_objects_may_be_single_fragmented_or_touching(tmp_path):
    single = (discs(1) > 0).astype(np.uint8) * 255
    fragmented = discs(6)
    fragmented[80:84, 80:84] = fragmented[90, 90] = 3
    touching = np.kron(np.arange(16).reshape(4, 4), np.ones((24, 24))).astype(np.uint16)
    specks = discs(1)
    specks[90, [50, 60, 70]] = 1
    for labels in (single, fragmented, touching, specks, np.zeros(SHAPE, np.uint8)):
        assert (read_mask(save(tmp_path / "mask.tif", labels), SHAPE) == labels).all()


def test_labels_that_a_lossy_file_has_changed_are_refused_in_a_lossless_one(tmp_path):
    blurred = imagecodecs.jpeg_decode(imagecodecs.jpeg_encode((discs(12) * 20).astype(np.uint8), level=80))
    with pytest.raises(ImageError, match="is a mask of classes"):
        read_mask(save(tmp_path / "mask.tif", blurred), SHAPE)


LABELS = (discs(9) * 20).astype(np.uint8)
COLOUR = np.stack([LABELS] * 3, axis=-1)
LOSSY = {
    "jpg": lambda path: path.write_bytes(imagecodecs.jpeg_encode(LABELS, level=95)),
    "jp2": lambda path: path.write_bytes(imagecodecs.jpeg2k_encode(LABELS, level=40)),
    "JPEG in TIFF": lambda path: tifffile.imwrite(path, LABELS, compression="jpeg"),
    "JPEG in tiles": lambda path: tifffile.imwrite(path, LABELS, compression="jpeg", tile=(32, 32)),
    "JPEG 2000 in TIFF": lambda path: tifffile.imwrite(
        path, LABELS, compression="jpeg2000", compressionargs={"level": 40, "reversible": False}
    ),
    "JPEG XL in TIFF": lambda path: tifffile.imwrite(
        path, LABELS, compression="jpegxl", compressionargs={"distance": 1.0, "lossless": False}
    ),
    "WebP in TIFF": lambda path: tifffile.imwrite(
        path, COLOUR, photometric="rgb", compression="webp", compressionargs={"level": 60, "lossless": False}
    ),
}


@pytest.mark.parametrize("kind", LOSSY)
def test_lossy_files_cannot_hold_labels(tmp_path, kind):
    path = tmp_path / ("mask.tif" if "TIFF" in kind or "tiles" in kind else f"mask.{kind}")
    LOSSY[kind](path)
    with pytest.raises(ImageError, match=r"JPEG|JPEG 2000|JPEG XL|WebP") as caught:
        read_mask(path, SHAPE)
    assert "changes values and cannot hold labels; save the mask as PNG or TIFF" in str(caught.value)


LOSSLESS = {
    "jp2": lambda path: path.write_bytes(imagecodecs.jpeg2k_encode(LABELS, level=0, reversible=True)),
    "JPEG 2000 in TIFF": lambda path: tifffile.imwrite(path, LABELS, compression="jpeg2000"),
    "JPEG XL in TIFF": lambda path: tifffile.imwrite(path, LABELS, compression="jpegxl"),
    "wide JPEG XL in TIFF": lambda path: tifffile.imwrite(path, LABELS.astype(np.uint16), compression="jpegxl"),
    "PNG in TIFF": lambda path: tifffile.imwrite(path, LABELS, compression="png"),
}


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_forms_of_the_same_compressions_hold_labels(tmp_path, kind):
    path = tmp_path / ("mask.jp2" if kind == "jp2" else "mask.tif")
    LOSSLESS[kind](path)
    assert (read_mask(path, SHAPE) == LABELS).all()
