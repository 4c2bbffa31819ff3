"""Simulated slides whose classes differ in one thing: cell graphs find it at the step that can know it, not before."""

import pytest

from phenolens.datasets import read_cell_table, read_manifest
from phenolens.embedding import embed
from phenolens.evaluation import evaluate
from phenolens.simulation import simulate_tissue
from phenolens.tasks import make_task

STEPS = ["density", "positions", "composition", "neighbourhoods"]
NAMES = [f"cell-graph/{step}" for step in STEPS] + [
    "cell-graph/composition@alone=true",
    "cell-graph/neighbourhoods@alone=true",
    "cell-graph/morphology@alone=true",
]


@pytest.fixture(scope="module")
def slides(tmp_path_factory):
    """Return a function that simulates the slides of a preset, once, and gives the folder."""
    made = {}

    def simulate(preset):
        if preset not in made:
            made[preset] = tmp_path_factory.mktemp(preset)
            simulate_tissue(made[preset], preset=preset, patients=8, slides=2, tiles=3, seed=3)
        return made[preset]

    return simulate


def answers(manifest, names):
    task = make_task("linear-probe", label="label", group="patient", folds=4)
    evaluation = evaluate(embed(manifest, names).embeddings, [task])
    return {each.info.id: each for each in evaluation.scores}


@pytest.mark.parametrize("preset", ["composition", "arrangement"])
def test_each_step_of_true_cells_knows_what_it_can(slides, preset):
    folder = slides(preset)
    table = read_cell_table(folder / "cells.parquet", morphology=["nuclear_area", "elongation"])
    found = answers(read_manifest(folder / "manifest.csv", cells=table), NAMES)
    for blind in ("cell-graph/density", "cell-graph/positions"):
        assert found[blind].score.value < 0.65
    alone = {step: found[f"cell-graph/{step}@alone=true"] for step in ("composition", "neighbourhoods", "morphology")}
    if preset == "composition":
        # Patients have shares of lymphocytes of their own, so that composition cannot be perfect.
        blind_high = max(found["cell-graph/density"].estimate.high, found["cell-graph/positions"].estimate.high)
        assert alone["composition"].estimate.low > blind_high
        assert found["cell-graph/composition"].estimate.low > blind_high
        assert alone["neighbourhoods"].score.value < alone["composition"].score.value
    else:
        assert alone["composition"].score.value < 0.65
        assert alone["neighbourhoods"].estimate.low > 0.9
        assert found["cell-graph/neighbourhoods"].estimate.low > 0.9


def test_masks_give_what_positions_and_shapes_can_know_without_types(slides):
    """Lymphocytes have small round nuclei: where they lie together, neighbours are alike in shape."""
    manifest = read_manifest(slides("arrangement") / "manifest.csv")
    found = answers(manifest, ["cell-graph/positions", "cell-graph/morphology", "cell-count", "area-fraction"])
    assert found["cell-graph/morphology"].estimate.low > 0.8
    for blind in ("cell-graph/positions", "cell-count", "area-fraction"):
        assert found[blind].score.value < 0.68
