"""Manifests: what is read, what is mapped, and what is refused by row and column."""

import pandas as pd
import pytest
import yaml

from phenolens.core.errors import ManifestError
from phenolens.datasets import read_manifest


def write(tmp_path, text, name="manifest.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_types_roles_and_images(tmp_path):
    path = write(
        tmp_path,
        "site_id,image_dna,image_er,plate,well,dose,role,donor\n"
        "1,a.png,b.png,007,A01,0.5,treatment,x\n"
        "2,c.png,d.png,007,A02,,negative_control,\n",
    )
    manifest = read_manifest(path)
    assert manifest.table["plate"].tolist() == ["007", "007"]
    assert manifest.table["dose"].tolist()[0] == 0.5
    assert manifest.controls.tolist() == [False, True]
    assert manifest.images(1) == {"dna": tmp_path / "c.png", "er": tmp_path / "d.png"}
    assert "donor" in manifest.table


def test_parquet_reads_the_same(tmp_path):
    table = pd.DataFrame({"site_id": [1, 2], "image": ["a.tif", "b.tif"], "plate": [7.0, 8.0], "dose": [1, None]})
    table.to_parquet(tmp_path / "m.parquet")
    table.to_csv(tmp_path / "m.csv", index=False)
    one, two = read_manifest(tmp_path / "m.parquet"), read_manifest(tmp_path / "m.csv")
    assert one.table["plate"].tolist() == ["7", "8"]
    assert one.table["site_id"].tolist() == two.table["site_id"].tolist() == ["1", "2"]
    assert one.images(0) == tmp_path / "a.tif"


def test_columns_and_values_are_mapped(tmp_path):
    path = write(tmp_path, "p,w,file,kind\nP1,A01,a.png,dmso\nP1,A02,b.png,drug\n")
    manifest = read_manifest(
        path,
        columns={"site_id": "{p}_{w}", "image": "file", "role": "kind", "kind": "w"},
        values={"role": {"dmso": "negative_control", "drug": "treatment"}},
    )
    assert manifest.table.index.tolist() == ["P1_A01", "P1_A02"]
    assert manifest.controls.tolist() == [True, False]
    assert manifest.table["kind"].tolist() == ["A01", "A02"]


def test_a_template_reaches_columns_only(tmp_path):
    path = write(tmp_path, "p,image\nx,a.png\n")
    with pytest.raises(ManifestError, match=r"p\.__class__"):
        read_manifest(path, columns={"site_id": "{p.__class__}"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("site_id,image\na,x.png\nb,y.png\na,z.png\n", ["'site_id'", "'a'", "rows 2, 4"]),
        (
            "site_id,image,role\na,x.png,DMSO\nb,y.png,cpd\nc,z.png,poscon_cp\nd,u.png,treatment\n",
            ["'role'", "'DMSO', 'cpd', 'poscon_cp'"],
        ),
        ("site_id,image,dose\na,x.png,0.1\nb,y.png,high\n", ["row 3", "'dose'", "'high'"]),
        ("site_id,image,dose\na,x.png,-1\n", ["row 2", "'dose'", "-1"]),
        ("site_id,image\n,x.png\n", ["row 2", "'site_id'"]),
        ("site_id,image\na,\n", ["row 2", "'image'"]),
        ("image,plate\nx.png,1\n", ["no column 'site_id'"]),
        ("site_id,plate\na,1\n", ["no column 'image'", "image_<channel>"]),
        ("site_id,image\n", ["no rows"]),
        ("", ["cannot be read as a table"]),
    ],
)
def test_refusals_name_row_and_column_on_one_line(tmp_path, text, expected):
    path = write(tmp_path, text)
    with pytest.raises(ManifestError) as caught:
        read_manifest(path)
    message = str(caught.value)
    assert "\n" not in message
    for part in [str(path), *expected]:
        assert part in message


def test_unknown_roles_say_what_to_write_and_that_is_right(tmp_path):
    path = write(tmp_path, "site_id,image,role\na,x.png,DMSO\nb,y.png,cpd\nc,z.png,poscon_cp\nd,u.png,no cells\n")
    with pytest.raises(ManifestError) as caught:
        read_manifest(path)
    line = str(caught.value).split("such as ")[1]
    manifest = read_manifest(path, **yaml.safe_load(line))
    assert manifest.table["role"].tolist() == ["negative_control", "treatment", "positive_control", "empty"]


def test_a_missing_manifest_and_an_unknown_format(tmp_path):
    with pytest.raises(ManifestError, match="no manifest at"):
        read_manifest(tmp_path / "none.csv")
    with pytest.raises(ManifestError, match=r"not '\.xlsx'"):
        read_manifest(write(tmp_path, "x", "m.xlsx"))
    with pytest.raises(ManifestError, match="cannot be read as a table"):
        read_manifest(write(tmp_path, "not parquet", "m.parquet"))


def test_missing_files_are_listed_and_change_the_fingerprint(tmp_path):
    path = write(tmp_path, "site_id,image\na,x.png\nb,y.png\n")
    (tmp_path / "x.png").write_bytes(b"1")
    manifest = read_manifest(path)
    (line,) = manifest.missing_files()
    assert "row 3" in line
    assert "y.png" in line
    before = manifest.fingerprint
    (tmp_path / "y.png").write_bytes(b"2")
    assert manifest.missing_files() == []
    assert manifest.fingerprint != before


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("m.csv", {}),
        ("m.csv.gz", {}),
        ("m.tsv", {"sep": "\t", "encoding": "utf-16"}),
        ("m.txt", {"sep": ";", "decimal": ",", "encoding": "utf-8-sig"}),
    ],
)
def test_dialects_read_the_same(tmp_path, name, options):
    table = pd.DataFrame(
        {
            "Metadata_Site_ID": ["01", "1"],
            "image": ["a.tif", "b.tif"],
            "Metadata_Plate": ["007", "NA"],
            "Metadata_Well": ["a1", "r01c02"],
            "Metadata_Role": ["Negative Control", "treatment"],
            "Metadata_donor": ["None", None],
            "dose": [0.5, 1.5],
        }
    )
    table.to_csv(tmp_path / name, index=False, **options)
    found = read_manifest(tmp_path / name, columns={"patient": "Metadata_donor"})
    assert found.table.index.tolist() == ["01", "1"]
    assert found.table["plate"].tolist() == ["007", "NA"]
    assert found.table["well"].tolist() == ["A01", "A02"]
    assert found.controls.tolist() == [True, False]
    assert found.table["dose"].tolist() == [0.5, 1.5]
    assert found.table["patient"].tolist() == ["None", None]
    assert found.table["donor"].tolist()[0] == "None"


def test_a_template_needs_all_of_its_columns(tmp_path):
    path = write(tmp_path, "Metadata_Plate,Metadata_Well,image\n7,A1,a.png\n7,,b.png\n")
    with pytest.raises(ManifestError, match="row 3, column 'site_id'"):
        read_manifest(path, columns={"site_id": "{Metadata_Plate}_{Metadata_Well}"})
