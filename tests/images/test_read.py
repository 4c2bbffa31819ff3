"""Every format round trip, and every way in which a file can be bad."""

import json
import warnings

import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr

from phenolens.core.errors import ImageError, PhenolensWarning
from phenolens.images import read_image, read_site

RNG = np.random.default_rng(0)
GRAY8 = RNG.integers(0, 256, (24, 32)).astype(np.uint8)
GRAY16 = RNG.integers(0, 60_000, (24, 32)).astype(np.uint16)
COLOUR = RNG.integers(0, 256, (24, 32, 3)).astype(np.uint8)
STACK = RNG.integers(0, 60_000, (3, 24, 32)).astype(np.uint16)


def write_zarr(path, pixels, axes="cyx", labels=("dna", "er", "rna"), version=3, chunk=12):
    """Write a single-level OME-Zarr image."""
    group = zarr.open_group(str(path), mode="w", zarr_format=version)
    chunks = (*[1] * (pixels.ndim - 2), chunk, chunk)
    array = group.create_array("0", shape=pixels.shape, chunks=chunks, dtype=pixels.dtype)
    array[...] = pixels
    attributes = {
        "multiscales": [{"axes": [{"name": axis} for axis in axes], "datasets": [{"path": "0"}]}],
        "omero": {"channels": [{"label": label} for label in labels]},
    }
    group.attrs.update(attributes if version == 2 else {"ome": attributes})
    return path


@pytest.mark.parametrize("pixels", [GRAY8, GRAY16])
def test_gray_png_jp2_and_tiff_are_lossless(tmp_path, pixels):
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(pixels))
    (tmp_path / "a.jp2").write_bytes(imagecodecs.jpeg2k_encode(pixels, reversible=True, level=0))
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    for name in ("a.png", "a.jp2", "a.tif"):
        found, channels = read_image(tmp_path / name)
        assert found.dtype == pixels.dtype
        assert (found == pixels[None]).all()
        assert channels == ("gray",)


def test_colour_files_have_three_named_channels(tmp_path):
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(COLOUR))
    (tmp_path / "a.jpg").write_bytes(imagecodecs.jpeg_encode(COLOUR, level=100))
    tifffile.imwrite(tmp_path / "a.tif", COLOUR, photometric="rgb")
    for name in ("a.png", "a.jpg", "a.tif"):
        found, channels = read_image(tmp_path / name)
        assert channels == ("red", "green", "blue")
        assert found.shape == (3, 24, 32)
    assert (read_image(tmp_path / "a.png")[0] == np.moveaxis(COLOUR, -1, 0)).all()


def test_an_opaque_alpha_is_dropped_and_a_transparent_one_refused(tmp_path):
    opaque = np.concatenate([COLOUR, np.full((24, 32, 1), 255, np.uint8)], axis=2)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(opaque))
    assert read_image(tmp_path / "a.png")[1] == ("red", "green", "blue")
    opaque[0, 0, 3] = 7
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(opaque))
    with pytest.raises(ImageError, match="partly transparent"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("compression", [None, "deflate", "lzw", "zstd"])
def test_multi_page_tiff_keeps_the_dtype(tmp_path, dtype, compression):
    pixels = (STACK // 300).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", compression=compression)
    found, channels = read_image(tmp_path / "a.tif", names=["dna", "er", "rna"])
    assert found.dtype == dtype
    assert (found == pixels).all()
    assert channels == ("dna", "er", "rna")
    assert read_image(tmp_path / "a.tif")[1] == ("channel_0", "channel_1", "channel_2")


def test_ome_tiff_names_its_channels_and_names_given_win(tmp_path):
    metadata = {"axes": "CYX", "Channel": {"Name": ["dna", "er", "rna"]}}
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK, photometric="minisblack", metadata=metadata)
    found, channels = read_image(tmp_path / "a.ome.tif")
    assert channels == ("dna", "er", "rna")
    assert (found == STACK).all()
    assert read_image(tmp_path / "a.ome.tif", names=["a", "b", "c"])[1] == ("a", "b", "c")


@pytest.mark.parametrize(("axes", "said"), [("ZYX", "3 z-planes where a site has one; project"), ("TYX", "3 time")])
def test_stacks_and_series_are_refused(tmp_path, axes, said):
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK, photometric="minisblack", metadata={"axes": axes})
    with pytest.raises(ImageError, match=said):
        read_image(tmp_path / "a.ome.tif")


