"""Simulated tissue: its truth is what it says, and its classes differ in what they are said to differ."""

import numpy as np
import pandas as pd
import pytest
import tifffile
from anndata import AnnData
from scipy.stats import ttest_ind

from phenolens.core.errors import ManifestError
from phenolens.datasets import read_manifest
from phenolens.embedding import read_embeddings
from phenolens.images import read_image
from phenolens.simulation import CLASSES, simulate_tissue
from phenolens.tasks import make_task

OPTIONS = {"patients": 4, "slides": 2, "tiles": 2, "size": 128, "workers": 1}
OWN = {
    "composition": "true_share_lymphocyte",
    "arrangement": "true_clustering",
    "stain": "true_stain_haematoxylin",
    "morphology": "true_nuclear_area",
}


@pytest.fixture(scope="module", params=sorted(CLASSES))
def slides(request, tmp_path_factory):
    path = simulate_tissue(
        tmp_path_factory.mktemp(request.param), preset=request.param, seed=3, **OPTIONS | {"tiles": 3}
    )
    return request.param, pd.read_csv(path), path


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("variant", ["he", "multiplex"])
def test_bytes_depend_on_the_seed_and_not_on_the_workers(tmp_path, variant):
    for name, workers, seed in [("a", 1, 3), ("b", 2, 3), ("c", 1, 4)]:
        options = OPTIONS | {"workers": workers, "size": 64, "patients": 2}
        simulate_tissue(tmp_path / name, variant=variant, seed=seed, **options)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert files(tmp_path / "a") != files(tmp_path / "c")


def test_classes_differ_in_their_own_factor_and_in_no_other(slides):
    preset, table, _ = slides
    # Patients have both classes: within a patient, the factor of the class is all that differs.
    facts = [name for name in table if name.startswith("true_") and name != "true_stain_eosin"]
    centred = table[facts] - table.groupby("patient")[facts].transform("mean")
    a, b = (centred[(table["label"] == label).to_numpy()] for label in "ab")
    t = {name: abs(ttest_ind(a[name].dropna(), b[name].dropna()).statistic) for name in facts}
    assert max(t, key=t.get) == OWN[preset]
    assert t[OWN[preset]] > 6
    if preset == "arrangement":
        shares = [name for name in facts if name.startswith("true_share")] + ["true_count"]
        assert max(t[name] for name in shares) < 3


@pytest.mark.parametrize("slides", ["arrangement"], indirect=True)
def test_lymphocytes_of_a_tile_are_as_many_however_they_are_arranged(slides):
    _, table, path = slides
    cells = pd.read_parquet(path.parent / "cells.parquet").merge(table[["site_id", "label", "patient"]], on="site_id")
    stroma = cells[cells["type"] != "epithelial"]
    share = stroma.groupby(["patient", "label"])["type"].apply(lambda types: (types == "lymphocyte").mean()).unstack()
    np.testing.assert_allclose(share["a"], share["b"], atol=0.01)


def test_manifest_masks_and_cells_agree(slides):
    _, table, path = slides
    manifest = read_manifest(path)
    assert manifest.missing_files() == []
    assert manifest.table["slide"].nunique() == 8
    pixels, channels = read_image(manifest.images(0))
    assert pixels.shape == (3, 128, 128)
    assert channels == ("red", "green", "blue")
    cells = pd.read_parquet(path.parent / "cells.parquet")
    assert (cells.groupby("site_id").size().reindex(table["site_id"]).to_numpy() == table["true_count"]).all()
    first = table.iloc[0]
    mask = tifffile.imread(path.parent / first["mask"])
    own = cells[cells["site_id"] == first["site_id"]]
    inner = own[own["y"].between(3, 124) & own["x"].between(3, 124)]
    at = mask[inner["y"].round().astype(int), inner["x"].round().astype(int)]
    assert (at == inner["instance"]).mean() > 0.9
    nuclei = pixels[:, mask > 0].mean()
    assert nuclei < pixels[:, mask == 0].mean() - 20


