"""Files that would block, fill memory or be half read: refused at once, whatever the program around them does."""

import json
import logging
import os
import resource
import struct
import subprocess
import sys

import numcodecs
import numpy as np
import pytest
import tifffile
import zarr

from phenolens.core.errors import ImageError
from phenolens.datasets import read_manifest
from phenolens.embedding import embed
from phenolens.images import bit_depth, read_image, read_mask

PLANE = np.random.default_rng(0).integers(0, 4000, (40, 48)).astype(np.uint16)
SUFFIXES = ("png", "jpg", "jp2", "tif", "zarr", "safetensors#0")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", ["a named pipe", "a device"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, kind, suffix):
    path = tmp_path / f"a.{suffix}"
    if kind == "a named pipe":
        os.mkfifo(str(path).removesuffix("#0"))
    else:
        os.symlink("/dev/zero", str(path).removesuffix("#0"))
    for read in (read_image, lambda name: read_mask(name, (4, 4))):
        with pytest.raises(ImageError, match=f"is {kind}, not a regular file"):
            read(path)


@pytest.mark.parametrize("suffix", ["png", "tif", "jp2"])
def test_headers_of_pipes_are_not_waited_for(tmp_path, suffix):
    os.mkfifo(tmp_path / f"a.{suffix}")
    with pytest.raises(ImageError, match="is a named pipe, not a regular file"):
        bit_depth(tmp_path / f"a.{suffix}")


@pytest.mark.parametrize("inside", [".zattrs", "0/.zarray", "0/.zattrs", "0/0.0.0"])
def test_pipes_within_an_ome_zarr_are_refused(tmp_path, inside):
    path = write_zarr(tmp_path / "a.zarr", PLANE[None])
    (path / inside).unlink(missing_ok=True)
    os.mkfifo(path / inside)
    with pytest.raises(ImageError, match="is a named pipe"):
        read_image(path)


def test_a_pipe_among_images_is_quarantined_and_validation_names_it(tmp_path):
    for number in range(3):
        tifffile.imwrite(tmp_path / f"{number}.tif", PLANE)
    os.mkfifo(tmp_path / "p.png")
    (tmp_path / "manifest.csv").write_text(
        "site_id,image\n" + "".join(f"s{n},{n}.tif\n" for n in range(3)) + "p,p.png\n"
    )
    manifest = read_manifest(tmp_path / "manifest.csv")
    assert manifest.missing_files() == [f"row 5, column 'image': no regular file {tmp_path / 'p.png'}"]
    embedded = embed(manifest, ["pixel-statistics"], workers=0)
    assert embedded.embeddings["pixel-statistics"].n_obs == 3
    assert "named pipe" in embedded.quarantine["p"]


def sparse(path, head, size):
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)
    return path


PNG_HEAD = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", 40, 48, 16, 0, 0, 0, 0)
JPEG_HEAD = b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 11, 8, 40, 48, 1) + bytes(3) + b"\xff\xda\x00\x08" + bytes(6)


@pytest.mark.parametrize(
    ("name", "head", "said"),
    [
        ("a.png", b"", "not a PNG file"),
        ("a.jpg", b"", "not a JPEG file"),
        ("a.jp2", b"", "not a JPEG 2000 file"),
        ("a.tif", b"", "not a TIFF file"),
        ("a.png", PNG_HEAD, "bytes are too many for an image of 48 x 40"),
        ("a.jpg", JPEG_HEAD, "bytes are too many for an image of 40 x 48"),
        ("a.jp2", b"\xff\x4f\xff\x51" + struct.pack(">HHIIII", 41, 0, 40, 48, 0, 0), "bytes are too many"),
    ],
)
def test_a_file_far_larger_than_its_image_is_not_read(tmp_path, name, head, said):
    path = sparse(tmp_path / name, head, 10 * 2**30)
    with pytest.raises(ImageError, match=said):
        read_image(path)


def write_zarr(path, pixels, **array):
    """Write an OME-Zarr of zarr v2; further entries replace those of its array."""
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    group.create_array("0", shape=pixels.shape, chunks=pixels.shape, dtype=pixels.dtype, compressors=None)[...] = pixels
    group.attrs.update({"multiscales": [{"axes": [{"name": name} for name in "cyx"], "datasets": [{"path": "0"}]}]})
    metadata = json.loads((path / "0" / ".zarray").read_text())
    (path / "0" / ".zarray").write_text(json.dumps(metadata | array))
    return path


COMPRESSORS = {
    "zstd": numcodecs.Zstd(),
    "bz2": numcodecs.BZ2(),
    "zlib": numcodecs.Zlib(),
    "gzip": numcodecs.GZip(),
    "lzma": numcodecs.LZMA(),
    "lz4": numcodecs.LZ4(),
    "blosc": numcodecs.Blosc(),
}


@pytest.mark.parametrize("name", COMPRESSORS)
def test_a_chunk_that_holds_more_than_its_values_is_refused(tmp_path, name):
    codec = COMPRESSORS[name]
    path = write_zarr(tmp_path / "a.zarr", PLANE[None], compressor=codec.get_config())
    chunk = path / "0" / "0.0.0"
    chunk.write_bytes(codec.encode(PLANE.tobytes()))
    assert (read_image(path)[0] == PLANE).all()
    for content in (codec.encode(bytes(2**22)), b"no chunk", b""):
        chunk.write_bytes(content)
        with pytest.raises(
            ImageError, match=r"a\.zarr: the zarr chunk 0\.0\.0 is damaged or holds more than its values"
        ):
            read_image(path)