@pytest.mark.parametrize("version", [2, 3])
def test_ome_zarr(tmp_path, version):
    path = write_zarr(tmp_path / "a.zarr", STACK, version=version)
    found, channels = read_image(path)
    assert found.dtype == np.uint16
    assert (found == STACK).all()
    assert channels == ("dna", "er", "rna")


def test_ome_zarr_drops_single_planes_and_refuses_many(tmp_path):
    five = STACK[None, :, None]
    assert (read_image(write_zarr(tmp_path / "a.zarr", five, axes="tczyx"))[0] == STACK).all()
    with pytest.raises(ImageError, match="3 z-planes"):
        read_image(write_zarr(tmp_path / "b.zarr", STACK, axes="zyx"))


def test_ome_zarr_chunks_that_are_absent(tmp_path):
    path = write_zarr(tmp_path / "a.zarr", STACK)
    (path / "0" / "c" / "1" / "0" / "0").unlink()
    with pytest.warns(PhenolensWarning, match="1 of 18 chunks are not on disk"):
        read_image(path)
    for file in (path / "0" / "c" / "1").rglob("*"):
        if file.is_file():
            file.unlink()
    with pytest.raises(ImageError, match="channel 'er' has no data on disk"):
        read_image(path)


def test_ome_zarr_that_would_run_code_or_leave_its_folder_is_refused(tmp_path):
    path = write_zarr(tmp_path / "a.zarr", STACK, version=2)
    metadata = json.loads((path / "0" / ".zarray").read_text())
    (path / "0" / ".zarray").write_text(json.dumps({**metadata, "filters": [{"id": "pickle"}]}))
    with pytest.raises(ImageError, match="codec 'pickle' is not supported"):
        read_image(path)
    other = write_zarr(tmp_path / "b.zarr", STACK, version=2)
    attributes = json.loads((other / ".zattrs").read_text())
    attributes["multiscales"][0]["datasets"][0]["path"] = "../a.zarr/0"
    (other / ".zattrs").write_text(json.dumps(attributes))
    with pytest.raises(ImageError, match="outside of the folder"):
        read_image(other)


def test_xml_with_entities_is_refused(tmp_path):
    bomb = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><OME>&a;</OME>'
    tifffile.imwrite(tmp_path / "a.tif", GRAY8, description=bomb, metadata=None)
    with pytest.raises(ImageError, match="declares entities"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("found", "expected"), [(np.int16, np.float32), (np.uint32, np.float64), (np.float16, np.float32)]
)
def test_other_numbers_become_floats_without_loss(tmp_path, found, expected):
    pixels = (GRAY8.astype(np.int64) - 100 * (found is np.int16)).astype(found)
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    read, _ = read_image(tmp_path / "a.tif")
    assert read.dtype == expected
    assert (read[0] == pixels).all()


ENCODED = {
    "a.png": lambda: imagecodecs.png_encode(GRAY16),
    "a.jpg": lambda: imagecodecs.jpeg_encode(COLOUR, level=90),
    "a.jp2": lambda: imagecodecs.jpeg2k_encode(GRAY16, level=0, reversible=True),
}


