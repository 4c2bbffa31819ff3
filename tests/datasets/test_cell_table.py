"""Tables of cells: read, checked, and turned into cell graphs."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from phenolens.core.errors import EncoderError, ManifestError
from phenolens.datasets import read_cell_table, read_manifest
from phenolens.embedding import NOTE, PROVENANCE, embed
from phenolens.encoders import create_encoder


@pytest.fixture
def cells(tmp_path):
    """Thirty cells of three sites, mixed up, and none of a fourth."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "tile": rng.permutation(np.repeat(["s1", "s2", "s3"], [20, 9, 1])),
            "x": rng.uniform(0, 50, 30),
            "y": rng.uniform(0, 40, 30),
            "kind": rng.choice(["t", "b"], 30),
            "area_um": rng.gamma(3, 10, 30),
        }
    )
    return table, tmp_path


@pytest.fixture
def sites(cells):
    _, folder = cells
    table = pd.DataFrame({"site_id": ["s1", "s2", "s3", "s4"], "label": list("aabb"), "width": 50, "height": 40})
    table.to_csv(folder / "sites.csv", index=False)
    return folder / "sites.csv"


def read(cells, sites, *, change=lambda table: table, columns=None, morphology=(), **options):
    table, folder = cells
    change(table.copy()).to_parquet(folder / "cells.parquet")
    columns = columns or {"site_id": "tile", "type": "kind"}
    return read_manifest(
        sites, cells=read_cell_table(folder / "cells.parquet", columns=columns, morphology=morphology), **options
    )


def test_cells_come_by_site_in_the_order_of_the_file(cells, sites):
    table, _ = cells
    manifest = read(cells, sites, morphology=["area_*"])
    own = table[table["tile"] == "s2"]
    found = manifest.cells.of("s2", (50.0, 40.0))
    assert_allclose(found.positions, own[["x", "y"]])
    assert [manifest.cells.type_names[code] for code in found.types] == own["kind"].tolist()
    assert_allclose(found.morphology[:, 0], own["area_um"])
    assert manifest.cells.morphology_names == ("area_um",)
    assert len(manifest.cells.of("s4")) == 0


def test_without_a_window_cells_lie_in_their_own_box(cells, sites):
    found = read(cells, sites).cells.of("s1")
    assert (found.positions > 0).all()
    assert (found.positions < found.extent).all()


def test_a_manifest_without_images_is_embedded_from_its_cells(cells, sites):
    manifest = read(cells, sites, morphology=["area_um"])
    embedded = embed(manifest, ["cell-graph/density", "cell-graph/neighbourhoods", "metadata@columns=label"])
    counts = embedded.embeddings["cell-graph/density"]
    assert counts.X[:, 0].tolist() == [20, 9, 1, 0]
    assert_allclose(counts.X[:, 1], np.array([20, 9, 1, 0]) / 2000)
    assert counts.uns[PROVENANCE][NOTE] == "1 of 4 sites have no cells; 1 of 4 sites have a single cell"
    names = embedded.embeddings["cell-graph/neighbourhoods"].var_names
    assert {"cells", "degree_mean", "area_um_mean", "log_share_b", "contact_b_t"} <= set(names)
    assert all(np.isfinite(each.X).all() for each in embedded.embeddings.values())


def test_a_step_alone_leaves_out_those_before_it(cells, sites):
    manifest = read(cells, sites)
    alone = create_encoder("cell-graph/composition@alone=true", [], manifest=manifest)
    assert alone.feature_names == ("log_share_b", "log_share_t", "type_entropy")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="tile"), "no column 'tile' for the site_id of cells"),
        (lambda t: t.assign(x=t["x"].where(t.index != 3)), r"1 cells have no finite 'x', the first in row 5"),
        (lambda t: t.assign(y="far"), "30 cells have no finite 'y', the first in row 2, where it holds 'far'"),
        (lambda t: t.assign(kind=t["kind"].where(t.index != 0)), "1 cells have no 'kind', the first in row 2"),
        (lambda t: t.assign(tile="other"), "has no cells of the sites"),
        (lambda t: t.iloc[:0], "has no rows"),
    ],
)
def test_bad_tables_are_refused_in_one_line(cells, sites, change, message):
    with pytest.raises(ManifestError, match=message) as caught:
        read(cells, sites, change=change)
    assert "\n" not in str(caught.value)


