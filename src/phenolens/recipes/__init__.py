"""Recipes of studies, training runs and scaling studies in YAML, validated before any work starts."""

from typing import TYPE_CHECKING

from phenolens.core.lazy import import_lazily

if TYPE_CHECKING:
    from phenolens.recipes.load import AnyRecipe, load_recipe, load_recipe_of_kind
    from phenolens.recipes.scaling import ScalingRecipe, read_scaling_recipe
    from phenolens.recipes.study import NamedEncoder, Recipe, read_recipe
    from phenolens.recipes.training import TrainingRecipe, read_training_recipe

__all__ = [
    "AnyRecipe",
    "NamedEncoder",
    "Recipe",
    "ScalingRecipe",
    "TrainingRecipe",
    "load_recipe",
    "load_recipe_of_kind",
    "read_recipe",
    "read_scaling_recipe",
    "read_training_recipe",
]

import_lazily(
    __name__,
    {
        "load": ("AnyRecipe", "load_recipe", "load_recipe_of_kind"),
        "scaling": ("ScalingRecipe", "read_scaling_recipe"),
        "study": ("NamedEncoder", "Recipe", "read_recipe"),
        "training": ("TrainingRecipe", "read_training_recipe"),
    },
)
