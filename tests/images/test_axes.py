"""Axes of TIFF and OME-Zarr: by kind and position, whatever their names, with axes of length 1 anywhere."""

import json

import numpy as np
import pytest
import tifffile
import zarr

from phenolens.core.errors import ImageError
from phenolens.images import read_image

RNG = np.random.default_rng(0)
PLANE = RNG.integers(0, 60_000, (24, 32)).astype(np.uint16)
CHANNELS = RNG.integers(0, 60_000, (5, 24, 32)).astype(np.uint16)


@pytest.mark.parametrize(
    ("shape", "pixels"),
    [
        ((1, 1, 24, 32), PLANE[None]),
        ((1, 1, 1, 24, 32), PLANE[None]),
        ((24, 32, 1), PLANE[None]),
        ((24, 32, 1, 1), PLANE[None]),
        ((1, 24, 32, 1), PLANE[None]),
        ((5, 1, 24, 32), CHANNELS),
        ((1, 5, 24, 32), CHANNELS),
        ((5, 24, 32, 1), CHANNELS),
        ((1, 5, 1, 24, 32), CHANNELS),
    ],
)
def test_axes_of_length_one_may_be_anywhere_in_a_tiff(tmp_path, shape, pixels):
    tifffile.imwrite(tmp_path / "a.tif", pixels.reshape(shape), photometric="minisblack")
    assert (read_image(tmp_path / "a.tif")[0] == pixels).all()


def test_two_long_unknown_axes_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.stack([CHANNELS, CHANNELS]), photometric="minisblack")
    with pytest.raises(ImageError, match="both axes Q and Q hold channels"):
        read_image(tmp_path / "a.tif")


def write(path, pixels, axes):
    """Write an OME-Zarr of NGFF 0.4 with the given axes."""
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    group.create_array("0", shape=pixels.shape, chunks=pixels.shape, dtype=pixels.dtype)[...] = pixels
    group.attrs.update({"multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]})
    return path


def typed(*axes):
    kinds = {"c": "channel", "t": "time", "s": "space", "p": "phase"}
    return [{"name": axis[2:], "type": kinds[axis[0]]} for axis in axes]


@pytest.mark.parametrize(
    ("axes", "shape", "pixels"),
    [
        (typed("c:channel", "s:y", "s:x"), (5, 24, 32), CHANNELS),
        (typed("c:stain", "s:row", "s:col"), (5, 24, 32), CHANNELS),
        (typed("t:frame", "c:λ", "s:depth", "s:Y", "s:X"), (1, 5, 1, 24, 32), CHANNELS),
        (typed("c:x", "s:a", "s:b"), (5, 24, 32), CHANNELS),
        (typed("p:phase", "c:c", "s:y", "s:x"), (1, 5, 24, 32), CHANNELS),
        ([{"name": name} for name in ("channel", "Y", "X")], (5, 24, 32), CHANNELS),
        (["t", "c", "y", "x"], (1, 5, 24, 32), CHANNELS),
    ],
)
def test_axes_of_ome_zarr_are_known_by_their_type(tmp_path, axes, shape, pixels):
    assert (read_image(write(tmp_path / "a.zarr", pixels.reshape(shape), axes))[0] == pixels).all()


def test_rows_and_columns_are_known_by_name_in_any_order(tmp_path):
    turned = np.ascontiguousarray(CHANNELS.transpose(2, 0, 1))
    path = write(tmp_path / "a.zarr", turned, typed("s:x", "c:c", "s:y"))
    assert (read_image(path)[0] == CHANNELS).all()


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        (typed("s:c", "s:y", "s:x"), "5 z-planes where a site has one"),
        (typed("t:channel", "s:y", "s:x"), "5 time points where a site has one"),
        (typed("p:phase", "s:y", "s:x"), "5 planes along axis phase"),
        (typed("c:c", "c:d", "s:x"), "do not fit"),
        (typed("s:y", "s:x"), "do not fit"),
    ],
)
def test_a_type_counts_more_than_a_name(tmp_path, axes, said):
    with pytest.raises(ImageError, match=said):
        read_image(write(tmp_path / "a.zarr", CHANNELS, axes))


def test_metadata_that_are_no_axes_are_one_line(tmp_path):
    path = write(tmp_path / "a.zarr", CHANNELS, typed("c:c", "s:y", "s:x"))
    attributes = json.loads((path / ".zattrs").read_text())
    for axes in (7, [7, 8, 9], [{"type": "channel"}] * 3):
        attributes["multiscales"][0]["axes"] = axes
        (path / ".zattrs").write_text(json.dumps(attributes))
        with pytest.raises(ImageError, match=r"a\.zarr") as caught:
            read_image(path)
        assert "\n" not in str(caught.value)
