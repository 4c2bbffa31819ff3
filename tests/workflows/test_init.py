"""From a folder to a manifest and a recipe that `validate` accepts as they are."""

import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml
from anndata import AnnData

from phenolens.core.errors import ManifestError, PhenolensError
from phenolens.datasets import read_manifest
from phenolens.datasets.layouts import PlateChoices
from phenolens.recipes import load_recipe
from phenolens.workflows.draft_recipe import as_yaml
from phenolens.workflows.init import init
from phenolens.workflows.init_tables import init_tables
from phenolens.workflows.validate import validate

WELLS = [f"{row}{column:02}" for row in "AB" for column in range(1, 7)]
TREATMENTS = ["DMSO", "DMSO", "DMSO", "taxol", "taxol", "colchicine", "colchicine", "y", "y", "x", "x", "x"]


@pytest.fixture
def plate(tmp_path):
    """A plate of an ImageXpress, 24 x 24 pixels, and its platemap."""
    folder = tmp_path / "screen"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for well in WELLS:
        for channel in (1, 2):
            image = rng.integers(0, 1000, (24, 24)).astype(np.uint16)
            tifffile.imwrite(folder / f"p1_{well}_s1_w{channel}.TIF", image)
    plan = pd.DataFrame({"well": WELLS, "compound": TREATMENTS, "moa": ["", "", "", *"aaaabbbbb"]})
    plan.to_csv(tmp_path / "plan.csv", index=False)
    return folder


def test_plates_without_a_platemap_get_one_to_fill_in(plate, tmp_path):
    drafted = init(plate, tmp_path / "out")
    assert [path.name for path in drafted.written] == ["manifest.csv", "platemap.csv"]
    assert "what is in each of the 12 wells" in drafted.missing[-1]
    assert drafted.next_step.startswith(f"phenolens init {plate} --platemap {tmp_path / 'out' / 'platemap.csv'}")
    template = pd.read_csv(tmp_path / "out/platemap.csv")
    assert template["well"].tolist() == WELLS
    assert template["perturbation"].isna().all()
    assert len(read_manifest(tmp_path / "out/manifest.csv")) == 12
    # Filled in, it is a platemap; the manifest that nobody has changed is replaced.
    template.assign(perturbation=TREATMENTS).to_csv(tmp_path / "out/platemap.csv", index=False)
    drafted = init(plate, tmp_path / "out", platemap=tmp_path / "out/platemap.csv")
    assert [path.name for path in drafted.written] == ["manifest.csv", "recipe.yaml"]
    assert read_manifest(tmp_path / "out/manifest.csv").controls.sum() == 3


def test_channels_may_be_named_once_the_platemap_is_filled_in(plate, tmp_path):
    init(plate)
    choices = PlateChoices(channels={"1": "dna", "2": "actin"})
    drafted = init(plate, platemap=tmp_path / "plan.csv", choices=choices)
    assert read_manifest(drafted.written[0]).image_columns == ("image_actin", "image_dna")


@pytest.mark.slow
def test_a_plate_with_a_platemap_gets_a_recipe_that_is_valid_as_it_is(plate, tmp_path):
    drafted = init(plate, platemap=tmp_path / "plan.csv", choices=PlateChoices(channels={"1": "dna", "2": "actin"}))
    manifest, recipe = drafted.written
    assert manifest.parent == tmp_path  # beside the folder of images
    found = read_manifest(manifest)
    assert found.missing_files() == []
    assert found.image_columns == ("image_actin", "image_dna")
    study = load_recipe(recipe)
    assert [task.id for task in study.tasks] == [
        "replicate-retrieval:controls",
        "replicate-retrieval:others",
        "phenotypic-consistency:moa",
    ]
    assert study.profiling == ["raw", "tvn"]
    assert study.embedding.crop.mode == "whole"
    assert validate(recipe).n_sites == 12
    for guess in drafted.guesses:  # every guess is in the recipe too
        assert guess.split(",")[0] in " ".join(recipe.read_text().replace("\n#    ", "").split())
    assert any("negative controls are DMSO" in guess for guess in drafted.guesses)


def test_without_controls_nothing_that_needs_them_is_asked(plate, tmp_path):
    plan = pd.read_csv(tmp_path / "plan.csv").replace("DMSO", "z")
    plan.to_csv(tmp_path / "plan.csv", index=False)
    drafted = init(plate, platemap=tmp_path / "plan.csv")
    study = load_recipe(drafted.written[1])
    assert study.profiling == ["raw"]
    assert not any(task.needs_controls for task in study.tasks)
    assert any("--controls DMSO" in sentence for sentence in drafted.missing)


