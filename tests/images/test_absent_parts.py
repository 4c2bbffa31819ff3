"""Chunks, tiles and strips that files leave out: a fill value in images, no objects in masks."""

import struct

import numpy as np
import pytest
import tifffile
import zarr

from phenolens.core.errors import ImageError, PhenolensWarning
from phenolens.images import read_image, read_mask

PIXELS = np.arange(1, 64 * 64 + 1, dtype=np.uint16).reshape(64, 64)


def leave_out(path, parts=None, page=None):
    """Set offset and length of strips or tiles to 0, as writers of sparse files do; all of them if None."""
    with tifffile.TiffFile(path) as tif:
        pages = tif.pages if page is None else [tif.pages[page]]
        tags = [one.tags[code] for one in pages for code in ((324, 325) if one.is_tiled else (273, 279))]
        places = [(tag.valueoffset, {3: 2, 4: 4, 16: 8}[int(tag.dtype)], tag.count) for tag in tags]
    data = bytearray(path.read_bytes())
    for offset, width, count in places:
        for part in range(count) if parts is None else parts:
            data[offset + part * width : offset + (part + 1) * width] = bytes(width)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
@pytest.mark.parametrize("layout", [{"tile": (16, 16)}, {"rowsperstrip": 8}])
def test_parts_left_out_of_a_tiff_are_zero_and_warned_of(tmp_path, layout, compression):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PIXELS, compression=compression, **layout)
    leave_out(path, [1, 2])
    expected = PIXELS.copy()
    if "tile" in layout:
        expected[:16, 16:48] = 0
    else:
        expected[8:24] = 0
    with pytest.warns(PhenolensWarning, match=r"2 of \d+ (tiles|strips) are not on disk: read as 0"):
        found, _ = read_image(path)
    assert (found[0] == expected).all()


def test_the_value_for_no_data_fills_what_is_left_out(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PIXELS, tile=(32, 32), extratags=[(42113, 2, 0, "77", True)])
    with pytest.warns(PhenolensWarning, match="read as 77"):
        found, _ = read_image(leave_out(path, [3]))
    assert (found[0, 32:, 32:] == 77).all()
    with pytest.raises(ImageError, match="do not stand for background"):
        read_mask(path, (64, 64))


def test_blank_tiles_of_a_colour_picture_have_no_known_colour(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.full((64, 64, 3), 200, np.uint8), photometric="rgb", tile=(32, 32), compression="zlib")
    with pytest.raises(ImageError, match="1 of 4 tiles are left out, and the file does not say with which value"):
        read_image(leave_out(path, [0]))


@pytest.mark.parametrize("layout", [{"tile": (16, 16), "compression": "zlib"}, {}, {"rowsperstrip": 8}])
def test_an_image_of_which_nothing_is_there_is_refused_and_a_mask_is_empty(tmp_path, layout):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PIXELS, **layout)
    leave_out(path)
    with pytest.raises(ImageError, match="channel 'gray' has no data on disk"):
        read_image(path)
    assert not read_mask(path, (64, 64)).any()


def test_a_channel_of_which_nothing_is_there_is_named(tmp_path):
    path = tmp_path / "a.tif"
    planes = np.stack([PIXELS, PIXELS % 7, PIXELS // 3])  # lengths that differ, since equal lists of them are shared
    tifffile.imwrite(path, planes, photometric="minisblack", tile=(16, 16), compression="zlib")
    with pytest.raises(ImageError, match="channel 'er' has no data on disk"):
        read_image(leave_out(path, page=1), ["dna", "er", "rna"])


def test_an_offset_without_a_length_is_damage(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PIXELS, tile=(16, 16), compression="zlib")
    with tifffile.TiffFile(path) as tif:
        at = tif.pages[0].tags[325].valueoffset
        width = {3: "H", 4: "I"}[int(tif.pages[0].tags[325].dtype)]
    data = bytearray(path.read_bytes())
    struct.pack_into(f"<{width}", data, at, 0)
    path.write_bytes(data)
    with pytest.raises(ImageError, match="damaged or cut short"):
        read_image(path)


def label_zarr(path, labels, version, **options):
    """Write a label image as zarr-python does, which leaves out chunks of zeros."""
    group = zarr.open_group(str(path), mode="w", zarr_format=version)
    array = group.create_array("0", shape=labels.shape, chunks=(16, 16), dtype=labels.dtype, **options)
    array[...] = labels
    multiscales = [{"axes": [{"name": name, "type": "space"} for name in "yx"], "datasets": [{"path": "0"}]}]
    group.attrs.update({"multiscales": multiscales} if version == 2 else {"ome": {"multiscales": multiscales}})
    return path


@pytest.mark.parametrize("version", [2, 3])
def test_labels_without_a_chunk_are_labels_without_objects(tmp_path, version):
    labels = np.zeros((64, 64), np.uint16)
    empty = label_zarr(tmp_path / "empty.zarr", labels, version)
    assert not read_mask(empty, (64, 64)).any()
    with pytest.raises(ImageError, match="has no data on disk"):
        read_image(empty)
    labels[3:9, 3:9], labels[30:40, 30:40] = 1, 2
    some = label_zarr(tmp_path / "some.zarr", labels, version)
    assert (read_mask(some, (64, 64)) == labels).all()


def test_labels_in_shards_and_of_another_background(tmp_path):
    labels = np.zeros((64, 64), np.uint16)
    labels[3:9, 3:9] = 5
    assert (read_mask(label_zarr(tmp_path / "a.zarr", labels, 3, shards=(32, 32)), (64, 64)) == labels).all()
    other = label_zarr(tmp_path / "b.zarr", np.full((64, 64), 9, np.uint16), 2, fill_value=9)
    with pytest.raises(ImageError, match="16 of 16 chunks are left out, and do not stand for background"):
        read_mask(other, (64, 64))