def test_cells_outside_their_site_are_refused(cells, sites):
    manifest = read(cells, sites, change=lambda t: t.assign(x=t["x"] * 10))
    with pytest.raises(ManifestError, match=r"cells of site 's1' are outside its 50 x 40, the first at x"):
        embed(manifest, ["cell-graph/density"])


def test_what_the_table_lacks_is_said(cells, sites):
    manifest = read(cells, sites, change=lambda t: t.drop(columns="kind"), columns={"site_id": "tile"})
    with pytest.raises(EncoderError, match=r"needs types of cells, which are missing in .*cells.parquet"):
        create_encoder("cell-graph/neighbourhoods", [], manifest=manifest)
    with pytest.raises(EncoderError, match="needs measurements of cells"):
        create_encoder("cell-graph/morphology", [], manifest=manifest)
    with pytest.raises(EncoderError, match="'pixel-statistics' needs images, and there are none"):
        create_encoder("pixel-statistics", [], manifest=manifest)
    with pytest.raises(ManifestError, match=r"no column 'kinds' for the type of cells; did you mean 'kind'"):
        read(cells, sites, columns={"site_id": "tile", "type": "kinds"})
    with pytest.raises(ManifestError, match="cells have no column 'label'"):
        read(cells, sites, columns={"label": "kind"})
    with pytest.raises(ManifestError, match=r"no column 'size_\*' of cells"):
        read(cells, sites, morphology=["size_*"])


@pytest.mark.parametrize("training", ["none", "masked"])
def test_a_graph_network_embeds_cells_the_same_way_twice(cells, sites, training):
    manifest = read(cells, sites, morphology=["area_um"])
    one, same, other = (
        create_encoder(f"cell-graph-network@training={training},seed={seed}", [], manifest=manifest).embed_rows()
        for seed in (0, 0, 1)
    )
    assert np.array_equal(one, same)
    assert not np.allclose(one, other)
    assert np.isfinite(one).all()
    assert not one[3].any()
    with pytest.raises(EncoderError, match="needs a table of cells"):
        create_encoder("cell-graph-network", [], manifest=read_manifest_of_images(sites))


def read_manifest_of_images(sites):
    table = pd.read_csv(sites).assign(image="none.png")
    table.to_csv(sites.with_name("images.csv"), index=False)
    return read_manifest(sites.with_name("images.csv"))


def test_names_of_sites_keep_their_leading_zeros(tmp_path):
    (tmp_path / "sites.csv").write_text("site_id,width,height\n007,20,20\n010,20,20\n")
    (tmp_path / "cells.csv").write_text("site_id,x,y\n007,1,2\n010,3,4\n007,5,6\n")
    manifest = read_manifest(tmp_path / "sites.csv", cells=read_cell_table(tmp_path / "cells.csv"))
    assert [len(manifest.cells.of(site)) for site in manifest.table.index] == [2, 1]


@pytest.mark.parametrize(
    ("file", "options"),
    [
        ("cells.csv", {}),
        ("cells.tsv", {"sep": "\t"}),
        ("cells.csv.gz", {}),
        ("cells.txt", {"sep": ";", "decimal": ",", "encoding": "utf-8-sig"}),
    ],
)
def test_sites_and_types_are_what_stands_in_the_file(tmp_path, file, options):
    table = pd.DataFrame(
        {
            "Metadata_site_id": ["007", "7", "007"],
            "x": [1.5, 2.5, 3.5],
            "y": [1.25, 2, 3],
            "type": ["NA", "None", "nan"],
        }
    )
    table.to_csv(tmp_path / file, index=False, **options)
    cells = read_cell_table(tmp_path / file)
    assert {site: end - first for site, (first, end) in cells.rows.items()} == {"007": 2, "7": 1}
    assert cells.type_names == ("NA", "None", "nan")
    assert_allclose(cells.of("7", (9, 9)).positions, [[2.5, 2]])


@pytest.mark.parametrize("cell", ["1e10745244367", "#DIV/0!", "NaN", "1,5"])
def test_a_position_that_is_no_number_is_named(tmp_path, cell):
    (tmp_path / "cells.csv").write_text(f'site_id,x,y\na,1,2\na,"{cell}",2\n')
    with pytest.raises(
        ManifestError, match="1 cells have no finite 'x', the first in row 3, where it holds '"
    ) as caught:
        read_cell_table(tmp_path / "cells.csv")
    assert f"'{cell}'" in str(caught.value)
