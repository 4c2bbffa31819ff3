"""Results on disk: what is written is what is read, and damage is named."""

import json

import pandas as pd
import pytest

from phenolens.core.errors import PhenolensError
from phenolens.report import Results


def test_round_trip(tmp_path, make_results):
    results = make_results()
    results.save(tmp_path)
    found = Results.load(tmp_path)
    for table in ("scores", "units", "comparisons"):
        pd.testing.assert_frame_equal(getattr(found, table), getattr(results, table))
    for field in ("name", "dataset", "encoders", "verdicts", "skipped", "quarantine", "examples", "provenance"):
        assert getattr(found, field) == getattr(results, field)


def test_json_is_strict_and_holds_the_scores(tmp_path, make_results):
    make_results().save(tmp_path)

    def refuse(token):
        raise AssertionError(token)

    page = json.loads((tmp_path / "results.json").read_text(), parse_constant=refuse)
    assert len(page["scores"]) == len(pd.read_parquet(tmp_path / "scores.parquet"))


def test_saving_twice_leaves_no_other_files(tmp_path, make_results):
    for _ in range(2):
        make_results().save(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"results.json", "scores.parquet", "units.parquet", "comparisons.parquet"}


def spoil(folder, how):
    path = folder / "results.json"
    page = json.loads(path.read_text())
    if how == "version":
        path.write_text(json.dumps({**page, "version": 99}))
    elif how == "format":
        path.write_text(json.dumps({"a": 1}))
    elif how == "broken":
        path.write_text(path.read_text()[:100])
    elif how == "table gone":
        (folder / "units.parquet").unlink()
    elif how == "table of another run":
        (folder / "units.parquet").write_bytes((folder / "scores.parquet").read_bytes())
    elif how == "none":
        path.unlink()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("version", "format version 99"),
        ("format", "was not written by Phenolens"),
        ("broken", "not valid JSON"),
        ("table gone", "units.parquet is not there"),
        ("table of another run", "not the table results.json was written with"),
        ("none", "no results in"),
    ],
)
def test_damage_is_named_on_one_line(tmp_path, make_results, how, said):
    make_results().save(tmp_path)
    spoil(tmp_path, how)
    with pytest.raises(PhenolensError, match=said) as caught:
        Results.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_table_that_lacks_a_column_is_refused(make_results):
    with pytest.raises(PhenolensError, match="the table of scores lacks chance"):
        make_results(scores=make_results().scores.drop(columns="chance"))
