"""Former spellings: read as the current ones, with a warning; each is in the table of docs/recipes.md."""

from pathlib import Path

import pytest

from phenolens.core.errors import PhenolensWarning
from phenolens.core.renamed import RENAMED, current_name, current_option, current_options

RECIPES = Path(__file__).parents[2] / "docs" / "recipes.md"


def test_a_former_name_is_read_as_the_current_one_with_a_warning():
    with pytest.warns(PhenolensWarning, match="^profiling: 'spread' is .* write 'random-fourier-features'$"):
        assert current_name("profiling", "spread") == "random-fourier-features"


def test_a_former_option_is_read_with_its_value():
    with pytest.warns(PhenolensWarning, match="write 'measures=distinctiveness'"):
        assert current_option("replicate-retrieval", "against", "others") == ("measures", "distinctiveness")


def test_what_was_never_renamed_stays_without_a_warning():
    options = {"against": "neither", "measures": "activity", "n_permutations": 20, "relations": ["a", "b"]}
    assert current_options("replicate-retrieval", options) == options
    assert current_name("encoder", "spread") == "spread"


@pytest.mark.parametrize(("of", "former"), [(of, former) for of, names in RENAMED.items() for former in names])
def test_the_documentation_lists_every_former_spelling(of, former):
    new = RENAMED[of][former]
    as_in_a_recipe = [text.replace("=", ": ") for text in (former, new)]
    row = f"| {of} | `{as_in_a_recipe[0]}` | `{as_in_a_recipe[1]}` |"
    assert row in RECIPES.read_text()
