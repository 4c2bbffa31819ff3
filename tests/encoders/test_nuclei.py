"""Measurements of nuclei: from masks or found, and what they make of none, one, and those at the border."""

import numpy as np
import pytest
import tifffile
from numpy.testing import assert_allclose

from phenolens.core.errors import ImageError
from phenolens.embedding import NOTE, PROVENANCE, embed
from phenolens.encoders import create_encoder
from phenolens.images import Crop, NucleiOptions

MEASURES = ["cell-count", "area-fraction", "classical-features", "cell-graph/positions", "cell-graph/morphology"]


def discs(centres, radius=9, size=96):
    y, x = np.mgrid[:size, :size]
    labels = np.zeros((size, size), np.int32)
    for number, (cy, cx) in enumerate(centres, start=1):
        labels[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = number
    return labels


def image_of(labels, seed=0):
    rng = np.random.default_rng(seed)
    return rng.poisson(np.where(labels > 0, 900, 100), (1, 1, *labels.shape)).astype(np.float32)


def test_counts_come_from_the_masks_of_the_manifest(manifest):
    embedded = embed(manifest, ["cell-count", "area-fraction"], workers=0).embeddings
    assert embedded["cell-count"].X[:, 0].tolist() == list(range(8))
    areas = [(tifffile.imread(manifest.root / name) > 0).mean() for name in manifest.table["mask"]]
    assert_allclose(embedded["area-fraction"].X[:, 0], areas, rtol=1e-6)


def test_what_is_odd_of_the_sites_is_said(manifest):
    note = embed(manifest, ["classical-features"], workers=0).embeddings["classical-features"].uns[PROVENANCE][NOTE]
    assert note == "1 of 8 sites show no nuclei; 1 of 8 sites show a single nucleus"


def test_a_missing_or_ill_fitting_mask_is_quarantined(manifest):
    tifffile.imwrite(manifest.root / "mask_2.tif", np.zeros((9, 9), np.uint16))
    tifffile.imwrite(manifest.root / "mask_4.tif", np.full((96, 96), 0.5, np.float32))
    manifest.table.loc["s5", "mask"] = None
    (manifest.root / "mask_6.tif").unlink()
    quarantine = embed(manifest, ["cell-count"], workers=0).quarantine
    assert set(quarantine) == {"s2", "s4", "s5", "s6"}
    assert "the mask is 9x9 but its image 96x96" in quarantine["s2"]
    assert "labels must be whole numbers" in quarantine["s4"]
    assert "has no mask, although the manifest has a column of masks" in quarantine["s5"]
    assert "no such file" in quarantine["s6"]


def test_masks_of_classes_are_refused_or_taken_apart_by_choice(manifest):
    """Every other nucleus is of class 2, the others of class 1."""
    for name in manifest.table["mask"]:
        labels = tifffile.imread(manifest.root / name)
        tifffile.imwrite(manifest.root / name, np.where(labels > 0, labels % 2 + 1, 0).astype(np.uint8))
    refused = embed(manifest, ["cell-count"], workers=0).quarantine
    assert "{masks: classes}" in refused["s7"]
    chosen = embed(manifest, ["cell-count"], workers=0, nuclei=NucleiOptions(masks="classes"))
    assert chosen.embeddings["cell-count"].X[:, 0].tolist() == list(range(8))
    assert not chosen.quarantine


def test_without_masks_nuclei_are_found_once_for_all(manifest, monkeypatch):
    calls = []
    find = type(create_encoder("cell-count", ("dna",)).segmentation).find
    monkeypatch.setattr("phenolens.encoders.nuclei.Segmentation.find", lambda *args: calls.append(1) or find(*args))
    manifest.table.drop(columns="mask", inplace=True)
    embedded = embed(manifest, MEASURES, workers=0).embeddings
    assert len(calls) == 8
    assert_allclose(embedded["cell-count"].X[:, 0], range(8), atol=1)


@pytest.mark.parametrize("name", MEASURES)
def test_crops_of_masks_follow_those_of_images(manifest, name):
    vectors = embed(manifest, [name], crop=Crop("tiles", 48), workers=0).embeddings[name]
    assert np.isfinite(vectors.X).all()
    if name == "area-fraction":
        assert_allclose(vectors.X, embed(manifest, [name], workers=0).embeddings[name].X, rtol=1e-5)


def test_processes_do_not_change_the_numbers(manifest):
    here = embed(manifest, MEASURES, workers=0).embeddings
    there = embed(manifest, MEASURES, workers=2, batch_size=3).embeddings
    for name in MEASURES:
        assert_allclose(here[name].X, there[name].X, rtol=1e-6)


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("centres", [[], [(48, 48)], [(3, 3)], [(0, 48), (48, 95)], [(30, 30), (60, 60)]])
def test_odd_images_give_finite_vectors(name, centres):
    labels = discs(centres)
    encoder = create_encoder(name, ("dna",))
    assert np.isfinite(encoder.embed(image_of(labels), ("dna",), labels[None])).all()
    assert np.isfinite(encoder.embed(image_of(labels), ("dna",))).all()


@pytest.mark.parametrize("name", MEASURES)
def test_gaps_between_labels_change_nothing(name):
    labels = discs([(30, 30), (60, 60), (30, 70)])
    gaps = np.array([0, 5, 900, 17])[labels].astype(np.int32)
    encoder = create_encoder(name, ("dna",))
    image = image_of(labels)
    one, other = (encoder.embed(image, ("dna",), each[None]) for each in (labels, gaps))
    assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_specks_of_a_pixel_are_measured_without_a_word_of_numpy(recwarn):
    labels = discs([(30, 30)])
    labels[80, 80] = 2
    vectors = create_encoder("cell-graph/morphology", ("dna",)).embed(image_of(labels), ("dna",), labels[None])
    assert np.isfinite(vectors).all()
    assert np.isfinite(
        create_encoder("classical-features", ("dna",)).embed(image_of(labels), ("dna",), labels[None])
    ).all()
    assert [str(warning.message) for warning in recwarn] == []


def test_limits_in_microns_need_the_microns_per_pixel(manifest):
    limits = NucleiOptions(diameter=(4, 20))
    with pytest.raises(ImageError, match="'s0' has no mpp"):
        embed(manifest, ["cell-count"], workers=0, nuclei=limits)
    manifest.table.drop(columns="mask", inplace=True)
    manifest.table["mpp"] = 0.5  # the discs have 8 microns
    for limits, counts in (((4, 20), list(range(8))), ((10, 20), [0] * 8)):
        found = embed(manifest, ["cell-count"], workers=0, nuclei=NucleiOptions(diameter=limits))
        assert_allclose(found.embeddings["cell-count"].X[:, 0], counts, atol=1 if counts[-1] else 0)