def test_a_table_of_wells_and_a_platemap_are_joined(plate, tmp_path):
    table = pd.DataFrame({"file": [path.name for path in sorted(plate.iterdir())]})
    table["well"] = table["file"].str.split("_").str[1]
    table["gene"] = [f"g{number // 2}" for number in range(len(table))]
    table[table["file"].str.contains("_w1")].assign(other=table["file"].str.replace("_w1", "_w2")).to_csv(
        plate / "images.csv", index=False
    )
    drafted = init(plate, tmp_path / "out", platemap=tmp_path / "plan.csv")
    found = read_manifest(drafted.written[0]).table
    assert found["perturbation"].tolist() == TREATMENTS
    assert set(found["plate"]) == {"screen"}
    assert "the columns perturbation are those of plan.csv, and not of the table beside the images" in drafted.guesses


def test_nothing_is_overwritten_and_nothing_is_left_behind(plate, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "recipe.yaml").write_text("mine")
    with pytest.raises(PhenolensError, match=r"recipe.yaml: is there already.*--out"):
        init(plate, out, platemap=tmp_path / "plan.csv")
    assert [path.name for path in out.iterdir()] == ["recipe.yaml"]
    assert (out / "recipe.yaml").read_text() == "mine"
    (out / "recipe.yaml").unlink()
    first = init(plate, out, platemap=tmp_path / "plan.csv")
    assert init(plate, out, platemap=tmp_path / "plan.csv") == first  # the same again is no loss
    (out / "manifest.csv").write_text("mine")
    with pytest.raises(PhenolensError, match=r"manifest.csv: is there already"):
        init(plate, out, platemap=tmp_path / "plan.csv")


def test_a_platemap_that_breaks_the_manifest_leaves_it_as_it_was(plate, tmp_path):
    init(plate, tmp_path / "out")
    before = (tmp_path / "out/manifest.csv").read_bytes()
    pd.DataFrame({"well": WELLS, "compound": TREATMENTS, "dose": "high"}).to_csv(tmp_path / "plan.csv", index=False)
    with pytest.raises(ManifestError, match="column 'dose'"):
        init(plate, tmp_path / "out", platemap=tmp_path / "plan.csv")
    assert (tmp_path / "out/manifest.csv").read_bytes() == before


def test_images_that_cannot_be_read_are_said_and_none_is_refused(plate, tmp_path):
    (plate / "p1_A01_s1_w1.TIF").write_bytes(b"II*\0")
    drafted = init(plate, tmp_path / "out", platemap=tmp_path / "plan.csv")
    assert any("1 of 12 images that were tried cannot be read" in guess for guess in drafted.guesses)
    for path in plate.iterdir():
        path.write_bytes(b"II*\0")
    with pytest.raises(PhenolensError, match="none of 12 images that were tried can be read"):
        init(plate, tmp_path / "other", platemap=tmp_path / "plan.csv")
    assert not (tmp_path / "other").exists()


def test_a_platemap_for_images_without_wells_is_refused(tmp_path):
    for label in "xy":
        (tmp_path / "f" / label).mkdir(parents=True)
        tifffile.imwrite(tmp_path / "f" / label / "1.tif", np.zeros((8, 8), np.uint8))
    (tmp_path / "plan.csv").write_text("well,compound\nA1,x\n")
    with pytest.raises(ManifestError, match="a platemap is for wells"):
        init(tmp_path / "f", platemap=tmp_path / "plan.csv")


def test_too_few_images_of_a_label_are_said(tmp_path):
    for label in "xy":
        (tmp_path / "f" / label).mkdir(parents=True)
        tifffile.imwrite(tmp_path / "f" / label / "1.tif", np.zeros((8, 8), np.uint8))
    with pytest.raises(ManifestError, match=r"no task can be asked: .*at least two classes"):
        init(tmp_path / "f")
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize(
    ("shapes", "crop"),
    [
        ([(64, 64)], {"mode": "whole"}),
        ([(640, 640)], {"mode": "tiles", "size": 256}),
        ([(2000, 1300)], {"mode": "tiles", "size": 512}),
        ([(100, 1000)], {"mode": "tiles", "size": 100}),
        ([(360, 363), (366, 369)], {"mode": "centre", "size": 256}),
        ([(90, 120), (100, 100)], {"mode": "centre", "size": 80}),
    ],
)
def test_crops_fit_the_images(tmp_path, shapes, crop):
    for label in "xy":
        (tmp_path / "f" / label).mkdir(parents=True)
        for number in range(8):
            image = np.zeros(shapes[number % len(shapes)], np.uint8)
            tifffile.imwrite(tmp_path / "f" / label / f"{number}.tif", image)
    drafted = init(tmp_path / "f")
    assert yaml.safe_load(drafted.written[1].read_text())["embedding"]["crop"] == crop


