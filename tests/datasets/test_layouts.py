"""Folders as instruments leave them: each known layout is read, and what is unclear is refused by name."""

import json
import re
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from phenolens.core.errors import ManifestError
from phenolens.datasets.layouts import (
    NAMES,
    PATTERNS,
    ImageName,
    Notes,
    PlateChoices,
    find_columns,
    find_layout,
    find_roles,
    join_platemap,
    mark_controls,
    own_pattern,
    read_platemap,
    unit_of,
)
from phenolens.datasets.wells import parse_well

BY_NAME = {pattern.name: pattern for pattern in PATTERNS}
UUID = "07447158-AC76-4844-8431-E6A954BD1174"

# Pattern -> the name of an image of a well (row and column from 0), site and channel (from 1), as files are published.
FILES = {
    "harmony": "BR00117035__2021-05-02T16_02_51-Measurement 1/Images/r{r1:02}c{c1:02}f{s:02}p01-ch{k}sk1fk1fl1.tiff",
    "columbus": "plate7/{r1:03}{c1:03}-{s}-001001{k:03}.tif",
    "cellvoyager": "AssayPlate/Dest210531-152149_{well}_T0001F{s:03}L01A0{k}Z0{k}C0{k}.tif",
    "cellvoyager-numbered": "plate7/W{number:04}F{s:04}T0001Z000C{k}.tif",
    "in-cell": "plate7/{letter} - {c1}(fld {s} wv {stain} - {stain}).tif",
    "scanr": "plate7/--W{number:05}--P{s:05}--Z00000--T00000--{stain}.tif",
    "incucyte": "MySample1_{letter}{c1}_{s}_2021y08m06d_11h39m.tif",
    "bbbc005": "SIMCEPImages_{well}_C1_F1_s{s:02}_w{k}.TIF",
    "bbbc013": "plate7/Channel{k}-{number:02}-{letter}-{c1:02}.tif",
    "imagexpress": "Week1_22123/Week1_150607_{well}_s{s}_w{k}" + UUID + ".tif",
    "ome-tiff-wells": "well-{letter}{c1}-{s}.ome.tiff",
    "well-channel": "plate7_{well}_s{s}_{stain}.png",
    "well": "plate7_{well}_{s}.tif",
}
ONE_FILE = ("incucyte", "ome-tiff-wells", "well")  # all channels in a file
NO_SITES = ("bbbc013",)
STAINS = ("DAPI", "FITC")
CHANNELS = {"in-cell": STAINS, "scanr": STAINS, "well-channel": STAINS}
PLATES = {
    "harmony": "BR00117035",
    "cellvoyager": "Dest210531-152149",
    "incucyte": "MySample1",
    "bbbc005": "SIMCEPImages",
    "imagexpress": "Week1_150607",
    "ome-tiff-wells": "screen",
}
WELLS = ("A01", "A02", "B01", "H12")


def touch(folder, *paths):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"")


def fill(folder, name, *, sites=(1, 2), wells=WELLS):
    """Write empty files with the names of a pattern, since these alone are looked at; and what lies beside images."""
    for well in wells:
        row, column = parse_well(well)
        for site in sites[:1] if name in NO_SITES else sites:
            for channel, stain in enumerate(STAINS if name not in ONE_FILE else STAINS[:1], start=1):
                said = {"r1": row + 1, "c1": column + 1, "s": site, "k": channel, "stain": stain, "well": well}
                said |= {"letter": well[0], "number": row * 12 + column + 1}
                touch(folder, FILES[name].format(**said))
    touch(folder, "Thumbs.db", ".DS_Store", "notes.txt", "thumbs/x_A01_s1_thumb.tif", "Illumination/illum_dapi.tif")
    return folder


def channels_of(layout):
    return [column.removeprefix("image_") for column in layout.table if column.startswith("image_")]


