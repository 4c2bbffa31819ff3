"""A recipe of any kind, told by its entries."""

from pathlib import Path
from typing import TYPE_CHECKING

from phenolens.recipes.file import read_yaml
from phenolens.recipes.study import Recipe, read_recipe

if TYPE_CHECKING:
    from phenolens.recipes.scaling import ScalingRecipe
    from phenolens.recipes.training import TrainingRecipe


def load_recipe(path: str | Path) -> "Recipe | TrainingRecipe | ScalingRecipe":
    """Read and validate a recipe: of scaling if it varies something, of training if it has a model, else of a study.

    Raises
    ------
    RecipeError
        If it cannot be read or breaks the schema of its kind; the message names the entry.
    """
    content = read_yaml(Path(path))
    entries = set(content) if isinstance(content, dict) else set()
    if "vary" in entries:
        from phenolens.recipes.scaling import read_scaling_recipe

        return read_scaling_recipe(path)
    if "model" in entries:
        from phenolens.recipes.training import read_training_recipe

        return read_training_recipe(path)
    return read_recipe(path)
