"""The one reader of tables: dialects, encodings, compression, names of columns, and cells that look like others."""

import bz2
import csv
import datetime
import gzip
import io
import lzma
import tracemalloc
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from phenolens.core import memory
from phenolens.core.errors import PhenolensError, PhenolensWarning
from phenolens.core.parse_numbers import parse_numbers
from phenolens.datasets import as_names, column_name, plain_table, read_numbers_apart, read_rows, read_table, text_file

TEXT = "plate,well,f0\np1,A01,0.5\np2,B02,-1.25\n"


def read(path, content):
    if isinstance(content, str):
        content = content.encode()
    path.write_bytes(content)
    return read_table(path).rows


def names(rows):
    return {column: as_names(rows[column]).tolist() for column in rows}


EXPECTED = {"plate": ["p1", "p2"], "well": ["A01", "B02"], "f0": ["0.5", "-1.25"]}


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " "])
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt", ".TAB"])
def test_any_separator_whatever_the_suffix(tmp_path, separator, suffix):
    assert names(read(tmp_path / f"t{suffix}", TEXT.replace(",", separator))) == EXPECTED


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [
        (".gz", gzip.compress),
        (".bz2", bz2.compress),
        (".xz", lzma.compress),
        (".zst", lambda content: pa.compress(content, "zstd", asbytes=True)),
        ("", gzip.compress),
    ],
)
def test_compression_is_told_by_content(tmp_path, suffix, pack):
    assert names(read(tmp_path / f"t.csv{suffix}", pack(TEXT.encode()))) == EXPECTED


