"""What a run will take: counted operations against plain formulas, and every committed recipe dry-run."""

from pathlib import Path

import pytest
from pydantic import TypeAdapter

from phenolens.core.errors import TrainingError
from phenolens.recipes.training import read_training_recipe
from phenolens.training import DataOptions, ModelOptions, RunOptions, estimate

RECIPES = sorted((Path(__file__).parents[2] / "recipes" / "train").glob("*.yaml"))
QUICK = ("mae_s16", "camae_s16_shared", "munet", "phantom_camae", "mitocheck_mae", "mitocheck_wsl")


def options(**model):
    return TypeAdapter(ModelOptions).validate_python(model)


def test_operations_of_a_transformer_are_those_of_its_matrices():
    """A joint encoder of 16 seen of 64 patches, a class token, and a decoder of all: three times the forward pass."""
    width, depth, patch, n, c = 96, 4, 8, 64, 3
    own = options(objective="masked-autoencoder", size="micro_patch8", decoder=[32, 1, 4])
    found = estimate(own, c, data=DataOptions(crop=64, batch_size=2), run=RunOptions(steps=10))

    def block(tokens, d):
        return 2 * tokens * 12 * d * d + 4 * tokens * tokens * d

    project = 2 * n * width * c * patch**2
    encoder = depth * block(17, width)
    decoder = 2 * 17 * width * 32 + block(65, 32) + 2 * 64 * 32 * c * patch**2
    assert found.flops_per_step == pytest.approx(3 * 2 * (project + encoder + decoder), rel=0.05)
    assert found.images == 20
    assert found.gpu_hours == pytest.approx(found.flops_per_step * 10 / 989e12 / 0.4 / 3600)
    assert found.state_gib == pytest.approx(12 * found.parameters / 2**30)


def test_published_sizes_are_those_published():
    """ViT-S/16 has 22, ViT-B 86 and ViT-L 304 million parameters; these blocks have no biases of queries and keys."""
    small = estimate(options(objective="masked-autoencoder", size="small_patch16"), 6, data=DataOptions(crop=64))
    assert small.encoder_parameters == pytest.approx(22e6, rel=0.03)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_valid(path, monkeypatch):
    monkeypatch.setenv("PHENOLENS_SCREEN", "screen.csv")
    recipe = read_training_recipe(path)
    assert recipe.name.replace("-", "_") == path.stem
    if path.stem in QUICK:
        found = estimate(recipe.model, 1, data=recipe.data, optimiser=recipe.optimiser, run=recipe.run)
        assert found.flops_per_step > 0


def test_a_crop_that_does_not_fit_is_refused_in_a_dry_run_too():
    with pytest.raises(TrainingError, match="not a multiple of 16"):
        estimate(options(objective="masked-autoencoder"), 6, data=DataOptions(crop=100))
