"""Reading and validating of recipes in YAML, with errors that name the entry."""

import os
import re
from collections.abc import Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError

from phenolens.core.errors import PhenolensError, RecipeError, did_you_mean
from phenolens.recipes.bounded_yaml import load_yaml

# Recipes from others must not read secrets from the environment.
_VARIABLE = re.compile(r"\$\{(PHENOLENS_\w+)(?::-([^{}]*))?\}")
_MOST_ERRORS = 5
_UNKNOWN_ENTRY = ("extra_forbidden", "unexpected_keyword_argument")


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
    filled = _fill_in(content, path)
    try:
        recipe = kind.model_validate(filled)
    except ValidationError as error:
        raise RecipeError(f"{path}: {_describe(error, kind)}") from error
    except PhenolensError as error:  # of a part that checks itself, such as crops
        raise RecipeError(f"{path}: {error}") from error
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


def _describe(error: ValidationError, kind: type[BaseModel]) -> str:
    """Return the first errors of pydantic in one line, with entries, found values, and the nearest that are allowed."""
    parts = []
    for item in error.errors()[:_MOST_ERRORS]:
        # What stands in angle brackets tells forms of an entry apart, and is none.
        place = [part for part in item["loc"] if not str(part).startswith("<")]
        entry = ".".join(map(str, place)) or "recipe"
        if item["type"] in _UNKNOWN_ENTRY:
            nearest = did_you_mean(str(item["loc"][-1]), _entries_beside(kind, item["loc"]))
            parts.append(f"{entry}: no such entry{nearest}")
            continue
        if item["type"] == "value_error":
            parts.append(f"{entry}: {item['ctx']['error']}")  # our own words, which name what was found
            continue
        found = "" if item["type"] == "missing" else f", found {item['input']!r:.60}"
        parts.append(f"{entry}: {item['msg'][0].lower()}{item['msg'][1:]}{found}")
    more = error.error_count() - len(parts)
    return "; ".join(parts) + (f"; and {more} more" if more else "")


def _entries_beside(kind: type, place: Sequence[int | str]) -> list[str]:
    """Return the entries that the section at a place of a recipe may have."""
    sections = [kind]
    for part in place[:-1]:
        inner = [_entries(section)[str(part)] for section in sections if str(part) in _entries(section)]
        if inner:  # the number of an item of a list leads to no other section
            sections = [section for annotation in inner for section in _sections_in(annotation)]
    return sorted({name for section in sections for name in _entries(section)})


def _entries(section: type) -> dict[str, Any]:
    """Return the entries of a section, with their types."""
    if issubclass(section, BaseModel):
        return {name: each.annotation for name, each in section.model_fields.items()}
    return get_type_hints(section)


def _sections_in(annotation: Any) -> list[type]:
    """Return the sections that a type such as ``list[One | Other] | None`` names."""
    if isinstance(annotation, type) and (issubclass(annotation, BaseModel) or is_dataclass(annotation)):
        return [annotation]
    return [section for part in get_args(annotation) for section in _sections_in(part)]