def test_channels_of_files_that_do_not_name_them(tmp_path):
    for label in "xy":
        (tmp_path / "f" / label).mkdir(parents=True)
        for number in range(8):
            image = np.zeros((2, 8, 8), np.uint16)
            tifffile.imwrite(tmp_path / "f" / label / f"{number}.tif", image, photometric="minisblack")
    drafted = init(tmp_path / "f", tmp_path / "out")
    assert "channel_0 and channel_1" in drafted.missing[0]
    drafted = init(tmp_path / "f", tmp_path / "named", choices=PlateChoices(channels={"0": "dna", "1": "er"}))
    assert load_recipe(drafted.written[1]).dataset.names == ("dna", "er")
    with pytest.raises(ManifestError, match="no channel 'channel_7'"):
        init(tmp_path / "f", tmp_path / "odd", choices=PlateChoices(channels={"7": "dna"}))


def test_names_of_strangers_stay_within_comments_and_quotes(tmp_path):
    for label in ("x: {y", "'#\u2028tasks: []", "${PHENOLENS_SECRET}"):
        (tmp_path / "f: [" / label).mkdir(parents=True)
        for number in range(6):
            tifffile.imwrite(tmp_path / "f: [" / label / f"{number}.tif", np.zeros((8, 8), np.uint8))
    drafted = init(tmp_path / "f: [")
    study = load_recipe(drafted.written[1])
    assert study.name == "f: ["
    # An unprintable name is left out, as it could not be told apart in a table.
    assert set(read_manifest(drafted.written[0]).table["label"]) == {"x: {y", "${PHENOLENS_SECRET}"}


@pytest.mark.parametrize(
    "value",
    ["no", "1e3", "007", "2-Sep", "a: b", "- x", "{a}", "#c", "", " x", "µ", 'q"', "null", {"a": ["b", 1]}, 0.5],
)
def test_values_come_back_from_yaml(value):
    assert yaml.safe_load(as_yaml(value)) == value


# Tables of vectors.


def profiles(n_features=8, prefix="Cells_Feature_", **columns):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"Metadata_Plate": ["p1"] * 12 + ["p2"] * 12, "Metadata_Well": WELLS * 2, **columns})
    for number in range(n_features):
        rows[f"{prefix}{number}"] = rng.normal(size=24)
    return rows


def test_profiles_of_pycytominer(tmp_path):
    rows = profiles(Metadata_pert_iname=TREATMENTS * 2, Metadata_moa=["", "", "", *"aaaabbbbb"] * 2)
    rows = rows.assign(Metadata_control_type=["negcon" if name == "DMSO" else "" for name in TREATMENTS] * 2)
    rows["Metadata_Count_Cells"] = range(24)
    rows.to_parquet(tmp_path / "prof.parquet")
    drafted = init_tables([tmp_path / "prof.parquet"])
    (path,) = drafted.written
    study = load_recipe(path)
    assert study.dataset.tables["prof"].features == ("Cells_*",)
    assert study.dataset.tables["cell-count"].features == ("Count_Cells",)
    assert study.dataset.columns == {"perturbation": "pert_iname", "role": "control_type"}
    assert [task.id for task in study.tasks] == [
        "replicate-retrieval:controls",
        "replicate-retrieval:others",
        "phenotypic-consistency:moa",
        "leakage:plate",
    ]
    assert validate(path).n_sites == 24
    assert init_tables([tmp_path / "prof.parquet"], controls=["dmso"]) == drafted  # as its roles say
    with pytest.raises(PhenolensError, match=r"prof.parquet: its column of roles does not mark taxol"):
        init_tables([tmp_path / "prof.parquet"], controls=["taxol"])
    path.write_text("mine")
    with pytest.raises(PhenolensError, match="is there already"):
        init_tables([tmp_path / "prof.parquet"])