def test_a_zip_holds_one_table(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.csv.zip", "w") as archive:
        archive.writestr("t.csv", TEXT)
        archive.writestr("__MACOSX/._t.csv", "x")
    assert names(read_table(tmp_path / "t.csv.zip").rows) == EXPECTED
    with zipfile.ZipFile(tmp_path / "t.csv.zip", "a") as archive:
        archive.writestr("u.csv", TEXT)
    with pytest.raises(ValueError, match="must hold one table, found 2 files"):
        read_table(tmp_path / "t.csv.zip")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(tmp_path, encoding, end):
    text = "unit,name\nµM,Müller\nnM,\n".replace("\n", end)
    assert names(read(tmp_path / "t.csv", text.encode(encoding))) == {"unit": ["µM", "nM"], "name": ["Müller", None]}


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_what_is_no_unicode_is_read_as_windows_text_and_said(tmp_path, encoding):
    with pytest.warns(PhenolensWarning, match=r"is not in UTF-8 \(line 2\), and was read as Windows-1252"):
        assert names(read(tmp_path / "t.csv", "unit,n\nµM,1\n".encode(encoding))) == {"unit": ["µM"], "n": ["1"]}


@pytest.mark.parametrize(
    "name", ["nan", "NaN", "NA", "N/A", "None", "null", "NULL", "TRUE", "007", "12E3", "SEPT1", "1e5", "-"]
)
def test_names_stay_what_they_are(tmp_path, name):
    for separator in ",;\t":
        rows = read(tmp_path / "t.csv", f"gene,f0\n{name},1\n,2\n".replace(",", separator))
        assert names(rows)["gene"] == [name, None]
    pd.DataFrame({"gene": [name, None]}).to_parquet(tmp_path / "t.parquet")
    assert names(read_table(tmp_path / "t.parquet").rows)["gene"] == [name, None]


def test_integers_beside_empty_cells_are_no_floats(tmp_path):
    table = pd.DataFrame({"gene": [1000, None, 1002]})
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    table.astype("Int64").to_parquet(tmp_path / "i.parquet")
    for file in ("t.csv", "t.parquet", "i.parquet"):
        assert names(read_table(tmp_path / file).rows)["gene"] == ["1000", None, "1002"]
    large = pd.DataFrame({"gene": pd.array([2**53 + 1, None], "Int64")})
    large.to_parquet(tmp_path / "large.parquet")
    assert names(read_table(tmp_path / "large.parquet").rows)["gene"] == [str(2**53 + 1), None]


def test_white_space_around_names_is_none_of_them(tmp_path):
    rows = read(tmp_path / "t.csv", "gene , role,f0\n A,\u00a0DMSO ,1\n  , x\t,2\n")
    assert names(rows) == {"gene": ["A", None], "role": ["DMSO", "x"], "f0": ["1", "2"]}


@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimal_commas(tmp_path, separator):
    rows = read(tmp_path / "t.csv", "w;f0;f1;n\nA01;-0,5;1,25E-3;#N/A\nB02;12;,5;3\n".replace(";", separator))
    assert parse_numbers(rows["f0"]).tolist() == [-0.5, 12]
    assert parse_numbers(rows["f1"]).tolist() == [1.25e-3, 0.5]


def test_commas_that_may_be_anything_else_are_left(tmp_path):
    thousands = read(tmp_path / "t.csv", "a;b\nx;1,234\ny;12,345\n")
    assert names(thousands)["b"] == ["1,234", "12,345"]
    lists = read(tmp_path / "t.tsv", "targets\tf0\n1017,1019\t0.5\n1017\t1.5\n")
    assert names(lists)["targets"] == ["1017,1019", "1017"]


def test_excel_names_its_separator(tmp_path):
    assert names(read(tmp_path / "t.csv", "sep=;\r\nplate;f0\r\np;1\r\n")) == {"plate": ["p"], "f0": ["1"]}


def test_what_spreadsheets_write_below_and_beside_a_table_is_left_out(tmp_path):
    assert names(read(tmp_path / "t.csv", "a,b,,\n1,x,,\n,y,,\n,,,\n,,,\n")) == {"a": ["1", None], "b": ["x", "y"]}


def test_quoted_cells_hold_separators_line_ends_and_quotes(tmp_path):
    rows = read(tmp_path / "t.csv", 'a,b\n"x,y","line 1\nline ""2"""\nz,w\n')
    assert names(rows) == {"a": ["x,y", "z"], "b": ['line 1\nline "2"', "w"]}


def test_r_quotes_text_and_writes_na_without_quotes(tmp_path):
    rows = read(tmp_path / "t.csv", '"","gene","f0"\n"1","NA",1.5\n"2",NA,NA\n')
    assert names(rows) == {"gene": ["NA", None], "f0": ["1.5", None]}
    assert rows.index.tolist() == ["1", "2"]
    unnamed = read(tmp_path / "t.txt", '"gene" "f0"\n"a" "TP53" 1.5\n"b" "NA" 2\n')
    assert names(unnamed) == {"gene": ["TP53", "NA"], "f0": ["1.5", "2"]}
    assert unnamed.index.tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "it is empty"),
        ("a,b\n1,2\n3\n", "row 3 has 1 cells, the header 2"),
        ("a,b\n1,2\n3,4,5\n5,6\n", "row 3 has 3 cells, the header 2"),
        ("a,,b\n1,2,3\n4,5,6\n", "column 2 has no name of its own"),
        ("a,b,a\n1,2,3\n", "columns called 'a' differ"),
        ("plate,Metadata_Plate\n1,2\n", "columns 'plate' and 'Metadata_Plate' differ"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook; save the sheet as CSV"),
        (b"\x1f\x8b\x08\x00broken", "damaged"),
        (b"BZh9broken", "damaged"),
        (b"\x28\xb5\x2f\xfdbroken", "damaged"),
        (",a\nr1,1\n,2\n", "column 1 has no name of its own"),
    ],
)
def test_what_cannot_be_read_is_named_on_one_line(tmp_path, content, message):
    with pytest.raises((ValueError, OSError), match=message) as caught:
        read(tmp_path / "t.csv", content)
    assert "\n" not in str(caught.value)


def test_an_encrypted_archive_is_refused(tmp_path):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("t.csv", "a,b\n1,2\n")
    marked = bytearray(content.getvalue())
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        marked[marked.index(header) + flags] |= 1
    with pytest.raises(ValueError, match="damaged or encrypted"):
        read(tmp_path / "t.csv.zip", bytes(marked))


def test_a_long_cell_is_read_whatever_the_limit_was(tmp_path):
    csv.field_size_limit(100)
    rows = read(tmp_path / "t.csv", f"sep=;\na;b\n{'x' * 200};1\n")
    assert rows["a"].tolist() == ["x" * 200]


