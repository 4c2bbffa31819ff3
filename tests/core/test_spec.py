"""Names with options are taken apart by one grammar, whatever they are names of."""

import pytest

from phenolens.cli.options import parse_options
from phenolens.core.errors import EncoderError, PhenolensError, ProfilingError
from phenolens.core.spec import Spec, parse_option, parse_spec
from phenolens.encoders import EncoderName
from phenolens.profiling import parse_profiling


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tvn", Spec("tvn", ())),
        ("tvn@", Spec("tvn", ())),
        ("", Spec("", ())),
        ("hf/a/B@weights=w.safetensors", Spec("hf/a/B", (("weights", "w.safetensors"),))),
        ("x@b=1,a=2", Spec("x", (("b", "1"), ("a", "2")))),
        ("x@rule=a==b", Spec("x", (("rule", "a==b"),))),
        ("x@path=a@b", Spec("x", (("path", "a@b"),))),
    ],
)
def test_names_are_taken_apart(text, expected):
    assert parse_spec(text) == expected


@pytest.mark.parametrize(
    ("options", "part"),
    [("seed", "seed"), ("seed=", "seed="), ("=1", "=1"), ("a=1,,b=2", ""), ("a=1,", ""), ("a=1,a=2", "a=2")],
)
def test_a_part_that_is_no_option_is_named_by_all_who_read_names(options, part):
    with pytest.raises(ValueError, match=f"^{part}$"):
        parse_spec(f"x@{options}")
    with pytest.raises(EncoderError, match="options are written NAME@option=value,option=value"):
        EncoderName.parse(f"x@{options}")
    with pytest.raises(ProfilingError, match=f"expected each option once as name=value, found '{part}'"):
        parse_profiling(f"tvn@{options}")


@pytest.mark.parametrize("text", ["seed", "seed=", "=1", ""])
def test_an_option_has_a_name_and_a_value(text):
    with pytest.raises(ValueError, match=f"^{text}$"):
        parse_option(text)
    with pytest.raises(PhenolensError, match=f"--level takes name=value, found '{text}'"):
        parse_options([text], "--level")


def test_options_of_commands_become_keywords():
    assert parse_options(["n-permutations=5", "label=a=b,c"]) == {"n_permutations": "5", "label": "a=b,c"}