@pytest.mark.parametrize(
    ("pattern", "file", "said"),
    [(pattern, file, said) for pattern in PATTERNS for file, said in pattern.examples.items()],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_example_of_a_pattern_says_what_is_written_beside_it(pattern, file, said):
    assert pattern.parse(file) == said
    assert pattern.parse(file.swapcase()) is not None
    # The first pattern that explains it is its own.
    assert next(each for each in PATTERNS if each.parse(file)) is pattern


def test_every_layout_is_in_the_guide():
    guide = (Path(__file__).parents[2] / "docs" / "init.md").read_text()
    assert [name for name in BY_NAME if f"`{name}`" not in guide] == []


def test_every_pattern_has_an_example_a_source_and_a_replica():
    assert all(pattern.examples and pattern.source for pattern in PATTERNS)
    assert set(FILES) == set(BY_NAME)
    assert set(BY_NAME) < set(NAMES)


@given(
    st.integers(0, 31),
    st.integers(0, 47),
    st.integers(1, 99),
    st.integers(1, 9),
    st.integers(1, 99),
    st.integers(1, 999),
)
def test_numbers_in_names_of_harmony_and_yokogawa_come_back(row, column, site, channel, z, time):
    letters = ("A" if row > 25 else "") + chr(ord("A") + row % 26)
    well = f"{letters}{column + 1:02}"
    said = ImageName(well, site=str(site), channel=str(channel), z=str(z), time=str(time))
    name = f"r{row + 1:02}c{column + 1:02}f{site:02}p{z:02}-ch{channel}sk{time}fk1fl1.tiff"
    assert BY_NAME["harmony"].parse(name) == said
    if row < 16 or letters.startswith("A"):
        name = f"p_{well}_T{time:04}F{site:03}L01A01Z{z:02}C{channel:02}.tif"
        assert BY_NAME["cellvoyager"].parse(name) == ImageName(
            well, plate="p", site=str(site), channel=str(channel), z=str(z), time=str(time)
        )


@pytest.mark.parametrize("name", FILES)
def test_a_folder_of_an_instrument_is_read(tmp_path, name):
    layout, files = find_layout(fill(tmp_path / "screen", name))
    sites = (1,) if name in NO_SITES else (1, 2)
    assert layout.name == name
    assert len(layout.table) == len(WELLS) * len(sites)
    assert set(layout.table["well"]) == set(WELLS)
    assert set(layout.table["plate"]) == {PLATES.get(name, "plate7")}
    assert layout.files == set(files.images)  # thumbnails, databases and illumination are none
    assert sum(files.skipped.values()) == 2
    assert layout.table["site_id"].is_unique
    if name in ONE_FILE:
        assert "image" in layout.table
    else:
        expected = CHANNELS.get(name, ("channel_1", "channel_2"))
        assert channels_of(layout) == [each.lower() if name == "scanr" else each for each in expected] or set(
            channels_of(layout)
        ) == set(expected)
    first = layout.table.iloc[0]
    images = [first[column] for column in layout.table if column.startswith("image")]
    assert all(BY_NAME[name].parse(PurePosixPath(image).name).site in (None, "1") for image in images)


def test_names_in_mixed_case_and_of_two_plates(tmp_path):
    touch(tmp_path, "p1/Scr_a01_S1_W1.TIF", "p1/scr_A02_s1_w1.tif", "p2/scr_a01_s1_w1.tif", "p2/scr_A02_s1_w1.Tiff")
    layout, _ = find_layout(tmp_path)
    assert layout.name == "imagexpress"
    assert layout.table["site_id"].tolist() == ["p1_A01_1", "p1_A02_1", "p2_A01_1", "p2_A02_1"]
    assert any("called like their folders" in guess for guess in layout.notes.guesses)


def test_plates_of_one_name_in_folders_of_two_experiments_are_told_apart(tmp_path):
    touch(tmp_path, *(f"{run}/Plate1/B0{well}_s1_w1.png" for run in ("HUVEC-01", "HUVEC-02") for well in (2, 3)))
    layout, _ = find_layout(tmp_path)
    assert sorted(set(layout.table["plate"])) == ["HUVEC-01_Plate1", "HUVEC-02_Plate1"]


def test_nearly_all_images_are_enough_and_the_others_are_said(tmp_path):
    fill(tmp_path, "harmony", wells=[f"A{column:02}" for column in range(1, 11)])
    touch(tmp_path, "overview.tif")
    layout, files = find_layout(tmp_path)
    assert set(files.images) - layout.files == {"overview.tif"}


def test_two_patterns_at_once_are_refused_and_either_can_be_chosen(tmp_path):
    fill(tmp_path, "harmony")
    fill(tmp_path, "columbus")
    message = r"harmony \(16 images, such as .*\) and columbus \(16 .*--pattern harmony"
    with pytest.raises(ManifestError, match=message):
        find_layout(tmp_path)
    for name in ("harmony", "columbus"):
        layout, files = find_layout(tmp_path, pattern=name)
        assert (layout.name, len(layout.files), len(files.images)) == (name, 16, 32)


def test_names_that_no_pattern_explains_are_refused_and_can_be_described(tmp_path):
    touch(tmp_path, *(f"x{well}y{channel}.tif" for well in ("a1", "a2") for channel in ("dna", "er")))
    with pytest.raises(ManifestError, match=r"nothing tells its 4 images apart.*--pattern REGEX"):
        find_layout(tmp_path)
    layout, _ = find_layout(tmp_path, pattern=r"x(?P<well>\w\d)y(?P<channel>[a-z]+)\.tif")
    assert layout.table["well"].tolist() == ["A01", "A02"]
    assert channels_of(layout) == ["dna", "er"]


@pytest.mark.parametrize("expression", ["(?P<plate>.+)", "(?P<well>", "(?P<well>.)(?P<colour>.)"])
def test_a_pattern_without_a_well_or_of_other_groups_is_refused(expression):
    with pytest.raises(ManifestError, match="--pattern"):
        own_pattern(expression)


def test_an_unknown_pattern_is_refused_with_the_nearest(tmp_path):
    with pytest.raises(ManifestError, match="did you mean 'harmony'"):
        find_layout(fill(tmp_path, "harmony"), pattern="harmonie")
    with pytest.raises(ManifestError, match="columbus explains none of its images"):
        find_layout(tmp_path, pattern="columbus")


@pytest.mark.parametrize(
    ("axis", "path"),
    [
        ("z", "r01c01f01p{n:02}-ch1sk1fk1fl1.tiff"),
        ("time", "TimePoint_{n}/p_A01_s1_w1.TIF"),
        ("z", "ZStep_{n}/p_A01_s1_w1.TIF"),
    ],
)
def test_one_of_several_planes_or_times_is_chosen(tmp_path, axis, path):
    touch(tmp_path, *(path.format(n=n) for n in (1, 2, 10)))
    with pytest.raises(ManifestError, match=rf"3 .* of the same site \(1, 2 and 10\).*--{axis} 2"):
        find_layout(tmp_path)
    with pytest.raises(ManifestError, match=f"'7'.*--{axis}.*1, 2 and 10"):
        find_layout(tmp_path, choices=PlateChoices(**{axis: "7"}))
    layout, _ = find_layout(tmp_path, choices=PlateChoices(**{axis: "10"}))
    assert [*layout.table["image_channel_1"]] == [path.format(n=10)]


@pytest.mark.parametrize(
    ("name", "message"), [("harmony", "none of its z-planes is '7'.*there is: 1"), ("imagexpress", "tell no z-planes")]
)
def test_a_plane_that_is_not_there_is_refused_where_there_is_no_choice(tmp_path, name, message):
    with pytest.raises(ManifestError, match=message):
        find_layout(fill(tmp_path, name), choices=PlateChoices(z="7"))


def test_channels_at_z_planes_of_their_own_are_no_stack(tmp_path):
    """Yokogawa numbers planes by action: each channel has one."""
    layout, _ = find_layout(fill(tmp_path, "cellvoyager"))
    assert channels_of(layout) == ["channel_1", "channel_2"]


def test_two_files_of_the_same_channel_are_refused(tmp_path):
    touch(tmp_path, "p_A01_s1_w1.tif", "p_A1_s1_w1.tif")
    with pytest.raises(ManifestError, match=r"p_A01_s1_w1.tif and p_A1_s1_w1.tif"):
        find_layout(tmp_path)


def test_sites_without_a_channel_and_rare_channels_are_left_out_and_said(tmp_path):
    fill(tmp_path, "imagexpress")
    (tmp_path / f"Week1_22123/Week1_150607_A02_s1_w2{UUID}.tif").unlink()
    touch(tmp_path, f"Week1_22123/Week1_150607_A01_s1_w3{UUID}.tif")
    layout, _ = find_layout(tmp_path)
    assert len(layout.table) == 7
    said = " ".join(layout.notes.guesses)
    assert "channel_3 are left out" in said
    assert "1 of 8 sites lack a channel and are left out, the first is plate Week1_150607, well A02, site 1" in said


def test_sites_of_which_none_has_all_channels_are_refused(tmp_path):
    touch(tmp_path, "p_A01_s1_w1.tif", "p_A02_s1_w2.tif")
    with pytest.raises(ManifestError, match="no site has an image of each of the channels channel_1 and channel_2"):
        find_layout(tmp_path)


def test_channels_are_named_by_the_user(tmp_path):
    fill(tmp_path, "imagexpress")
    layout, _ = find_layout(tmp_path, choices=PlateChoices(channels={"1": "dna", "02": "actin"}))
    assert channels_of(layout) == ["dna", "actin"] or channels_of(layout) == ["actin", "dna"]
    assert layout.table["image_dna"].str.contains("_w1").all()
    assert layout.notes.missing == []
    with pytest.raises(ManifestError, match="--channel 9=dna: no such channel"):
        find_layout(tmp_path, choices=PlateChoices(channels={"9": "dna"}))
    layout, _ = find_layout(tmp_path)
    assert "--channel 1=dna" in layout.notes.missing[0]


HARMONY_INDEX = """<?xml version="1.0"?><EvaluationInputData xmlns="43B2A954-E3C3-47E1-B392-6635266B0DD3/HarmonyV7">
<Maps><Map><Entry ChannelID="2"><FlatfieldProfile>x</FlatfieldProfile></Entry></Map><Map>
<Entry ChannelID="1"><ChannelName>HOECHST 33342</ChannelName></Entry>
<Entry ChannelID="2"><ChannelName>Alexa 488</ChannelName></Entry></Map></Maps></EvaluationInputData>"""
OLDER_INDEX = """<EvaluationInputData><Images>
<Image Version="1"><id>0101K1F1P1R1</id><ChannelID>1</ChannelID><ChannelName>HOECHST 33342</ChannelName></Image>
<Image Version="1"><id>0101K1F1P1R2</id><ChannelID>2</ChannelID><ChannelName>Alexa 488</ChannelName></Image>
</Images></EvaluationInputData>"""
MES = """<bts:MeasurementSetting xmlns:bts="http://www.yokogawa.co.jp/BTS/BTSSchema/1.0"><bts:ChannelList>
<bts:Channel bts:Ch="1" bts:Target="405" bts:Fluorophore="Hoechst"/>
<bts:Channel bts:Ch="2" bts:Target="488" bts:Fluorophore="Alexa 488"/></bts:ChannelList></bts:MeasurementSetting>"""
HTD = '"HTSInfoFile", Version 1.0\r\n"NWavelengths", 2\r\n"WaveName1", "Hoechst"\r\n"WaveName2", "Alexa 488"\r\n'


@pytest.mark.parametrize(
    ("name", "index", "content"),
    [
        ("harmony", "BR00117035__2021-05-02T16_02_51-Measurement 1/Images/Index.idx.xml", HARMONY_INDEX),
        ("harmony", "BR00117035__2021-05-02T16_02_51-Measurement 1/Images/Index.xml", OLDER_INDEX),
        ("cellvoyager", "AssayPlate/AssayPlate.mes", MES),
        ("imagexpress", "Week1_22123/plate.HTD", HTD),
    ],
)
def test_index_files_name_channels(tmp_path, name, index, content):
    fill(tmp_path, name)
    (tmp_path / index).write_text(content)
    layout, _ = find_layout(tmp_path)
    # A nuclear stain is called as baselines expect it, and that is said.
    assert set(channels_of(layout)) == {"hoechst" if "HOECHST" in content else "Hoechst", "Alexa_488"}
    assert any(PurePosixPath(index).name in guess for guess in layout.notes.guesses)
    assert layout.notes.missing == []


def test_an_index_that_holds_entities_is_refused(tmp_path):
    fill(tmp_path, "harmony")
    index = next(tmp_path.rglob("Images")) / "Index.idx.xml"
    index.write_text('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x><ChannelName>&a;</ChannelName></x>')
    with pytest.raises(ManifestError, match=r"Index.idx.xml: .*document type definition.*--channel"):
        find_layout(tmp_path)
    index.write_text("<x><ChannelName>")
    with pytest.raises(ManifestError, match="names of channels cannot be read"):
        find_layout(tmp_path)
    assert find_layout(tmp_path, choices=PlateChoices(channels={"1": "dna"}))[0].name == "harmony"


def test_an_index_that_names_too_few_channels_is_not_used(tmp_path):
    fill(tmp_path, "imagexpress")
    (tmp_path / "plate.HTD").write_text('"WaveName1", "DAPI"\n')
    layout, _ = find_layout(tmp_path)
    assert set(channels_of(layout)) == {"channel_1", "channel_2"}
    assert any("it is not used" in guess for guess in layout.notes.guesses)


def test_class_folders_below_other_folders_and_splits(tmp_path):
    touch(
        tmp_path, *(f"data/{split}/{label}/{n}.png" for split in ("train", "test") for label in "xy" for n in range(3))
    )
    layout, _ = find_layout(tmp_path)
    assert layout.name == "class-folders"
    assert layout.table[["label", "split"]].value_counts().to_dict() == {
        (label, split): 3 for label in "xy" for split in ("train", "test")
    }


def test_folders_within_classes_are_said(tmp_path):
    touch(tmp_path, "cells/a/1.png", "cells/b/1.png", "tissue/c/1.png")
    layout, _ = find_layout(tmp_path)
    assert layout.table["label"].tolist() == ["cells", "cells", "tissue"]
    assert "folders of its own" in layout.notes.guesses[1]


@pytest.mark.parametrize("folders", [("only",), ("images", "masks")])
def test_folders_that_are_no_classes(tmp_path, folders):
    touch(tmp_path, *(f"{folder}/{n}.png" for folder in folders for n in "ab"))
    with pytest.raises(ManifestError, match="nothing tells its"):
        find_layout(tmp_path)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_an_ome_zarr_plate_is_read(tmp_path, version):
    plate = {"wells": [{"path": "A/1"}, {"path": "B/12"}]}
    well = {"images": [{"path": "0", "acquisition": 4}, {"path": "1", "acquisition": 4}]}
    write_ome(tmp_path / "p.zarr", version, {"plate": plate})
    for path in ("A/1", "B/12"):
        write_ome(tmp_path / "p.zarr" / path, version, {"well": well})
    layout, _ = find_layout(tmp_path)
    assert layout.table["site_id"].tolist() == ["p_A01_0", "p_A01_1", "p_B12_0", "p_B12_1"]
    assert layout.table["image"].tolist() == [f"p.zarr/{well}/{site}" for well in ("A/1", "B/12") for site in "01"]


def test_ome_zarr_plates_of_one_name_and_without_a_suffix_are_told_apart(tmp_path):
    for plate in ("a/p", "b/p.ome.zarr"):
        write_ome(tmp_path / plate, "0.4", {"plate": {"wells": [{"path": "A/1"}]}})
        write_ome(tmp_path / plate / "A/1", "0.4", {"well": {"images": [{"path": "0"}]}})
    assert find_layout(tmp_path)[0].table["site_id"].tolist() == ["a_p_A01_0", "b_p_A01_0"]


def write_ome(folder, version, attributes):
    folder.mkdir(parents=True)
    if version == "0.4":
        (folder / ".zattrs").write_text(json.dumps(attributes))
    else:
        (folder / "zarr.json").write_text(json.dumps({"attributes": {"ome": {"version": "0.5", **attributes}}}))


def test_an_ome_zarr_plate_that_leads_elsewhere_is_refused(tmp_path):
    write_ome(tmp_path / "screen/p.zarr", "0.4", {"plate": {"wells": [{"path": "../../secret"}]}})
    with pytest.raises(ManifestError, match="outside of the folder"):
        find_layout(tmp_path / "screen")
    write_ome(tmp_path / "odd/p.zarr", "0.4", {"plate": {"wells": 3}})
    with pytest.raises(ManifestError, match="no OME-Zarr folder as the format describes it"):
        find_layout(tmp_path / "odd")


LOAD_DATA = pd.DataFrame(
    {
        "Metadata_Plate": "BR1",
        "Metadata_Well": ["A01", "A02"],
        "Metadata_Site": ["1", "1"],
        "FileName_OrigDNA": ["a_dna.tif", "b_dna.tif"],
        "PathName_OrigDNA": "s3://bucket/images",
        "URL_OrigDNA": ["s3://bucket/images/a_dna.tif", "s3://bucket/images/b_dna.tif"],
        "FileName_OrigER": ["a_er.tif", "b_er.tif"],
        "FileName_IllumDNA": "BR1_IllumDNA.npy",
        "Metadata_broad_sample": ["BRD-1", ""],
    }
)


def test_a_table_beside_the_images_as_of_jump(tmp_path):
    touch(tmp_path, *(f"images/{well}_{channel}.tif" for well in "ab" for channel in ("dna", "er")))
    LOAD_DATA.to_csv(tmp_path / "load_data.csv", index=False)
    layout, _ = find_layout(tmp_path)
    assert layout.name == "table"
    assert channels_of(layout) == ["DNA", "ER"]
    assert layout.table["image_DNA"].tolist() == ["images/a_dna.tif", "images/b_dna.tif"]
    assert layout.table["site_id"].tolist() == ["BR1_A01", "BR1_A02"]
    assert layout.table["perturbation"].tolist() == ["BRD-1", None]


def test_tables_that_say_the_same_or_nothing(tmp_path):
    touch(tmp_path, "x/1.png", "x/2.png", "y/3.png")
    named = pd.DataFrame({"file": ["x/1.png", "x/2.png", "y/3.png", "gone.png"], "donor": ["d1", "d1", "d2", "d3"]})
    named[:3].to_csv(tmp_path / "a.csv", index=False)
    (tmp_path / "prices.csv").write_text("item,price\nx,1\n")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    layout, _ = find_layout(tmp_path)
    # Labels come from class folders where the table has none.
    assert layout.table[["image", "label", "patient"]].values.tolist() == [
        ["x/1.png", "x", "d1"],
        ["x/2.png", "x", "d1"],
        ["y/3.png", "y", "d2"],
    ]
    named[:3].to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(ManifestError, match=r"a.csv .* and .*b.csv .*--table FILE"):
        find_layout(tmp_path)
    assert "b.csv" in find_layout(tmp_path, table=tmp_path / "b.csv")[0].description
    with pytest.raises(ManifestError, match=r"prices\.csv: no column of it names images"):
        find_layout(tmp_path, table=tmp_path / "prices.csv")
    with pytest.raises(ManifestError, match=r"broken\.parquet: cannot be read"):
        find_layout(tmp_path, table=tmp_path / "broken.parquet")


def test_a_table_without_a_whole_row_is_refused(tmp_path):
    touch(tmp_path, "a.tif", "b.tif")
    (tmp_path / "t.csv").write_text("x,y,label\na.tif,,p\n,b.tif,q\n")
    with pytest.raises(ManifestError, match=r"t\.csv: no row of it names an image in each of the columns x and y"):
        find_layout(tmp_path, table=tmp_path / "t.csv")


def test_folders_without_images_of_results_and_of_other_formats(tmp_path):
    with pytest.raises(ManifestError, match="no such folder"):
        find_layout(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match="no image in it or below it"):
        find_layout(tmp_path / "empty")
    touch(tmp_path, "bmp/a.bmp", "bmp/b.BMP")
    with pytest.raises(ManifestError, match=r"2 \.bmp files, which are not read"):
        find_layout(tmp_path / "bmp")
    touch(tmp_path, "out/results.json", "out/examples/a.png")
    with pytest.raises(ManifestError, match="holds the results of a study"):
        find_layout(tmp_path / "out")
    touch(tmp_path, "file.tif")
    with pytest.raises(ManifestError, match="is a file"):
        find_layout(tmp_path / "file.tif")


# Platemaps.


def platemap(folder, text):
    path = folder / "map.csv"
    path.write_text(text)
    notes = Notes()
    return read_platemap(path, notes), notes


def test_a_platemap_of_other_column_names(tmp_path):
    found, notes = platemap(
        tmp_path,
        "Assay_Plate_Barcode,well_position,pert_iname,concentration_uM,control_type,moa\n"
        "p1,a1,taxol,0.5,trt,tubulin\np1,A2,DMSO,,negcon,\np1,A3,,,poscon_cp,x\n",
    )
    assert found.loc[0].to_dict() == {
        "plate": "p1",
        "well": "A01",
        "perturbation": "taxol",
        "dose": "0.5",
        "role": "treatment",
        "moa": "tubulin",
        "dose_unit": "uM",
    }
    assert found["role"].tolist() == ["treatment", "negative_control", "positive_control"]
    said = " ".join(notes.guesses)
    for guess in ("well is the column 'well_position'", "doses are in uM", "negcon as negative_control"):
        assert guess in said


@pytest.mark.parametrize(
    "text", [",1,2\nA,taxol,DMSO\nB,,TP53\n", "row,1,2\nA,taxol,DMSO\nB,,TP53\n", ";1;2\nA;taxol;DMSO\nB;;TP53\n"]
)
def test_a_platemap_in_the_form_of_a_plate(tmp_path, text):
    found, notes = platemap(tmp_path, text)
    assert found.set_index("well")["perturbation"].to_dict() == {"A01": "taxol", "A02": "DMSO", "B02": "TP53"}
    assert "form of a plate" in notes.guesses[0]


@pytest.mark.parametrize("text", ["row,col,gene\nB,3,TP53\n", "Row,Column,gene\n2,3,TP53\n"])
def test_a_platemap_with_rows_and_columns(tmp_path, text):
    assert platemap(tmp_path, text)[0][["well", "perturbation"]].values.tolist() == [["B03", "TP53"]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "no column of wells"),
        ("well,compound\nA1,x\nA01,y\n", "A01 is there twice, and it has no column 'plate'"),
        ("plate,well,compound\np,A1,x\np,A01,y\n", "p A01 is there twice; leave"),
        ("well,compound\nA1,x\nfirst,y\n", "'first' is no well"),
    ],
)
def test_a_platemap_that_cannot_be_understood(tmp_path, text, message):
    with pytest.raises(ManifestError, match=message):
        platemap(tmp_path, text)