def test_workbooks_are_refused_with_what_to_do(tmp_path):
    with pytest.raises(ValueError, match=r"not '\.xlsx'; save the sheet as CSV"):
        read(tmp_path / "t.xlsx", "x")


@pytest.mark.parametrize(
    ("given", "called"),
    [
        ("Metadata_Plate", "plate"),
        ("metadata_well", "well"),
        ("METADATA_Site", "site"),
        ("Perturbation_Type", "perturbation_type"),
        ("Metadata_gene_symbol", "gene_symbol"),
        ("Nuclei_Plate", "Nuclei_Plate"),
        ("X", "X"),
        (" f0 ", "f0"),
        ("Metadata_", "Metadata_"),
    ],
)
def test_columns_are_called_alike_whoever_wrote_them(given, called):
    assert column_name(given) == called


def test_what_is_marked_as_metadata_is_known(tmp_path):
    (tmp_path / "t.csv").write_text("Metadata_Plate,Metadata_dose,f0\np,1,2\n")
    assert read_table(tmp_path / "t.csv").metadata == {"plate", "dose"}


def test_columns_of_lists_bytes_dates_and_booleans(tmp_path):
    table = pd.DataFrame(
        {
            "targets": [["TUBB", "TUBA1A"], None],
            "codes": [np.array([1, 2]), np.array([], dtype=int)],
            "name": [b"caf\xc3\xa9", None],
            "when": pd.to_datetime(["2026-01-02 03:04:05", None]),
            "day": [datetime.date(2026, 1, 2), None],
            "control": [True, False],
            "kind": pd.Categorical(["a ", None]),
            "nested": [{"a": 1}, None],
        }
    )
    table.to_parquet(tmp_path / "t.parquet")
    found = names(read_table(tmp_path / "t.parquet").rows)
    assert found["targets"] == ["TUBB|TUBA1A", None]
    assert found["codes"] == ["1|2", None]
    assert found["name"] == ["café", None]
    assert found["when"] == ["2026-01-02T03:04:05", None]
    assert found["day"] == ["2026-01-02", None]
    assert found["control"] == ["True", "False"]
    assert found["kind"] == ["a", None]
    assert found["nested"][1] is None


def test_named_levels_of_an_index_are_columns(tmp_path):
    table = pd.DataFrame({"plate": ["p", "p"], "well": ["A01", "A02"], "f0": [1.0, 2.0]})
    for index in (["plate", "well"], ["well"], "plate"):
        table.set_index(index).to_parquet(tmp_path / "t.parquet")
        found = read_table(tmp_path / "t.parquet").rows
        assert sorted(found) == ["f0", "plate", "well"]
        assert as_names(found["plate"]).tolist() == ["p", "p"]
    table.set_index("well", drop=False).to_parquet(tmp_path / "t.parquet")
    assert sorted(read_table(tmp_path / "t.parquet").rows) == ["f0", "plate", "well"]
    table.set_axis(["r1", "r2"]).to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").rows.index.tolist() == ["r1", "r2"]


def test_levels_of_columns_are_joined(tmp_path):
    table = pd.DataFrame([[1.0, 2.0]], columns=pd.MultiIndex.from_tuples([("f0", "mean"), ("f0", "std")]))
    table.to_parquet(tmp_path / "t.parquet")
    assert list(read_table(tmp_path / "t.parquet").rows) == ["f0_mean", "f0_std"]


def test_a_parquet_file_below_a_folder_like_a_partition_gets_no_column(tmp_path):
    (tmp_path / "plate=9").mkdir()
    parquet.write_table(pa.table({"f0": [1.0]}), tmp_path / "plate=9" / "t.parquet")
    assert list(read_table(tmp_path / "plate=9" / "t.parquet").rows) == ["f0"]


def test_row_numbers_that_were_written_are_no_column(tmp_path):
    table = pd.DataFrame({"gene": ["A", "B"], "f0": [1.0, 2.0]})
    table.to_csv(tmp_path / "t.csv")
    assert list(read_table(tmp_path / "t.csv").rows) == ["gene", "f0"]
    pd.read_csv(tmp_path / "t.csv").to_csv(tmp_path / "t.csv")
    assert list(read_table(tmp_path / "t.csv").rows) == ["gene", "f0"]


