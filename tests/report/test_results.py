"""Results on disk: what is written is what is read, and damage is named."""

import json

import pandas as pd
import pytest

from phenolens.core.errors import PhenolensError
from phenolens.diagnosis.evidence import Evidence
from phenolens.diagnosis.records import BaselineDifference
from phenolens.report import Results

pytestmark = pytest.mark.integration


def test_round_trip(tmp_path, results):
    results.save(tmp_path)
    found = Results.load(tmp_path)
    for table in ("scores", "units", "comparisons"):
        pd.testing.assert_frame_equal(getattr(found, table), getattr(results, table))
    for field in ("name", "dataset", "encoders", "skipped", "quarantine", "examples", "provenance", "parts"):
        assert getattr(found, field) == getattr(results, field)
    # NaN is no equal of itself, so that records are compared as they are written.
    assert repr(found.verdicts) == repr(results.verdicts)
    assert repr(found.evidence) == repr(results.evidence)


def test_comparisons_hold_all_of_their_records(study, results):
    table = pd.read_parquet(study / "comparisons.parquet")
    records = results.evidence.of(BaselineDifference)
    assert len(table) == len(records) > 0
    assert table["difference"].tolist() == pytest.approx([each.estimate.value for each in records], nan_ok=True)
    assert any(each.reference == "best baseline" for each in records)
    page = json.loads((study / "results.json").read_text())
    assert "baseline_difference" not in page["evidence"]["records"]


def test_without_evidence_comparisons_have_their_columns(tmp_path, results):
    columns = list(results.comparisons)
    results.evidence = Evidence()
    results.save(tmp_path)
    found = Results.load(tmp_path)
    assert found.evidence == Evidence()
    assert list(found.comparisons) == columns


def test_json_is_strict_and_holds_the_scores(study):
    def refuse(token):
        raise AssertionError(token)

    page = json.loads((study / "results.json").read_text(), parse_constant=refuse)
    assert len(page["scores"]) == len(pd.read_parquet(study / "scores.parquet")) > 0


def test_saving_twice_leaves_no_other_files(tmp_path, results):
    for _ in range(2):
        results.save(tmp_path)
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
    elif how == "unknown record":
        page["evidence"]["records"]["dream"] = [{}]
        path.write_text(json.dumps(page))
    elif how == "verdict":
        del page["verdicts"][0]["claim"]
        path.write_text(json.dumps(page))
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
        ("unknown record", "records 'dream', which are not known"),
        ("verdict", "verdicts.0.claim"),
        ("table gone", "units.parquet is not there"),
        ("table of another run", "not the table results.json was written with"),
        ("none", "no results in"),
    ],
)
def test_damage_is_named_on_one_line(tmp_path, results, how, said):
    results.save(tmp_path)
    spoil(tmp_path, how)
    with pytest.raises(PhenolensError, match=said) as caught:
        Results.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_table_that_lacks_a_column_is_refused(results):
    fields = {name: getattr(results, name) for name in Results.__dataclass_fields__}
    with pytest.raises(PhenolensError, match="the table of scores lacks chance"):
        Results(**(fields | {"scores": results.scores.drop(columns="chance")}))
