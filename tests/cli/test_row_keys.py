"""Files of two encoders on the command line: what `embed` wrote, and tables whose rows differ in number or order."""

import json

import numpy as np
import pandas as pd
import pytest

from phenolens.simulation import simulate_cells


@pytest.mark.simulation
@pytest.mark.integration
def test_diagnose_reads_what_embed_wrote(call, tmp_path):
    manifest = simulate_cells(tmp_path / "screen", plates=2, wells=24, size=64, channels=["dna"], workers=1)
    encoders = ("cell-count", "untrained/resnet18")
    named = [argument for encoder in encoders for argument in ("--encoder", encoder)]
    assert call("embed", manifest, *named, "--out", tmp_path / "e", "--workers", 0)[0] == 0
    files = [tmp_path / "e" / f"{name}.h5ad" for name in ("cell-count", "untrained-resnet18")]
    # No path in a table of vectors is opened, whether its image is there or not.
    for image in (tmp_path / "screen" / "images").iterdir():
        image.unlink()
    code, out, err = call("diagnose", *files, "--out", tmp_path / "d", "--json")
    assert code == 0, err
    assert {*encoders, "metadata", "well-position"} <= {score["encoder"] for score in json.loads(out)["scores"]}
    assert (tmp_path / "d" / "card.md").is_file()


@pytest.fixture
def two(tmp_path):
    """Write one model's vectors twice, the second time as a random half of the rows; return how to write them."""
    rng = np.random.default_rng(0)
    compounds = np.repeat([f"c{i}" for i in range(12)], 4)
    table = pd.DataFrame(rng.normal(size=(12, 8)).repeat(4, axis=0) + rng.normal(size=(48, 8))).add_prefix("f")
    table.insert(0, "perturbation", compounds)
    table.insert(1, "plate", np.tile(["p1", "p2"], 24))
    table.insert(2, "well", [f"{'ABCD'[i // 12]}{i % 12 + 1:02d}" for i in range(48)])
    table.insert(3, "Metadata_cell", rng.permutation(48) + 100)
    table = table.sample(frac=1, random_state=0)

    def write(*without):
        files = tmp_path / "a.csv", tmp_path / "b.csv"
        kept = table.drop(columns=list(without))
        kept.to_csv(files[0], index=False)
        kept.sample(frac=0.5, random_state=1).to_csv(files[1], index=False)
        return files

    return write


QUESTION = ("--task", "replicate-retrieval", "--measures", "distinctiveness", "--n-permutations", "50")


@pytest.mark.parametrize(
    ("without", "options"),
    [
        (("Metadata_cell",), ()),
        (("plate", "well"), ("--key", "cell")),
        (("plate", "well"), ("--key", "Metadata_cell")),
    ],
)
def test_the_same_vectors_do_not_differ(call, two, without, options):
    code, out, err = call("evaluate", *two(*without), *QUESTION, *options, "--json")
    assert code == 0, err
    one, other = json.loads(out)["scores"]
    assert one["value"] == other["value"]
    assert "24 of 48 rows are left out" in " ".join(one["notes"])


@pytest.mark.parametrize("command", ["evaluate", "diagnose"])
def test_rows_that_cannot_be_matched_are_refused_on_one_line(call, two, tmp_path, command):
    files = two("plate", "well", "Metadata_cell")
    code, out, err = call(command, *files, *(QUESTION if command == "evaluate" else ("--out", tmp_path / "out")))
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert (code, out, len(errors)) == (1, "", 1)
    assert f"{files[0]} (48 rows) and {files[1]} (24 rows): rows cannot be matched" in errors[0]
    assert "--key COLUMN" in errors[0]


def test_a_recipe_names_the_key(call, two, tmp_path):
    a, b = two("plate", "well")
    recipe = tmp_path / "recipe.yaml"
    asked = "tasks: [{task: replicate-retrieval, measures: distinctiveness, n_permutations: 50}]\n"
    for key, expected in (("", 1), (", key: Metadata_cell", 0)):
        recipe.write_text(
            f"name: r\ndataset: {{tables: {{a: {{file: {a}}}, b: {{file: {b}}}}}{key}}}\nseed: 1\n{asked}"
        )
        code, _, err = call("run", recipe, "--out", tmp_path / "out", "--json")
        assert code == expected, err
