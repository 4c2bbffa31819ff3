"""Reading and validating of recipes in YAML, with errors that name the entry."""

import os
import re
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from phenolens.core.errors import RecipeError
from phenolens.recipes.bounded_yaml import load_yaml

# Recipes from others must not read secrets from the environment.
_VARIABLE = re.compile(r"\$\{(PHENOLENS_\w+)(?::-([^{}]*))?\}")
_MOST_ERRORS = 5


class Section(BaseModel):
    """A part of a recipe, which is immutable and refuses unknown entries."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Model = TypeVar("Model", bound=Section)


def read_recipe_file(path: str | Path, kind: type[Model]) -> Model:
    """Read and validate a recipe of a kind.

    ``${PHENOLENS_NAME:-default}`` in any text is replaced by an environment variable, or its default. Relative paths
    are relative to the folder of the recipe.

    Raises
    ------
    RecipeError
        If it cannot be read or violates the schema; the message names the entry.
    """
    path = Path(path)
    content = read_yaml(path)
    if not isinstance(content, dict):
        needed = [name for name, field in kind.model_fields.items() if field.is_required()]
        raise RecipeError(f"{path}: a recipe must be a mapping with {', '.join(needed)}")
    try:
        recipe = kind.model_validate(_fill_in(content, path))
    except ValidationError as error:
        raise RecipeError(f"{path}: {_describe(error)}") from error
    located: Model = _located(recipe, path.parent)
    return located


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file.

    Raises
    ------
    RecipeError
        If it is missing, not valid YAML, or larger than any recipe.
    """
    if not path.is_file():
        raise RecipeError(f"no recipe at {path}")
    try:
        return load_yaml(path.read_bytes())
    except Exception as error:  # what PyYAML raises at odd values is not limited to its own errors
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RecipeError(f"{path}: is not valid YAML: {reason}") from error


def _located(section: Any, folder: Path) -> Any:
    """Return a recipe or a part of it with paths resolved from the folder of the recipe."""
    if isinstance(section, Path):
        return folder / section
    if isinstance(section, BaseModel):
        # Unset entries stay unset, since model_copy does not validate.
        return section.model_copy(update={name: _located(value, folder) for name, value in section})
    if isinstance(section, dict):
        return {key: _located(value, folder) for key, value in section.items()}
    if isinstance(section, list | tuple):
        return type(section)(_located(item, folder) for item in section)
    return section


def _fill_in(value: Any, path: Path) -> Any:
    """Replace environment variables in every text of a nested value."""
    if isinstance(value, dict):
        return {key: _fill_in(item, path) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill_in(item, path) for item in value]
    if not isinstance(value, str):
        return value

    def look_up(match: re.Match[str]) -> str:
        found = os.environ.get(match[1], match[2])
        if found is None:
            raise RecipeError(f"{path}: set the environment variable {match[1]}, which the recipe uses")
        return found

    return _VARIABLE.sub(look_up, value)


def _describe(error: ValidationError) -> str:
    """Return the first errors of pydantic in one line, with entries and found values."""
    parts = []
    for item in error.errors()[:_MOST_ERRORS]:
        entry = ".".join(str(part) for part in item["loc"]) or "recipe"
        found = "" if item["type"] in ("missing", "extra_forbidden") else f", found {item['input']!r:.60}"
        parts.append(f"{entry}: {item['msg'][0].lower()}{item['msg'][1:]}{found}")
    more = error.error_count() - len(parts)
    return "; ".join(parts) + (f"; and {more} more" if more else "")