@pytest.mark.parametrize("cell", ["1e10745244367", "-1e999999999999", "1" * 400])
def test_numbers_beyond_any_are_infinite(tmp_path, cell):
    rows = read(tmp_path / "t.csv", f"f0\n{cell}\n")
    assert np.isinf(parse_numbers(rows["f0"])).all()


def test_mixed_python_objects_are_text(tmp_path):
    rows = plain_table(
        pd.DataFrame({"a": [1, "x"], "b": [True, 2], "c": [1, 2.5], "d": [None, np.nan]}, dtype=object)
    ).rows
    assert names(rows) == {"a": ["1", "x"], "b": ["True", "2"], "c": ["1", "2.5"], "d": [None, None]}


# What others write comes back equal.

NAMES = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=8).filter(
    lambda name: not (name.endswith(".0") or '"' in name or name.endswith("\\"))
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=64)
TABLES = st.lists(st.tuples(NAMES, st.none() | NAMES, FLOATS, FLOATS), min_size=1, max_size=6)


def as_r(cell):
    """Return a cell as R's write.table writes it: text in quotes, a missing value without."""
    if pd.isna(cell):
        return "NA"
    return f'"{cell}"' if isinstance(cell, str) else repr(cell)


def write_as_r(table, path, separator, *, name_above_rows):
    lines = [[as_r(name) for name in [*([""] if name_above_rows else []), *table]]]
    lines += [[f'"{row}"', *map(as_r, cells)] for row, cells in enumerate(table.itertuples(index=False), 1)]
    path.write_text("".join(separator.join(line) + "\n" for line in lines), encoding="utf-8")


WRITERS = {
    "pandas.csv": lambda table, path: table.to_csv(path, index=False),
    "numbered.csv": lambda table, path: table.to_csv(path),
    "pandas.tsv": lambda table, path: table.to_csv(path, index=False, sep="\t"),
    "pycytominer.csv.gz": lambda table, path: table.to_csv(path, index=False, compression="gzip"),
    "pandas.parquet": lambda table, path: table.to_parquet(path),
    "cytotable.parquet": lambda table, path: parquet.write_table(
        pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None), path, compression="zstd"
    ),
    "fwrite.csv": lambda table, path: table.to_csv(path, index=False, na_rep="", lineterminator="\n"),
    "write_table.txt": lambda table, path: write_as_r(table, path, " ", name_above_rows=False),
    "write_tabs.tsv": lambda table, path: write_as_r(table, path, "\t", name_above_rows=False),
    "write_csv.csv": lambda table, path: write_as_r(table, path, ",", name_above_rows=True),
    "excel.csv": lambda table, path: table.to_csv(
        path, index=False, sep=";", decimal=",", encoding="utf-8-sig", lineterminator="\r\n"
    ),
}


@pytest.mark.parametrize("writer", WRITERS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=TABLES)
def test_what_others_write_comes_back_equal(tmp_path, writer, rows):
    columns = ["Metadata_Plate", "Metadata_gene", "f0", "f1"]
    table = pd.DataFrame(rows, columns=columns)
    WRITERS[writer](table, tmp_path / writer)
    found = read_table(tmp_path / writer)
    assert list(found.rows) == ["plate", "gene", "f0", "f1"]
    assert found.metadata == {"plate", "gene"}
    assert as_names(found.rows["plate"]).tolist() == table["Metadata_Plate"].tolist()
    assert as_names(found.rows["gene"]).tolist() == [None if pd.isna(x) else x for x in table["Metadata_gene"]]
    for feature in ("f0", "f1"):
        np.testing.assert_array_equal(parse_numbers(found.rows[feature]), table[feature])


BOMBS = {
    ".csv.gz": gzip.compress,
    ".csv.bz2": bz2.compress,
    ".csv.xz": lzma.compress,
    ".csv.zst": lambda content: pa.compress(content, "zstd", asbytes=True),
}