SITES = pd.DataFrame({"plate": ["p1", "p1", "p2"], "well": ["A01", "A02", "A01"], "image": ["a", "b", "c"]})


def test_a_platemap_is_joined_by_well_and_what_is_missing_is_said():
    notes = Notes()
    joined = join_platemap(
        SITES, pd.DataFrame({"well": ["A01", "A03"], "perturbation": ["x", "y"]}), Path("map.csv"), notes
    )
    assert joined["perturbation"].where(joined["perturbation"].notna(), None).tolist() == ["x", None, "x"]
    assert notes.guesses == [
        "map.csv has no column of plates, and holds for all 2 of them",
        "1 wells of map.csv have no images: A03",
    ]
    assert notes.missing == ["what is in 1 wells that map.csv does not name: A02"]


def test_plates_that_are_numbers_in_a_platemap_are_those_of_file_names(tmp_path):
    plan = pd.DataFrame({"plate": [24277, 24278], "well": ["A1", "A1"], "gene": ["TP53", "DMSO"]})
    plan.to_parquet(tmp_path / "map.parquet")
    found = read_platemap(tmp_path / "map.parquet", Notes())
    sites = pd.DataFrame({"plate": ["24278", "24277"], "well": ["A01", "A01"]})
    assert join_platemap(sites, found, Path("map.parquet"), Notes())["perturbation"].tolist() == ["DMSO", "TP53"]


