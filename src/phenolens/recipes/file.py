"""Recipes from YAML: read, filled in, validated, with errors that name the entry."""

import os
import re
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from phenolens.core.errors import RecipeError

# A stranger's recipe must not be able to read secrets from the environment.
_VARIABLE = re.compile(r"\$\{(PHENOLENS_\w+)(?::-([^}]*))?\}")
_MOST_ERRORS = 5


class Section(BaseModel):
    """A part of a recipe: what it does not know it refuses, and nothing changes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Model = TypeVar("Model", bound=Section)


def read_recipe_file(path: str | Path, kind: type[Model]) -> Model:
    """Read and validate a recipe of some kind.

    ``${PHENOLENS_NAME:-default}`` in any text stands for an environment variable, or its default. Relative paths start
    at the recipe's folder.

    Raises
    ------
    RecipeError
        If it cannot be read or breaks the schema; the message names the entry.
    """
    path = Path(path)
    content = read_yaml(path)
    if not isinstance(content, dict):
        needed = [name for name, field in kind.model_fields.items() if field.is_required()]
        raise RecipeError(f"{path}: a recipe is a mapping with {', '.join(needed)}")
    try:
        recipe = kind.model_validate(_fill_in(content, path))
    except ValidationError as error:
        raise RecipeError(f"{path}: {_describe(error)}") from error
    located: Model = _located(recipe, path.parent)
    return located


def read_yaml(path: Path) -> Any:
    """Return what a YAML file holds.

    Raises
    ------
    RecipeError
        If it is not there, or no YAML.
    """
    if not path.is_file():
        raise RecipeError(f"no recipe at {path}")
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise RecipeError(f"{path}: is not valid YAML: {reason}") from error


def _located(section: Any, folder: Path) -> Any:
    """Return a recipe or a part of it with relative paths starting at the recipe's folder."""
    if isinstance(section, Path):
        return folder / section
    if isinstance(section, BaseModel):
        # What a recipe does not set stays unset: model_copy validates nothing again.
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
            raise RecipeError(f"{path}: set the environment variable {match[1]}, which it names")
        return found

    return _VARIABLE.sub(look_up, value)


def _describe(error: ValidationError) -> str:
    """Put the first errors of pydantic on one line, with the entry and what was found."""
    parts = []
    for item in error.errors()[:_MOST_ERRORS]:
        entry = ".".join(str(part) for part in item["loc"]) or "recipe"
        found = "" if item["type"] in ("missing", "extra_forbidden") else f", found {item['input']!r:.60}"
        parts.append(f"{entry}: {item['msg'][0].lower()}{item['msg'][1:]}{found}")
    more = error.error_count() - len(parts)
    return "; ".join(parts) + (f"; and {more} more" if more else "")