@pytest.mark.parametrize("suffix", [*BOMBS, ".csv.zip"])
def test_what_expands_beyond_memory_is_refused_before_memory_is_gone(tmp_path, suffix, monkeypatch):
    content = b"a,b\n" + b"1,2\n" * 10_000_000  # 40 MB
    path = tmp_path / f"t{suffix}"
    if suffix == ".csv.zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("t.csv", content)
    else:
        path.write_bytes(BOMBS[suffix](content))
    del content
    assert path.stat().st_size < 2**18
    monkeypatch.setattr(memory, "free_memory", lambda: 2**22)
    monkeypatch.setattr(text_file, "_PART", 2**20)
    tracemalloc.start()
    with pytest.raises(PhenolensError, match=r"t\.csv.*: it is compressed, and to read it takes more than .* are free"):
        read_rows(path, "a table")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**24


def test_a_table_as_large_as_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_text("a\n" + "1\n" * 1000)
    monkeypatch.setattr(memory, "free_memory", lambda: 2**13)
    with pytest.raises(ValueError, match=r"to read it takes 1.12e-05 GiB of memory, and 7.63e-06 GiB are free; split"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize("in_lists", [False, True])
def test_a_dictionary_of_one_long_text_is_counted_for_every_row(tmp_path, in_lists, monkeypatch):
    text = pa.array(["x" * 2**20])
    cells = pa.DictionaryArray.from_arrays(pa.array(np.zeros(4096, np.int32)), text)  # 4 GB of text
    if in_lists:
        cells = pa.ListArray.from_arrays(pa.array(np.arange(4097, dtype=np.int32)), cells)
    parquet.write_table(pa.table({"a": cells}), tmp_path / "t.parquet")
    assert (tmp_path / "t.parquet").stat().st_size < 2**18
    monkeypatch.setattr(memory, "free_memory", lambda: 2**32)
    with pytest.raises(ValueError, match=r"to read it takes 8 GiB of memory, and 4 GiB are free; split the table"):
        read_table(tmp_path / "t.parquet")


def test_common_texts_are_no_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 2**28)
    pd.DataFrame({"gene": ["TP53", "BRCA2"] * 100_000, "f": 0.5}).to_parquet(tmp_path / "t.parquet")
    assert len(read_table(tmp_path / "t.parquet").rows) == 200_000


def test_columns_of_numbers_are_apart_in_any_order_and_others_stay_text(tmp_path):
    text = "well,f0,Metadata_x,plate,f1,id,f2,f3,F3\nA01,1,2,007,,007,n.d.,1e3,1\nA02, 2,3,8,-1.5,8,2,nan,1\n"
    (tmp_path / "t.csv").write_text(text)
    table, apart = read_numbers_apart(tmp_path / "t.csv", {"well", "plate", "id"})
    assert list(apart.names) == ["f1", "F3"]
    assert np.isnan(apart.numbers[0, 0])
    assert apart.numbers[1].tolist() == [-1.5, 1]
    assert list(table.rows) == ["well", "f0", "x", "plate", "id", "f2", "f3"]
    assert names(table.rows)["id"] == ["007", "8"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(st.sampled_from(["1", "-2.5e3", "", "nan", "x", " 4", "inf", "1,5"]), min_size=3, max_size=3),
        min_size=1,
        max_size=7,
    )
)
def test_numbers_apart_are_those_of_the_table(tmp_path, columns):
    heads = ["id", *(f"f{number}" for number in range(len(columns)))]
    rows = zip(["a", "b", "c"], *columns, strict=True)
    (tmp_path / "t.tsv").write_text("\n".join("\t".join(row) for row in [heads, *rows]) + "\n")
    whole = read_table(tmp_path / "t.tsv").rows
    table, apart = read_numbers_apart(tmp_path / "t.tsv", ())
    assert {*table.rows, *apart.names} == {*whole}
    for name, at in apart.names.items():
        np.testing.assert_array_equal(apart.numbers[:, at], parse_numbers(whole[name]))
    for name in table.rows:
        assert names(table.rows)[name] == names(whole)[name]


@pytest.mark.parametrize("content", [b"a,b\n1,\0\n", b"a,b\n1\0,2\n", b"a,bc\n\0\0,22\n", b"\0a,b\n1,2\n"])
def test_stray_zero_bytes_are_no_other_encoding(tmp_path, content):
    with pytest.raises(ValueError, match="it holds zero bytes, and is no text; save it as CSV in UTF-8"):
        read(tmp_path / "t.csv", content)
