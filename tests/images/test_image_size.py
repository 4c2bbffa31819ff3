"""Height and width from headers are those of the pixels, and headers of no image are refused."""

import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr

from phenolens.core.errors import ImageError
from phenolens.images import Site, image_size, read_image, site_size, write_shard

PIXELS = np.random.default_rng(0).integers(0, 200, (20, 31), dtype=np.uint8)
COLOUR = np.stack([PIXELS] * 3, axis=-1)


def ome_zarr(path, version):
    store = zarr.open_group(str(path), mode="w", zarr_format=version)
    store.create_array("0", data=np.stack([PIXELS] * 2)[:, None], chunks=(1, 1, 20, 31))
    multiscales = [{"datasets": [{"path": "0"}], "axes": [{"name": name} for name in "czyx"]}]
    store.attrs.update({"multiscales": multiscales} if version == 2 else {"ome": {"multiscales": multiscales}})


WRITERS = {
    "a.png": lambda path: path.write_bytes(imagecodecs.png_encode(PIXELS)),
    "a.jpg": lambda path: path.write_bytes(imagecodecs.jpeg_encode(COLOUR)),
    "a.jp2": lambda path: path.write_bytes(imagecodecs.jpeg2k_encode(PIXELS)),
    "a.j2k": lambda path: path.write_bytes(imagecodecs.jpeg2k_encode(PIXELS, codecformat="J2K")),
    "page.tif": lambda path: tifffile.imwrite(path, PIXELS),
    "big.tif": lambda path: tifffile.imwrite(path, PIXELS, bigtiff=True),
    "motorola.tif": lambda path: tifffile.imwrite(path, PIXELS.astype(np.uint16), byteorder=">"),
    "pages.tif": lambda path: tifffile.imwrite(path, np.stack([PIXELS] * 4), photometric="minisblack"),
    "planar.tif": lambda path: tifffile.imwrite(
        path, np.stack([PIXELS] * 3), photometric="rgb", planarconfig="separate"
    ),
    "tiled.tif": lambda path: tifffile.imwrite(path, COLOUR, photometric="rgb", tile=(16, 16)),
    "imagej.tif": lambda path: tifffile.imwrite(path, np.stack([PIXELS] * 2), imagej=True, metadata={"axes": "CYX"}),
    "a.ome.tif": lambda path: tifffile.imwrite(path, np.stack([PIXELS] * 2), metadata={"axes": "CYX"}),
    "v2.ome.zarr": lambda path: ome_zarr(path, 2),
    "v3.ome.zarr": lambda path: ome_zarr(path, 3),
}


@pytest.mark.parametrize("name", WRITERS)
def test_the_header_gives_the_size_of_the_pixels(tmp_path, name):
    WRITERS[name](tmp_path / name)
    assert image_size(tmp_path / name) == (20, 31) == read_image(tmp_path / name)[0].shape[1:]


def test_each_image_of_a_shard_has_its_size(tmp_path):
    sites = [Site(np.zeros((2, 4, side), np.uint8), ("a", "b"), str(side)) for side in (5, 9)]
    write_shard(sites, tmp_path / "s.safetensors", "")
    assert [image_size(f"{tmp_path}/s.safetensors#{number}") for number in (0, 1)] == [(4, 5), (4, 9)]


def test_a_header_may_be_behind_a_long_profile(tmp_path):
    profile = b"\xff\xe2" + (60_000).to_bytes(2) + bytes(59_998)
    data = imagecodecs.jpeg_encode(PIXELS)
    (tmp_path / "a.jpg").write_bytes(data[:2] + profile + data[2:])
    assert image_size(tmp_path / "a.jpg") == (20, 31)


def test_no_pixel_is_read(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((64, 64), np.uint16), compression="zlib")
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        start, length = tif.pages[0].dataoffsets[0], tif.pages[0].databytecounts[0]
    content[start : start + length] = b"x" * length
    path.write_bytes(content)
    assert image_size(path) == (64, 64)
    with pytest.raises(ImageError):
        read_image(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tif", b"", "is empty"),
        ("a.tif", b"II*\0\x08\0\0\0", "ends within a page"),
        ("a.tif", b"II*\0\0\0\0\0", "has no page"),
        ("a.tif", b"not one", "not a TIFF file"),
        ("a.png", b"\x89PNG\r\n\x1a\n", "no pixels"),
        ("a.jpg", b"\xff\xd8\xff\xc0\0\x11\x08\0", "no frame"),
        ("a.jp2", b"\xff\x4f\xff\x51\0\0", "no codestream"),
        ("a.bmp", b"BM", "not a known image format"),
    ],
)
def test_what_has_no_header_is_refused_on_one_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=message) as refused:
        image_size(tmp_path / name)
    assert str(refused.value).startswith(f"{tmp_path / name}: ")
    assert "\n" not in str(refused.value)


def test_channels_of_a_site_have_one_size(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PIXELS)
    tifffile.imwrite(tmp_path / "b.tif", PIXELS[:9])
    assert site_size({"a": tmp_path / "a.tif", "b": tmp_path / "a.tif"}) == (20, 31)
    with pytest.raises(ImageError, match="channel 'b' is 9x31 but 'a' is 20x31"):
        site_size({"a": tmp_path / "a.tif", "b": tmp_path / "b.tif"})
