"""Tables of relations as people have them."""

import gzip

import pandas as pd
import pytest

from phenolens.core.errors import PhenolensError
from phenolens.tasks.relations import (
    pairs_among,
    read_relations,
    read_sets,
    read_translation,
    relation_files,
    spelling_note,
)


def write(path, text):
    path.write_text(text)
    return path


def test_pairs_by_position_sets_by_name(tmp_path):
    pairs = read_relations(write(tmp_path / "p.csv", "Interactor_1,Interactor_2,score\nA,B,1\nB,C,2\n,C,3\n"))
    assert pairs[["entity1", "entity2"]].to_numpy().tolist() == [["A", "B"], ["B", "C"]]
    sets = read_relations(write(tmp_path / "s.tsv", "complex_id\tgene\n1\tA\n1\tB\n1\tC\n2\tC\n2\tD\n1\tA\n"))
    assert sets.to_numpy().tolist() == [["A", "B"], ["A", "C"], ["B", "C"], ["C", "D"]]


def test_row_numbers_are_no_names_and_named_columns_come_first(tmp_path):
    table = read_relations(write(tmp_path / "p.csv", ",score,entity1,entity2\n0,0.5,A,B\n1,0.7,B,C\n"))
    assert table[["entity1", "entity2"]].to_numpy().tolist() == [["A", "B"], ["B", "C"]]


def test_pairs_count_once_whichever_way_round(tmp_path):
    table = read_relations(write(tmp_path / "p.csv", "a,b\nX,Y\nY,X\nX,X\nX,Z\nX,unknown\n"))
    assert pairs_among(table, ["X", "Y", "Z"]).tolist() == [[0, 1], [0, 2]]
    assert len(pairs_among(table, ["Q", "R"])) == 0


def test_a_translated_name_may_stand_for_several(tmp_path):
    table = read_relations(write(tmp_path / "p.csv", "a,b\nHUMAN1,HUMAN2\n"))
    names = read_translation(write(tmp_path / "t.csv", "fly,human\nf1,HUMAN1\nf2,HUMAN2\nf3,HUMAN2\nf1,HUMAN2\n"))
    assert pairs_among(table, ["f1", "f2", "f3"], names).tolist() == [[0, 1], [0, 2]]


def test_files_and_folders(tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    pd.DataFrame({"a": ["X"], "b": ["Y"]}).to_parquet(folder / "one.parquet")
    pd.DataFrame({"a": ["X"], "b": ["Y"]}).to_csv(folder / "two.csv.gz", index=False)
    write(folder / "README.md", "no table")
    found = relation_files([folder])
    assert list(found) == ["one", "two"]
    assert all(len(read_relations(path)) == 1 for path in found.values())
    other = write(tmp_path / "one.csv", "a,b\nX,Y\n")
    with pytest.raises(PhenolensError, match="are both called 'one'"):
        relation_files([folder, other])


@pytest.mark.parametrize(
    ("text", "message"), [("a\nX\n", "two columns"), ("a,b\n", "found 2 and 0"), ("", "cannot be read as relations")]
)
def test_what_is_no_table_of_relations(tmp_path, text, message):
    with pytest.raises(PhenolensError, match=message):
        read_relations(write(tmp_path / "p.csv", text))


def test_nothing_there(tmp_path):
    with pytest.raises(PhenolensError, match="no relations at"):
        relation_files([tmp_path / "none.csv"])
    with pytest.raises(PhenolensError, match="holds no table"):
        relation_files([tmp_path])


@pytest.mark.parametrize("file", ["p.csv", "p.txt", "p.tsv.gz", "p.csv.xz", "semicolons.csv", "p.parquet"])
def test_names_are_what_stands_in_the_file(tmp_path, file):
    pairs = pd.DataFrame({"a": ["nan", "NA", "007", "1000"], "b": ["None", "7", "1E3", None], "score": [0.5, 1, 2, 3]})
    if file == "p.parquet":
        pairs.to_parquet(tmp_path / file)
    else:
        separator = ";" if "semi" in file else "," if "csv" in file else "\t"
        pairs.to_csv(tmp_path / file, sep=separator, decimal="," if separator == ";" else ".", index=False)
    found = read_relations(tmp_path / file)
    assert found[["entity1", "entity2"]].to_numpy().tolist() == [["nan", "None"], ["NA", "7"], ["007", "1E3"]]


def test_entrez_ids_stay_whole_beside_an_empty_cell(tmp_path):
    pairs = pd.DataFrame({"a": [1000, 1001, 1002], "b": [1001, None, 1003]})
    pairs.to_csv(tmp_path / "p.csv", index=False)
    pairs.to_parquet(tmp_path / "p.parquet")
    for file in ("p.csv", "p.parquet"):
        found = read_relations(tmp_path / file)[["entity1", "entity2"]]
        assert found.to_numpy().tolist() == [["1000", "1001"], ["1002", "1003"]]


@pytest.mark.parametrize("suffix", [".gmt", ".gmt.gz"])
def test_members_of_sets_in_any_compression_and_without_blanks(tmp_path, suffix):
    text = b"one\tabout\tNA\tB \tNA\t\ntwo\t\tnan\tC\n"
    (tmp_path / f"s{suffix}").write_bytes(gzip.compress(text) if suffix.endswith("gz") else text)
    assert read_sets(tmp_path / f"s{suffix}") == {"one": ["NA", "B"], "two": ["nan", "C"]}
    write(tmp_path / "s.tsv", "set\tgene\nNA\tnan\nNA\t NA\n")
    assert read_sets(tmp_path / "s.tsv") == {"NA": ["nan", "NA"]}


def test_names_that_are_not_found_for_their_spelling_are_named():
    note = spelling_note(["Brca1", "TP53", "2-Sep", "new"], ["BRCA1", "TP53", "SEPT2"])
    assert "'Brca1' ('BRCA1') differ from perturbations" in note
    assert "'2-Sep' look like names that a spreadsheet" in note
    assert spelling_note(["TP53", "new"], ["TP53"]) == ""