def test_joined_cells_of_cytotable_keep_numbers_of_objects_out_of_the_features(tmp_path):
    rows = profiles(gene=TREATMENTS * 2).rename(
        columns={"Metadata_Plate": "Image_Metadata_Plate", "Metadata_Well": "Image_Metadata_Well"}
    )
    rows = rows.assign(
        Image_Metadata_Plate=np.repeat([24277, 24278], 12), Metadata_ImageNumber=1, ObjectNumber=range(24)
    )
    rows.to_csv(tmp_path / "cells.csv", index=False)
    drafted = init_tables([tmp_path / "cells.csv"], tmp_path / "out")
    study = load_recipe(drafted.written[0])
    assert study.dataset.columns == {
        "plate": "Image_Metadata_Plate",
        "well": "Image_Metadata_Well",
        "perturbation": "gene",
    }
    assert study.dataset.negative_controls == ("DMSO",)
    assert study.dataset.tables["cells"].file == tmp_path / "out/../cells.csv"
    assert any("no features: ObjectNumber" in guess for guess in drafted.guesses)
    assert validate(drafted.written[0]).n_sites == 24


def test_features_of_one_prefix_and_a_constant_column_that_is_no_perturbation(tmp_path):
    rows = profiles(prefix="feat_x.", perturbation="compound", gene=TREATMENTS * 2, target_plate=range(24))
    rows.to_csv(tmp_path / "a.csv", index=False)
    study = load_recipe(init_tables([tmp_path / "a.csv"]).written[0])
    assert study.dataset.tables["a"].features == ("feat_x.*",)
    assert study.dataset.columns == {"perturbation": "gene"}


def test_embeddings_in_h5ad_and_text_are_compared(tmp_path):
    rows = profiles(prefix="feature_", perturbation=TREATMENTS * 2)
    rows.loc[0, "feature_0"] = np.nan
    rows.to_csv(tmp_path / "a.csv.gz", index=False)
    obs = rows[["Metadata_Plate", "Metadata_Well", "perturbation"]].set_axis([f"r{n}" for n in range(24)])
    AnnData(np.ones((24, 4), np.float32), obs=obs, var=pd.DataFrame(index=list("0123"))).write_h5ad(tmp_path / "b.h5ad")
    drafted = init_tables([tmp_path / "a.csv.gz", tmp_path / "b.h5ad"])
    study = load_recipe(drafted.written[0])
    assert list(study.dataset.tables) == ["a", "b"]
    assert study.dataset.tables["a"].missing == "rows"
    assert any("1 of 24 rows of a.csv.gz have missing values" in guess for guess in drafted.guesses)
    assert study.dataset.tables["b"].features is None


def test_long_barcodes_and_names_of_files_with_points_are_told_apart(tmp_path):
    rows = profiles(prefix="f", gene=TREATMENTS * 2).drop(columns="Metadata_Plate")
    rows.insert(0, "Barcode", [4000012345] * 12 + [4000012346] * 12)  # one number in float32
    for name in ("x.1.csv", "x.2.csv"):
        rows.to_csv(tmp_path / name, index=False)
    study = load_recipe(init_tables([tmp_path / "x.1.csv", tmp_path / "x.2.csv"]).written[0])
    assert list(study.dataset.tables) == ["x.1", "x.2"]
    assert "leakage:plate" in [task.id for task in study.tasks]


def test_features_that_are_called_like_patterns_or_alike(tmp_path):
    names = {"f[a]": range(24), "g[b]": range(24), "ObjectNumber": range(24)}
    profiles(n_features=0, gene=TREATMENTS * 2, **names).to_csv(tmp_path / "a.csv", index=False)
    assert validate(init_tables([tmp_path / "a.csv"]).written[0]).n_sites == 24
    obs = pd.DataFrame({"gene": TREATMENTS}, [str(number) for number in range(12)])
    twice = AnnData(np.ones((12, 2), np.float32), obs=obs, var=pd.DataFrame(index=["f", "f"]))
    twice.write_h5ad(tmp_path / "b.h5ad")
    assert validate(init_tables([tmp_path / "b.h5ad"], tmp_path / "b").written[0]).n_sites == 12


