"""Loading of recipes of any kind, which their entries determine."""

from pathlib import Path
from typing import TypeVar

from phenolens.core.errors import RecipeError
from phenolens.recipes.file import Section, read_recipe_file, read_yaml
from phenolens.recipes.scaling import ScalingRecipe
from phenolens.recipes.study import Recipe
from phenolens.recipes.training import TrainingRecipe

AnyRecipe = Recipe | TrainingRecipe | ScalingRecipe
OneKind = TypeVar("OneKind", Recipe, TrainingRecipe, ScalingRecipe)

_KINDS: dict[type[Section], str] = {
    Recipe: "a study",
    TrainingRecipe: "a training run",
    ScalingRecipe: "a scaling study",
}
_COMMANDS: dict[type[Section], str] = {Recipe: "run", TrainingRecipe: "train", ScalingRecipe: "scale"}


def load_recipe(path: str | Path) -> AnyRecipe:
    """Read and validate a recipe of the kind that its entries determine.

    Raises
    ------
    RecipeError
        If it cannot be read, is of no known kind, or violates the schema of its kind; the message names the entry.
    """
    kind = _kind_of(read_yaml(Path(path)))
    if kind is Recipe:
        return read_recipe_file(path, Recipe)
    if kind is TrainingRecipe:
        return read_recipe_file(path, TrainingRecipe)
    if kind is ScalingRecipe:
        return read_recipe_file(path, ScalingRecipe)
    needs = "; ".join(f"{what} needs {', '.join(_required(kind))}" for kind, what in _KINDS.items())
    raise RecipeError(f"{path}: is not a recipe: {needs}")


def load_recipe_of_kind(path: str | Path, kind: type[OneKind]) -> OneKind:
    """Read and validate a recipe of the given kind.

    Raises
    ------
    RecipeError
        As in `load_recipe`; if the recipe is of another kind, the message names its command.
    """
    found = _kind_of(read_yaml(Path(path)))
    if found is not None and found is not kind:
        raise RecipeError(
            f"{path}: is the recipe of {_KINDS[found]}, not of {_KINDS[kind]}; use: phenolens {_COMMANDS[found]} {path}"
        )
    return read_recipe_file(path, kind)


def _kind_of(content: object) -> type[Section] | None:
    """Return the kind of recipe with these entries; None if there is none."""
    if not isinstance(content, dict):
        return None
    if "vary" in content:
        return ScalingRecipe
    if "model" in content:
        return TrainingRecipe
    # A study without tasks counts as a study, whose schema then reports what is missing.
    of_studies_only = set(Recipe.model_fields) - set(TrainingRecipe.model_fields)
    return Recipe if of_studies_only & set(content) else None


def _required(kind: type[Section]) -> list[str]:
    return [name for name, field in kind.model_fields.items() if field.is_required()]
