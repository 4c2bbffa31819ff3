"""What was asked and could not be answered stands first, and fails where nothing may be missing."""

import json

import numpy as np
import pandas as pd
import pytest

from phenolens.cli import main

pytestmark = pytest.mark.integration

ANSWERED = "{task: replicate-retrieval, measures: distinctiveness, n_permutations: 50}"
UNANSWERED = "{task: knn-probe, label: kind, group: plate}"


@pytest.fixture
def recipe(tmp_path):
    """Return a function that writes a recipe; all wells are of one kind, which no probe can predict."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(12, 6)).repeat(4, axis=0) + rng.normal(size=(48, 6))).add_prefix("f")
    table.insert(0, "perturbation", np.repeat([f"c{i}" for i in range(12)], 4))
    table.insert(1, "plate", np.tile(["p1", "p2"], 24))
    table.insert(2, "well", [f"{'ABCD'[i // 12]}{i % 12 + 1:02d}" for i in range(48)])
    table.insert(3, "kind", "the same")
    table.to_csv(tmp_path / "mine.csv", index=False)

    def write(*tasks):
        path = tmp_path / "recipe.yaml"
        path.write_text(f"name: r\ndataset: {{tables: {{mine: {{file: mine.csv}}}}}}\ntasks: [{', '.join(tasks)}]\n")
        return path

    return write


def call(capsys, *arguments):
    try:
        main([str(argument) for argument in arguments])
        code = 0
    except SystemExit as stop:
        code = stop.code or 0
    captured = capsys.readouterr()
    return code, captured.out, [line for line in captured.err.splitlines() if line.startswith("error: ")]


def test_a_question_without_an_answer_stands_first_and_fails_where_nothing_may_be_missing(capsys, recipe, tmp_path):
    path = recipe(ANSWERED, UNANSWERED)
    code, out, errors = call(capsys, "run", path, "--out", tmp_path / "out")
    assert (code, errors) == (0, [])
    first, second, *_ = out.splitlines()
    assert first.startswith("asked and not answered: knn probe: kind (grouped by plate), raw: ")
    assert not second.startswith("asked")
    sentence = first.partition(": ")[2]
    card = (tmp_path / "out" / "card.md").read_text()
    headings = [line for line in card.splitlines() if line.startswith("## ")]
    assert headings[0] == "## Asked and not answered"
    assert f"- {sentence}" in card
    page = (tmp_path / "out" / "report.html").read_text()
    first_section = page.index('<section id="beats"')
    assert page.index("Asked and not answered") < first_section < page.index('<p class="claim">')
    (tmp_path / "out" / "card.md").unlink()
    code, out, errors = call(capsys, "run", path, "--out", tmp_path / "out", "--strict", "--json")
    assert code == 1
    assert json.loads(out)["unanswered"] == [sentence]
    assert errors == [f"error: asked and not answered: {sentence.rstrip('.')}"]
    assert (tmp_path / "out" / "card.md").is_file()


def test_nothing_is_missing_where_every_question_was_answered(capsys, recipe, tmp_path):
    code, out, errors = call(capsys, "run", recipe(ANSWERED), "--out", tmp_path / "out", "--strict")
    assert (code, errors) == (0, [])
    assert "not answered" not in out
    assert "not answered" not in (tmp_path / "out" / "card.md").read_text()


def test_diagnose_is_strict_too(capsys, recipe, tmp_path):
    recipe(ANSWERED)
    asked = ("diagnose", tmp_path / "mine.csv", "--out", tmp_path / "out", "--strict")
    assert call(capsys, *asked)[0] == 0
    # A label that is the plate cannot be predicted on plates that were not seen.
    code, out, errors = call(capsys, *asked, "--label", "plate")
    assert code == 1
    assert out.startswith("asked and not answered: linear probe: label (grouped by plate), raw: ")
    assert len(errors) == 1
    assert errors[0].endswith(f"; all 2 are in {tmp_path / 'out' / 'card.md'}")