def test_a_manifest_of_other_images_is_a_platemap_too(tmp_path):
    found, _ = platemap(tmp_path, "site_id,image,image_dna,well,gene,x\ns,a.tif,b.tif,A1,TP53,3\n")
    assert found.loc[0].to_dict() == {"well": "A01", "perturbation": "TP53", "x": "3"}


def test_a_platemap_of_other_plates_is_refused():
    plan = pd.DataFrame({"plate": ["q"], "well": ["A01"], "perturbation": ["x"]})
    with pytest.raises(
        ManifestError, match="none of its wells has images: its first is q A01, that of the images p1 A01"
    ):
        join_platemap(SITES, plan, Path("map.csv"), Notes())


@pytest.mark.parametrize(
    ("names", "given", "roles"),
    [
        (["DMSO", "taxol", "EMPTY"], [], ["negative_control", "treatment", "treatment"]),
        (["EMPTY", "TP53", "EMPTY"], [], ["negative_control", "treatment", "negative_control"]),
        (["scrambled_1", "TP53", "untreated"], [], ["negative_control", "treatment", "negative_control"]),
        (["water", "taxol", None], ["Water"], ["negative_control", "treatment", None]),
    ],
)
def test_controls_are_told_by_name_or_given(names, given, roles):
    rows = mark_controls(pd.DataFrame({"perturbation": names}), given, Notes(), "map.csv")
    assert rows["role"].where(rows["role"].notna(), None).tolist() == roles


