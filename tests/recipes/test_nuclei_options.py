"""The entry `nuclei` of a recipe."""

import pytest

from phenolens.core.errors import RecipeError
from phenolens.images import NucleiOptions
from phenolens.recipes.study import read_recipe

RECIPE = """
name: x
dataset: {manifest: manifest.csv}
tasks: [{task: replicate-retrieval, measures: activity}]
"""


def read(tmp_path, line):
    (tmp_path / "recipe.yaml").write_text(RECIPE + line)
    return read_recipe(tmp_path / "recipe.yaml")


def test_options_are_read_and_written_out(tmp_path):
    recipe = read(tmp_path, "nuclei: {diameter: [4, 20]}")
    assert recipe.nuclei == NucleiOptions("classical", (4, 20))
    assert "segmentation: classical" in recipe.as_yaml()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("nuclei: {diameter: [20, 4]}", "the least and the greatest in microns"),
        ("nuclei: {diameter: 20}", "diameter"),
        ("nuclei: {size: [4, 20]}", "nuclei.size: no such entry"),
        ("nuclei: {segmentation: celpose}", "did you mean 'cellpose'"),
    ],
)
def test_what_cannot_be_run_is_refused(tmp_path, line, reason):
    with pytest.raises(RecipeError, match=reason):
        read(tmp_path, line)