def test_tables_that_allow_no_question_or_differ_are_refused(tmp_path):
    profiles().to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(PhenolensError, match=r"a.csv: no task can be asked.*plate, well"):
        init_tables([tmp_path / "a.csv"])
    profiles(gene=TREATMENTS * 2).to_csv(tmp_path / "b.csv", index=False)
    profiles(compound=TREATMENTS * 2).to_csv(tmp_path / "c.csv", index=False)
    with pytest.raises(PhenolensError, match=r"c.csv: its columns are called otherwise"):
        init_tables([tmp_path / "b.csv", tmp_path / "c.csv"])
    with pytest.raises(PhenolensError, match="no perturbation is called water"):
        init_tables([tmp_path / "b.csv"], controls=["water"])
    pd.DataFrame({"perturbation": [""] * 4, "label": list("xxyy"), "f0": range(4)}).to_csv(tmp_path / "f.csv")
    with pytest.raises(PhenolensError, match="no perturbation is called DMSO"):
        init_tables([tmp_path / "f.csv"], controls=["DMSO"])
    for content in ("gene,plate\nx,p\n", "gene,ObjectNumber\nx,1\nx,2\n"):
        (tmp_path / "d.csv").write_text(content)
        with pytest.raises(PhenolensError, match="no columns of numbers"):
            init_tables([tmp_path / "d.csv"])
    with pytest.raises(PhenolensError, match="no embeddings at"):
        init_tables([tmp_path / "e.csv"])
    assert not (tmp_path / "recipe.yaml").exists()


# Real folders.


def of_bbbc013(data_dir, tmp_path):
    """Return the platemap of BBBC013, as a user would write it."""
    rows = pd.read_csv(data_dir / "bbbc013_sbs/metadata.csv", dtype=str)
    plan = rows[["well", "compound", "dose", "dose_unit", "role"]]
    plan.to_csv(tmp_path / "plan.csv", index=False)
    return {"platemap": tmp_path / "plan.csv"}


@pytest.mark.parametrize(
    ("folder", "layout", "n_sites", "options"),
    [
        ("bbbc013_sbs", "well-channel", 96, of_bbbc013),
        ("mitocheck_cells", "class-folders", 3277, None),
        ("lc25000_lung", "class-folders", 2959, None),
    ],
)
def test_real_folders_reach_a_valid_recipe(data_dir, tmp_path, folder, layout, n_sites, options):
    given = options(data_dir, tmp_path) if options else {}
    drafted = init(data_dir / folder / "images", tmp_path / "out", **given)
    assert f": {layout}," in drafted.found[0]
    manifest = read_manifest(drafted.written[0])
    assert len(manifest) == n_sites
    assert manifest.missing_files() == []
    # Networks and measurements of nuclei take long; that they run on such images is tested elsewhere.
    recipe = yaml.safe_load(drafted.written[1].read_text())
    slow = ["untrained/*", "random-convolutions", "classical-features", "cell-graph/*"]
    recipe["leave_out"] = dict.fromkeys(slow, "a quick test")
    quick = tmp_path / "out/quick.yaml"
    quick.write_text(yaml.safe_dump(recipe))
    assert load_recipe(drafted.written[1]).name == folder
    found = validate(quick)
    assert not any(warning.startswith("cannot be answered") for warning in found.warnings)


def test_the_plate_of_bbbc013_is_what_its_own_table_says(data_dir, tmp_path):
    drafted = init(data_dir / "bbbc013_sbs/images", tmp_path / "out", **of_bbbc013(data_dir, tmp_path))
    found = read_manifest(drafted.written[0]).table.set_index("well")
    true = pd.read_csv(data_dir / "bbbc013_sbs/metadata.csv", dtype=str).set_index("well")
    for channel, own in (("image_dna", "image_dna"), ("image_fkhr_gfp", "image_gfp")):
        assert found[channel].str.endswith(tuple(true[own])).all()
        assert (found[channel].str.rsplit("/", n=1).str[1] == true[own].str.rsplit("/", n=1).str[1]).all()
    assert (found["role"] == "negative_control").sum() == (true["role"] == "negative_control").sum() == 12
    assert (found["role"] == "empty").sum() == 4
    # The table that lies above the images says the same, by itself.
    beside = read_manifest(init(data_dir / "bbbc013_sbs", tmp_path / "beside").written[0]).table.set_index("well")
    assert (beside["perturbation"] == found["perturbation"]).all()
    assert (beside["dose"].fillna(-1) == found["dose"].fillna(-1)).all()
