"""`phenolens segment`: label images that are masks, overlays, a table; and what cannot be segmented."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from phenolens.datasets import read_manifest
from phenolens.embedding import embed


@pytest.fixture
def folder(tmp_path):
    """Three sites of 4, 5 and 6 discs of 8 microns, and one that is no image."""
    y, x = np.mgrid[:96, :96]
    rows = []
    for index in range(3):
        pixels = np.random.default_rng(index).poisson(30, (96, 96))
        for place in range(4 + index):
            pixels[np.hypot(y - 20 - 28 * (place // 3), x - 20 - 28 * (place % 3)) < 8] += 120
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(tmp_path / f"{index}.png")
        rows.append({"site_id": f"a/{index}", "image": f"{index}.png", "mpp": 0.5, "label": "x"})
    (tmp_path / "3.png").write_bytes(b"no image")
    rows.append({"site_id": "broken", "image": "3.png", "mpp": 0.5, "label": "x"})
    pd.DataFrame(rows).to_csv(tmp_path / "manifest.csv", index=False)
    return tmp_path


def test_what_is_found_is_written_and_can_be_used_as_masks(call, folder):
    out = folder / "out"
    code, text, err = call("segment", folder / "manifest.csv", "--out", out, "--workers", 0, "--diameter", 4, 20)
    assert code == 0
    assert "15 nuclei in 3 sites" in text
    assert err.startswith("skipped: broken: ")
    table = pd.read_csv(out / "nuclei.csv")
    assert table["nuclei"].tolist() == [4, 5, 6]
    assert table["median_diameter_microns"].between(7, 9).all()
    assert pd.read_csv(out / "skipped.csv")["site_id"].tolist() == ["broken"]
    manifest = read_manifest(out / "manifest.csv")
    assert embed(manifest, ["cell-count"], workers=0).embeddings["cell-count"].X[:, 0].tolist() == [4, 5, 6]
    overlay = np.asarray(Image.open(out / "overlays" / "000000.png"))
    assert overlay.shape == (96, 96, 3)
    assert (overlay == (255, 210, 0)).all(axis=2).sum() > 100


def test_limits_leave_out_nuclei_and_the_reason_is_said(call, folder):
    arguments = ("segment", folder / "manifest.csv", "--workers", 0, "--json")
    code, text, _ = call(*arguments, "--out", folder / "out", "--diameter", 10, 20)
    assert code == 0
    sites = json.loads(text)["sites"]
    assert [site["nuclei"] for site in sites] == [0, 0, 0]
    assert {site["caveats"] for site in sites} == {"show no nuclei"}


def test_processes_find_the_same(call, folder):
    for workers in (0, 2):
        assert call("segment", folder / "manifest.csv", "--out", folder / f"{workers}", "--workers", workers)[0] == 0
    assert (folder / "0/nuclei.csv").read_bytes() == (folder / "2/nuclei.csv").read_bytes()


def test_what_cannot_be_done_is_one_line(call, folder):
    (folder / "full").mkdir()
    (folder / "full" / "mine.txt").write_text("keep me")
    manifest = pd.read_csv(folder / "manifest.csv")
    manifest.drop(columns="mpp").to_csv(folder / "no_mpp.csv", index=False)
    two = manifest.rename(columns={"image": "image_er"}).assign(image_actin=manifest["image"])
    two.to_csv(folder / "two.csv", index=False)
    for arguments, reason in (
        (("manifest.csv", "--out", folder / "full"), "exists and is not an empty folder"),
        (("no_mpp.csv", "--out", folder / "a", "--diameter", 4, 20), "'a/0' has no mpp"),
        (("two.csv", "--out", folder / "b"), "which of er, actin shows nuclei is unknown; name it (--channel)"),
        (("two.csv", "--out", folder / "c", "--channel", "dna"), "no nuclear channel 'dna'"),
        (("manifest.csv", "--out", folder / "d", "--segmentation", "clasical"), "did you mean 'classical'"),
    ):
        code, _, err = call("segment", folder / arguments[0], *arguments[1:])
        assert code == 1
        assert err.count("\n") == 1
        assert reason in err
    assert (folder / "full" / "mine.txt").read_text() == "keep me"
