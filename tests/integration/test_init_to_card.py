"""From a folder and a platemap to a card: the recipe that `phenolens init` writes runs as it is."""

import pandas as pd
import pytest

from phenolens.recipes import load_recipe
from phenolens.workflows.init import init
from phenolens.workflows.study import run


@pytest.fixture(scope="module")
def study(data_dir, tmp_path_factory):
    """The plate of BBBC013 by its file names, with the recipe as it is written."""
    folder = tmp_path_factory.mktemp("init")
    rows = pd.read_csv(data_dir / "bbbc013_sbs/metadata.csv", dtype=str)
    rows[["well", "compound", "dose", "dose_unit", "role"]].to_csv(folder / "plan.csv", index=False)
    drafted = init(data_dir / "bbbc013_sbs/images", folder, platemap=folder / "plan.csv")
    return run(load_recipe(drafted.written[1]), folder / "out"), folder / "out"


def test_every_question_of_the_recipe_is_answered_on_a_card(study):
    results, out = study
    assert (out / "card.md").is_file()
    assert set(results.scores["task"]) == {
        "replicate-retrieval:controls",
        "replicate-retrieval:others",
        "dose-response",
    }
    assert set(results.scores["profiling"]) == {"raw", "tvn"}
    assert not any(each.asked_for for each in results.skipped)


def test_wells_have_what_the_platemap_says(study):
    results, _ = study
    assert (results.dataset["n_sites"], results.dataset["n_negative_controls"]) == (96, 12)
    assert results.dataset["n_perturbations"] == 19
    top = results.units.query(
        "encoder_id == 'pixel-statistics' and profiling == 'tvn' and task == 'replicate-retrieval:controls'"
    ).set_index("unit")
    assert top.loc["wortmannin 0.25 uM", "value"] > top.loc["wortmannin 0.00098 uM", "value"]