def test_markers_tell_types(tmp_path):
    path = simulate_tissue(tmp_path, variant="multiplex", seed=1, **OPTIONS)
    manifest = read_manifest(path)
    cells = pd.read_parquet(tmp_path / "cells.parquet")
    signal = {}
    for row, site in enumerate(manifest.table.index[:8]):
        pixels, channels = read_image(manifest.images(row))
        assert channels == ("dna", "panck", "vimentin", "cd3", "cd68")
        mask = tifffile.imread(tmp_path / manifest.table["mask"].iloc[row])
        for cell in cells[cells["site_id"] == site].itertuples():
            inside = mask == cell.instance
            if inside.sum() > 10:
                signal.setdefault(cell.type, []).append(pixels[1:, inside].mean(axis=1))
    for code, name in enumerate(["epithelial", "fibroblast", "lymphocyte", "macrophage"]):
        assert np.mean(signal[name], axis=0).argmax() == code


def test_expression_follows_neighbourhoods_and_has_the_patients_level(tmp_path):
    table = pd.read_csv(simulate_tissue(tmp_path, preset="arrangement", seed=2, **OPTIONS | {"tiles": 4, "size": 96}))
    centred = table.groupby("patient")[["gene_immune", "true_clustering"]].transform(lambda own: own - own.mean())
    assert centred.corr().iloc[0, 1] > 0.9
    table[["site_id", "patient", "gene_immune", "true_clustering", "true_count"]].to_csv(
        tmp_path / "v.csv", index=False
    )
    vectors = read_embeddings(
        tmp_path / "v.csv", features=["true_clustering", "true_count"], metadata=["gene_immune", "patient"]
    )
    probe = make_task("regression-probe", targets=["gene_immune"], group="patient")
    assert probe.score(vectors, np.random.default_rng(0)).value > 0.8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "compositon"}, "did you mean 'composition'"),
        ({"variant": "ihc"}, "no variant 'ihc'"),
        ({"patients": 0}, "patients is 0"),
        ({"size": 20}, "size is 20"),
        ({"tiles": 40}, "too many cells"),
    ],
)
def test_what_cannot_be_simulated_is_refused_before_anything_is_written(tmp_path, options, message):
    with pytest.raises(ManifestError, match=message):
        simulate_tissue(tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_slides_are_never_overwritten(tmp_path):
    simulate_tissue(tmp_path, **OPTIONS | {"size": 64, "patients": 1})
    with pytest.raises(ManifestError, match="already holds a manifest"):
        simulate_tissue(tmp_path, **OPTIONS)


def test_no_average_tells_arrangements_apart(tmp_path):
    """Counts, shares of types and moments of colour do not; how lymphocytes lie does, on patients not seen."""
    path = simulate_tissue(
        tmp_path, preset="arrangement", seed=5, **OPTIONS | {"patients": 6, "tiles": 3, "workers": 2}
    )
    manifest, table = read_manifest(path), pd.read_csv(path)
    pixels = np.stack([read_image(manifest.images(row))[0] for row in range(len(table))]).astype(float)
    centred = pixels - pixels.mean(axis=(2, 3), keepdims=True)
    moments = [pixels.mean(axis=(2, 3)), centred.std(axis=(2, 3)), np.cbrt((centred**3).mean(axis=(2, 3)))]
    shares = table[[name for name in table if name.startswith("true_share")] + ["true_count"]].to_numpy()
    obs = table[["label", "patient"]].set_axis(table["site_id"])
    probe = make_task("linear-probe", label="label", group="patient", folds=6)
    rng = np.random.default_rng(0)
    blind = probe.score(AnnData(np.hstack([*moments, shares]).astype("f4"), obs=obs), rng)
    assert blind.interval(rng)[0] < 0.5
    oracle = probe.score(AnnData(table[["true_clustering"]].to_numpy("f4"), obs=obs), rng)
    assert oracle.interval(rng)[0] > 0.85
