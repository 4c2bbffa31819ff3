"""`phenolens evaluate` on tables as people have them: columns called otherwise, gaps, relations, several sources."""

import json

import numpy as np
import pandas as pd
import pytest

from phenolens.cli import main


@pytest.fixture
def ask(capsys):
    """Run `evaluate` with --json; return exit code, the answer, and stderr."""

    def run(*arguments):
        try:
            main(["evaluate", *map(str, arguments), "--json"])
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return code, json.loads(captured.out) if captured.out else None, captured.err

    return run


@pytest.fixture
def knockouts(tmp_path):
    """Sixty genes in complexes of four, two wells each, by pycytominer's convention; and two tables of relations."""
    rng = np.random.default_rng(0)
    genes = np.array([f"G{i}" for i in range(60)])
    centre = rng.normal(size=(60, 8)) + 2 * rng.normal(size=(15, 8))[np.arange(60) // 4]
    frame = pd.DataFrame(np.repeat(centre, 2, axis=0) + 0.1 * rng.normal(size=(120, 8)))
    frame = frame.add_prefix("Nuclei_")
    frame.insert(0, "Metadata_gene_symbol", np.repeat(genes, 2))
    frame.insert(1, "Metadata_Plate", np.tile([1, 2], 60))
    frame.insert(2, "passage", np.tile([7, 9], 60))
    frame.to_parquet(tmp_path / "profiles.parquet")
    (tmp_path / "known").mkdir()
    pairs = pd.DataFrame([(genes[i], genes[j]) for i in range(60) for j in range(i + 1, 60) if i // 4 == j // 4])
    pairs.to_csv(tmp_path / "known" / "Complexes.csv.gz", index=False, header=["entity1", "entity2"])
    pd.DataFrame([(genes[i], genes[59 - i]) for i in range(25)]).to_csv(
        tmp_path / "known" / "Chance.csv", index=False, header=["a", "b"]
    )
    return tmp_path / "profiles.parquet"


def test_relations_with_a_mapped_column_and_a_folder_of_sources(ask, knockouts):
    code, answer, _ = ask(
        *(knockouts, "--task", "relationship-recall", "--perturbation", "gene_symbol", "--features", "Nuclei_*"),
        *("--relations", knockouts.parent / "known", "--option", "n_permutations=39"),
    )
    assert code == 0
    (score,) = answer["scores"]
    assert {"value", "chance", "interval", "n_units"} <= set(score)
    assert score["sources"]["Complexes"]["value"] > 0.5 > score["sources"]["Chance"]["value"]
    assert score["sources"]["Complexes"]["n_relations"] == 90
    for source in score["sources"].values():
        assert source["chance"] == pytest.approx(0.1)
        assert source["interval"][0] <= source["value"] <= source["interval"][1]


def test_numeric_metadata_are_features_unless_named(ask, knockouts):
    options = (
        "--task",
        "relationship-recall",
        "--relations",
        knockouts.parent / "known",
        "--option",
        "n_permutations=19",
    )
    values = []
    for more in ([], ["--features", "Nuclei_*"], ["--batch", "passage"]):
        code, answer, _ = ask(knockouts, *options, "--perturbation", "Metadata_gene_symbol", *more)
        assert code == 0
        values.append(answer["scores"][0]["value"])
    assert values[0] != values[1]
    assert values[1] == values[2]


def test_relations_by_repeated_files_and_a_translation(ask, knockouts):
    genes = [f"G{i}" for i in range(60)]
    pd.DataFrame({"gene": genes, "human": [gene.replace("G", "H") for gene in genes]}).to_csv(
        knockouts.parent / "t.csv", index=False
    )
    human = pd.DataFrame({"a": ["H0", "H4"], "b": ["H1", "H5"]})
    human.to_csv(knockouts.parent / "Human.csv", index=False)
    code, answer, _ = ask(
        *(knockouts, "--task", "relationship-recall", "--perturbation", "gene_symbol", "--features", "Nuclei_*"),
        *("--relations", knockouts.parent / "Human.csv", "--translate", knockouts.parent / "t.csv"),
    )
    assert code == 0
    assert answer["scores"][0]["sources"]["Human"]["n_relations"] == 2


@pytest.fixture
def screen(tmp_path):
    """Controls that are called DMSO, a column of compounds, and one missing value."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(40, 6)), columns=[f"f{i}" for i in range(6)])
    frame["compound"] = ["DMSO"] * 20 + [f"c{i // 4}" for i in range(20)]
    frame.loc[20:23, "f0"] += 9
    frame.loc[39, "f3"] = np.nan
    frame.to_csv(tmp_path / "screen.csv")
    return tmp_path / "screen.csv"


def test_controls_by_name_and_gaps_by_rule(ask, screen):
    question = (screen, "--task", "replicate-retrieval", "--perturbation", "compound", "--negative-control", "DMSO")
    code, answer, error = ask(*question)
    assert code == 1
    assert answer is None
    assert "1 of 40 rows, 1 of 6 features have NaN or infinite values" in error
    assert "--missing" in error
    with pytest.warns(UserWarning, match="replaced by the feature's median"):
        code, answer, _ = ask(*question, "--missing", "median")
    assert code == 0
    assert answer["scores"][0]["n_units"] == 5
    assert answer["evidence"]["records"]["rank_group"][0]["rank_group"] == 1
    with pytest.warns(UserWarning, match="rows left out"):
        assert ask(*question, "--missing", "rows")[0] == 0
    with pytest.warns(UserWarning, match="features left out"):
        assert ask(*question, "--missing", "features")[0] == 0


@pytest.mark.filterwarnings("ignore:.*rows left out")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--perturbation", "compounds"), "did you mean 'compound'"),
        (("--perturbation", "compound", "--negative-control", "dmso"), "did you mean 'DMSO'"),
        (("--features", "g*"), "no feature 'g*'"),
        (("--option", "n_permutations"), "--option takes name=value"),
        (("--option", "n_permutation=3"), "option 'n_permutation'"),
        (("--profiling", "tvm"), "did you mean 'tvn'"),
    ],
)
def test_refusals_name_the_culprit_on_one_line(ask, screen, arguments, message):
    code, answer, error = ask(screen, "--task", "replicate-retrieval", "--missing", "rows", *arguments)
    assert code == 1
    assert answer is None
    assert message in error
    assert len(error.strip().splitlines()) == 1


@pytest.mark.filterwarnings("ignore:.*features left out")
@pytest.mark.parametrize("option", [("--against", "others"), ("--against=others",), ("--option", "against=others")])
def test_a_former_spelling_of_an_option_is_read_with_a_warning(ask, screen, option):
    question = (screen, "--task", "replicate-retrieval", "--perturbation", "compound", "--missing", "features")
    with pytest.warns(UserWarning, match="'against=others' is a former spelling; write 'measures=distinctiveness'"):
        code, former, _ = ask(*question, *option)
    assert code == 0
    code, current, _ = ask(*question, "--measures", "distinctiveness")
    assert code == 0
    assert former["scores"] == current["scores"]


@pytest.fixture
def movies(tmp_path):
    """Vectors of two phenotypes in six movies, with two numbers to predict."""
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(rng.normal(size=(60, 4)), columns=[f"f{i}" for i in range(4)])
    frame.insert(0, "Metadata_movie", [f"m{i // 10}" for i in range(60)])
    frame.insert(1, "Metadata_phenotype", ["mitosis", "interphase"] * 30)
    frame.insert(2, "Metadata_area", frame["f0"] + 0.1 * rng.normal(size=60))
    frame.insert(3, "Metadata_round", frame["f1"] + 0.1 * rng.normal(size=60))
    frame.to_csv(tmp_path / "movies.csv", index=False)
    return tmp_path / "movies.csv"


@pytest.mark.parametrize(
    "options",
    [
        ("--label", "phenotype", "--group", "movie", "--folds", "3"),
        ("--label=phenotype", "--group=movie", "--folds=3"),
        ("--option", "label=phenotype", "--option", "group=movie", "--option", "folds=3"),
    ],
)
@pytest.mark.parametrize("file_first", [True, False])
def test_options_of_a_task_are_its_fields_in_any_place(ask, movies, options, file_first):
    question = ("--task", "knn-probe", *options)
    code, answer, error = ask(movies, *question) if file_first else ask(*question, movies)
    assert code == 0, error
    (score,) = answer["scores"]
    assert score["task"] == "knn-probe:phenotype|grouped by movie"
    assert score["n_units"] == 6


@pytest.mark.parametrize("flag", ["--target", "--targets"])
def test_an_option_that_takes_several_values_is_repeated(ask, movies, flag):
    question = (movies, "--task", "regression-probe", "--group", "movie", "--features", "f*")
    code, answer, error = ask(*question, flag, "area", flag, "round")
    assert code == 0, error
    assert set(answer["scores"][0]["targets"]) == {"area", "round"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--labell", "phenotype"), "knn-probe has no option --labell; did you mean '--label'?"),
        (("--label", "phenotype", "--profilng", "raw"), "has no option --profilng; did you mean '--profiling'?"),
        (("--label", "phenotype", "--label", "movie"), "--label is given twice"),
        (("--label",), "--label needs a value"),
        (("--label", "phenotype", "--targets", "area"), "knn-probe has no option --targets"),
    ],
)
def test_an_option_that_a_task_has_not_is_bad_usage(ask, movies, arguments, message):
    code, answer, error = ask("--task", "knn-probe", movies, *arguments)
    assert code == 2
    assert answer is None
    # The message stands in a box, whose lines break anywhere.
    assert message.replace(" ", "") in "".join(character for character in error if character not in " \n│")


def test_options_without_a_file_are_bad_usage(ask):
    code, answer, error = ask("--task", "knn-probe", "--label", "phenotype")
    assert code == 2
    assert answer is None
    assert "give files of embeddings" in error


def test_a_value_that_a_field_refuses_is_named_on_one_line(ask, movies):
    code, answer, error = ask(movies, "--task", "knn-probe", "--label", "phenotype", "--folds", "many")
    assert code == 1
    assert answer is None
    assert error.startswith("error: knn-probe: option 'folds': ")
    assert len(error.strip().splitlines()) == 1