def encoded(tmp_path, name):
    if name in ENCODED:
        (tmp_path / name).write_bytes(ENCODED[name]())
    else:
        compression = {"raw.tif": None, "deflate.tif": "deflate", "lzw.tif": "lzw"}[name]
        tifffile.imwrite(tmp_path / name, STACK, photometric="minisblack", compression=compression)
    return tmp_path / name


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("name", [*ENCODED, "raw.tif", "deflate.tif", "lzw.tif"])
def test_a_file_cut_short_is_refused_wherever_it_is_cut(tmp_path, name, share):
    path = encoded(tmp_path, name)
    read_image(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    refused(path)


@pytest.mark.parametrize("name", [*ENCODED, "raw.tif"])
@pytest.mark.parametrize("content", [b"", b"not an image at all", bytes(3000)])
def test_what_is_no_image_is_refused(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    refused(path)


def refused(path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageError) as caught:
            read_image(path)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_files_folders_and_unknown_formats(tmp_path):
    for path, said in [
        (tmp_path / "none.png", "no such file"),
        (tmp_path / "none.zarr", "no such file"),
        (tmp_path, "without OME-Zarr metadata"),
        (tmp_path / "a.gif", "not a known image format"),
        ("s3://bucket/a.png", "only local files"),
    ]:
        with pytest.raises(ImageError, match=said):
            read_image(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_not_finite_name_their_channel(tmp_path, value):
    pixels = STACK.astype(np.float32)
    pixels[1, 2, 3] = value
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack")
    with pytest.raises(ImageError, match=r"a\.tif: 1 pixels of channel 'er' are NaN or infinite"):
        read_image(tmp_path / "a.tif", names=["dna", "er", "rna"])


def test_wrong_or_repeated_names_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK, photometric="minisblack")
    with pytest.raises(ImageError, match="3 channels but 2 names"):
        read_image(tmp_path / "a.tif", names=["dna", "er"])
    with pytest.raises(ImageError, match="repeat"):
        read_image(tmp_path / "a.tif", names=["dna", "er", "er"])


def test_a_site_of_one_file_per_channel(tmp_path):
    for index, name in enumerate("abc"):
        tifffile.imwrite(tmp_path / f"{name}.tif", STACK[index])
    site = read_site({name: tmp_path / f"{name}.tif" for name in "abc"}, site_id="s1")
    assert site.channels == ("a", "b", "c")
    assert (site.pixels == STACK).all()
    assert (site.select(["c", "a"]).pixels == STACK[[2, 0]]).all()
    with pytest.raises(ImageError, match="s1: no channel 'd'"):
        site.select(["d"])


def test_channel_files_that_do_not_fit_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK[0])
    tifffile.imwrite(tmp_path / "small.tif", STACK[1][:10])
    tifffile.imwrite(tmp_path / "eight.tif", GRAY8)
    (tmp_path / "colour.png").write_bytes(imagecodecs.png_encode(COLOUR))
    for name, said in [
        ("small.tif", "10x32 uint16 but 'dna' is 24x32"),
        ("eight.tif", "uint8"),
        ("colour.png", "one channel"),
    ]:
        with pytest.raises(ImageError, match=said):
            read_site({"dna": tmp_path / "a.tif", "er": tmp_path / name})


def test_a_gray_picture_saved_as_colour_is_one_channel(tmp_path):
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(np.dstack([GRAY8] * 3)))
    assert (read_site({"dna": tmp_path / "a.png"}).pixels[0] == GRAY8).all()


def test_multiplexed_tissue_with_its_masks(data_dir):
    """Imaging mass cytometry: five float channels, and label masks of the same size."""
    folder = data_dir / "imc_pancreas_tiny"
    names = ["H3", "CD99", "PIN", "CD8a", "CDH"]
    paths = sorted(folder.glob("*_imc.tiff"))
    assert paths
    for path in paths:
        pixels, channels = read_image(path, names)
        assert pixels.shape == (5, 100, 100)
        assert pixels.dtype == np.float32
        assert channels == tuple(names)
        mask, _ = read_image(path.with_name(path.name.replace("_imc", "_mask")))
        assert mask.shape[1:] == pixels.shape[1:]
        assert mask.dtype == np.uint16
