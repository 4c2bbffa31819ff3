"""The positive control: pictures on which a trained network is known to beat untrained ones.

Handwritten digits, the one set of labelled scans that scikit-learn brings along, stand in for photographs. That probes
learn from five images of each class, and that training takes 100 steps, was decided on the part that is trained on:
there untrained networks tell digits apart with a balanced accuracy of 0.94 if probes learn from all images, which
leaves nothing to gain, and of 0.75 if they learn from five.
"""

from pathlib import Path

import pytest
from PIL import Image
from sklearn.datasets import load_digits

from phenolens.recipes.study import read_recipe
from phenolens.recipes.training import read_training_recipe
from phenolens.workflows.study import run
from phenolens.workflows.training import run_training

RECIPES = Path(__file__).parents[2] / "recipes"
N_IMAGES, SIDE = 1000, 32
FEW_SHOT = "knn-probe:label|5 shots"


def write_digits(folder):
    digits = load_digits()
    for index, (scan, digit) in enumerate(zip(digits.images[:N_IMAGES], digits.target, strict=False)):
        file = folder / str(digit) / f"{index:04d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = Image.fromarray((scan * 255 / 16).astype("uint8"))
        pixels.resize((SIDE, SIDE), Image.Resampling.BILINEAR).convert("RGB").save(file)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The names of images that a network was trained on, and the results of asking it about others.

    The committed recipes with smaller images, fewer steps and the few-shot probe alone; of untrained networks the twin.
    """
    out = tmp_path_factory.mktemp("natural_images")
    write_digits(out / "digits")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHENOLENS_NATURAL", str(out / "digits"))
        patch.setenv("PHENOLENS_TRAINED", str(out))
        training = read_training_recipe(RECIPES / "train" / "natural_images_wsl.yaml")
        recipe = read_recipe(RECIPES / "trained" / "natural_images.yaml")
    data = training.data.model_copy(update={"crop": SIDE})
    steps = training.run.model_copy(update={"steps": 100, "precision": "32-true", "devices": 1})
    run_training(training.model_copy(update={"data": data, "run": steps}), out / "natural_images_wsl")
    embedding = {"crop": {"mode": "centre", "size": SIDE}, "workers": 0, "device": "cpu"}
    changes = {
        "embedding": recipe.embedding.model_validate(embedding),
        "leave_out": {**recipe.leave_out, "untrained/*@mixing=joint": "a quick test"},
        "tasks": [task for task in recipe.tasks if task.id == FEW_SHOT],
    }
    return set(training.dataset.open().table.index), run(recipe.model_copy(update=changes), out / "study")


def test_what_is_asked_was_not_trained_on(study):
    trained_on, results = study
    asked = set(results.units["unit"])
    assert not asked & trained_on
    assert len(asked | trained_on) == N_IMAGES


def test_the_trained_network_beats_its_untrained_twin_by_far(study):
    _, results = study
    trained = results.scores.loc[~results.scores["baseline"], "encoder"].item()
    gain = results.comparisons.query("encoder == @trained").set_index("baseline").loc[f"twin/{trained}"]
    assert gain["difference"] >= 0.1
    assert gain["low"] > 0
    assert gain["p"] <= 0.05


def test_the_card_says_that_it_beats_the_best_baseline(study):
    _, results = study
    (verdict,) = (each for each in results.verdicts if each.kind == "gain")
    assert " beats the best baseline, " in verdict.claim
    assert verdict.effect >= 0.1
    assert verdict.low > 0
    assert verdict.p_adjusted <= 0.05