@pytest.mark.parametrize("index", ["start", "end"])
def test_a_shard_whose_chunk_holds_more_is_refused(tmp_path, index):
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=3)
    axes = [{"name": name} for name in "cyx"]
    group.attrs.update({"ome": {"multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]}})
    serializer = zarr.codecs.ShardingCodec(
        chunk_shape=(1, 20, 24), codecs=[zarr.codecs.BytesCodec(), zarr.codecs.ZstdCodec()], index_location=index
    )
    array = group.create_array(
        "0", shape=(1, 40, 48), chunks=(1, 40, 48), dtype="u2", serializer=serializer, compressors=None
    )
    array[...] = PLANE[None]
    assert (read_image(tmp_path / "a.zarr")[0] == PLANE).all()
    shard = tmp_path / "a.zarr" / "0" / "c" / "0" / "0" / "0"
    stored = shard.read_bytes()
    bomb = numcodecs.Zstd().encode(bytes(2**22))
    listed = np.frombuffer(stored[: 4 * 16] if index == "start" else stored[-4 * 16 - 4 : -4], "<u8").copy()
    listed[:2] = (4 * 16 + 4 if index == "start" else 0), len(bomb)
    checked = numcodecs.CRC32C(location="end").encode(listed.tobytes())
    body = bomb + stored
    shard.write_bytes(bytes(checked) + body if index == "start" else body + bytes(checked))
    with pytest.raises(ImageError, match="is damaged or holds more than its values"):
        read_image(tmp_path / "a.zarr")


@pytest.mark.parametrize(
    ("array", "said"),
    [
        ({"chunks": [1, 1_000_000, 1_000_000]}, "chunks of 1 x 1000000 x 1000000 are too large"),
        ({"chunks": [10**9, 40, 48]}, "are too large"),
        ({"shape": [1, 2048, 2048], "chunks": [1, 1, 1]}, "4194304 chunks are too many"),
        ({"shape": [1, 32768, 32768], "chunks": [1, 8, 8]}, "chunks are too many"),
        ({"shape": [1, 10**6, 10**6]}, "values are too many for one site"),
        ({"filters": [{"id": "zlib", "level": 1}], "compressor": {"id": "zlib", "level": 1}}, "not supported together"),
    ],
)
def test_absurd_chunks_are_refused_before_they_are_looked_for(tmp_path, array, said):
    with pytest.raises(ImageError, match=said):
        read_image(write_zarr(tmp_path / "a.zarr", PLANE[None], **array))


def test_chunks_beyond_a_small_image_are_read(tmp_path):
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    group.create_array("0", shape=(1, 40, 48), chunks=(1, 1024, 1024), dtype="u2")[...] = PLANE[None]
    group.attrs.update({"multiscales": [{"axes": [{"name": name} for name in "cyx"], "datasets": [{"path": "0"}]}]})
    assert (read_image(tmp_path / "a.zarr")[0] == PLANE).all()


def test_a_chunk_of_a_gigabyte_needs_no_memory(tmp_path):
    path = write_zarr(tmp_path / "a.zarr", PLANE[None], compressor={"id": "zstd", "level": 1})
    (path / "0" / "0.0.0").write_bytes(numcodecs.Zstd().encode(bytes(2**30)))
    limit = 2**30  # of addresses, which are far more than the memory in use

    def lower():
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    code = "import sys\nfrom phenolens.images import read_image\nread_image(sys.argv[1])"
    run = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False, preexec_fn=lower
    )
    assert "holds more than its values" in run.stderr


CUT = {
    "ImageJ": {"imagej": True},
    "named axes": {"photometric": "minisblack"},
    "plain pages": {"photometric": "minisblack", "metadata": None, "compression": "lzw"},
    "OME": {"ome": True, "photometric": "minisblack", "metadata": {"axes": "CYX"}},
    "BigTIFF, big endian": {"bigtiff": True, "byteorder": ">", "photometric": "minisblack", "compression": "zlib"},
}


@pytest.mark.parametrize("kind", CUT)
@pytest.mark.parametrize("silence", ["no", "logger", "all"])
def test_a_cut_tiff_is_refused_even_if_its_reader_is_silenced(tmp_path, kind, silence):
    pixels = np.stack([PLANE, PLANE + 1, PLANE + 2])
    tifffile.imwrite(tmp_path / "a.tif", pixels, **CUT[kind])
    whole = (tmp_path / "a.tif").read_bytes()
    logger = logging.getLogger("tifffile")
    level = logger.level
    try:
        if silence == "logger":
            logger.setLevel(logging.CRITICAL)
        elif silence == "all":
            logging.disable(logging.CRITICAL)
        assert (read_image(tmp_path / "a.tif")[0] == pixels).all()
        for length in range(9, len(whole) - 64, 331):
            (tmp_path / "cut.tif").write_bytes(whole[:length])
            with pytest.raises(ImageError, match=r"cut\.tif"):
                read_image(tmp_path / "cut.tif")
    finally:
        logger.setLevel(level)
        logging.disable(logging.NOTSET)


def test_pages_in_a_circle_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.stack([PLANE, PLANE]), photometric="minisblack", metadata=None)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        last, first = tif.pages[1], tif.pages[0].offset
        end = last.offset + 2 + 12 * len(last.tags)
    struct.pack_into("<I", data, end, first)
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(ImageError, match="its pages form a circle"):
        read_image(tmp_path / "a.tif")