def test_controls_that_are_not_there_are_refused_or_said():
    rows = pd.DataFrame({"perturbation": ["taxol", "nocodazole"]})
    with pytest.raises(ManifestError, match="no perturbation is called DMSO"):
        mark_controls(rows, ["DMSO"], Notes(), "map.csv")
    with pytest.raises(ManifestError, match="no perturbation is called water"):
        mark_controls(rows, ["taxol", "water"], Notes(), "map.csv")
    notes = Notes()
    assert "role" not in mark_controls(rows, [], notes, "map.csv")
    assert "--controls DMSO" in notes.missing[0]


def test_roles_of_no_known_meaning_are_to_be_filled_in():
    notes = Notes()
    assert find_roles(pd.Series(["trt", "weird", None]), notes) == {"trt": "treatment"}
    assert "what the roles weird mean" in notes.missing[0]


def test_of_a_compound_and_its_dose_in_two_columns_the_compound_is_the_perturbation():
    rows = pd.DataFrame({"perturbation": ["a_1", "a_2", "b_1"], "compound": ["a", "a", "b"], "dose": ["1", "2", "1"]})
    assert find_columns(rows, ["dose", "perturbation"], Notes())["perturbation"] == "compound"


def test_units_in_names_of_columns():
    assert [unit_of(name) for name in ("Metadata_mmoles_per_liter", "conc [ug/ml]", "conc (nmol/L)", "Dose")] == [
        "mM",
        "ug/ml",
        "nM",
        None,
    ]


def test_what_is_written_as_guess_names_no_path_of_a_stranger_on_a_line_of_its_own(tmp_path):
    touch(tmp_path, "p_A01_s1_w1.tif", "p_A02_s1\n_w1.tif")
    layout, files = find_layout(tmp_path)
    assert not any(re.search(r"[\r\n]", sentence) for sentence in layout.notes.guesses)
    assert files.skipped == {"files whose names are no text in one line": 1}
    assert len(layout.table) == 1


def test_one_image_is_enough_to_tell_a_layout(tmp_path):
    tifffile.imwrite(tmp_path / "p_A01_s1_w1.tif", np.zeros((4, 4), np.uint16))
    assert find_layout(tmp_path)[0].table["well"].tolist() == ["A01"]
