"""Rows that all encoders have: retrieval is easier among fewer rows, so all encoders are scored on the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from phenolens.core.errors import EmbeddingError, TaskNotApplicable
from phenolens.embedding import rename_rows, with_metadata
from phenolens.evaluation.row_keys import contradiction, file_of_vectors, find_keys, repeated_well, same_in_order

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True, eq=False)
class SharedRows:
    """Embeddings of the rows that all encoders have.

    Attributes
    ----------
    embeddings
        Encoder -> its embeddings, with the same row names in the same order.
    note
        A note on the rows left out; empty if there are none.
    """

    embeddings: dict[str, AnnData]
    note: str


def shared_names(names: Sequence[pd.Index[str]]) -> pd.Index[str]:
    """Return the names of the rows that all encoders have, in the order of the first encoder.

    Raises
    ------
    TaskNotApplicable
        If row names repeat, or no row is in all encoders.
    """
    if not all(each.is_unique for each in names):
        raise TaskNotApplicable("row names repeat, so that rows cannot be matched between encoders")
    shared = names[0]
    for each in names[1:]:
        shared = shared[shared.isin(each)]
    if shared.empty:
        raise TaskNotApplicable("no row is in all encoders")
    return shared


def select_shared(profiles: Mapping[str, AnnData]) -> dict[str, AnnData]:
    """Return the rows that all encoders have, in one order; errors as in `shared_names`."""
    shared = shared_names([each.obs_names for each in profiles.values()])
    return {name: each[shared] for name, each in profiles.items()}


def share_named_rows(embeddings: Mapping[str, AnnData]) -> SharedRows:
    """Return the rows of embeddings whose names are keys already, such as those that `share_rows` returned.

    If names repeat, or no row is common to all, each encoder keeps all its rows, and the note gives the reason.
    """
    names = [each.obs_names for each in embeddings.values()]
    if _are_equal(names):
        return SharedRows(dict(embeddings), "")
    try:
        return _select(embeddings, shared_names(names))
    except TaskNotApplicable as error:
        return SharedRows(dict(embeddings), f"{error}; each encoder is scored on its own rows")


def share_rows(embeddings: Mapping[str, AnnData], *, key: str | None = None, columns: Sequence[str] = ()) -> SharedRows:
    """Return the rows that all encoders have, in one order and under one name, and a note on the others.

    Rows are matched by what tells them apart; see `find_keys`. Where nothing does, tables of equal length whose
    metadata are the same in order are taken row by row, and others are refused: matched by number, rows of different
    wells would be compared.

    Parameters
    ----------
    embeddings
        Encoder -> its embeddings.
    key
        The metadata column that tells rows apart; if None, it is found.
    columns
        Metadata columns that tasks use, in which matched rows must agree.

    Raises
    ------
    EmbeddingError
        If rows cannot be matched, or rows that were matched differ in what they are.
    """
    embeddings = {encoder: _with_plain_texts(vectors) for encoder, vectors in embeddings.items()}
    keys = find_keys(embeddings, key) if len(embeddings) > 1 or key is not None else None
    if keys is None:
        _refuse_unmatched(embeddings)
        return SharedRows(_under_one_name(embeddings), "")
    if _are_equal(list(keys.values())):
        _refuse_contradictions(embeddings, columns)
        return SharedRows(_under_one_name(embeddings), "")
    shared = shared_names(list(keys.values()))
    found = _select({encoder: rename_rows(vectors, keys[encoder]) for encoder, vectors in embeddings.items()}, shared)
    _refuse_contradictions(found.embeddings, columns)
    return found


def _with_plain_texts(vectors: AnnData) -> AnnData:
    """Return vectors without categories: AnnData looks through all of them for each part of the rows that is taken."""
    categories = vectors.obs.select_dtypes("category")
    if categories.empty:
        return vectors
    return with_metadata(vectors, vectors.obs.assign(**categories.astype(object)))


def _are_equal(indices: Sequence[pd.Index[str]]) -> bool:
    return all(each.equals(indices[0]) for each in indices)


def _select(embeddings: Mapping[str, AnnData], shared: pd.Index[str]) -> SharedRows:
    """Return the rows that are shared, and how many others there are."""
    most = max(len(each) for each in embeddings.values())
    left_out = most - len(shared)
    note = f"{left_out} of {most} rows are left out, since some encoder lacks them" if left_out > 0 else ""
    return SharedRows({name: each[shared] for name, each in embeddings.items()}, note)


def _under_one_name(embeddings: Mapping[str, AnnData]) -> dict[str, AnnData]:
    """Return embeddings whose rows correspond in order, named as those of the first."""
    names = next(iter(embeddings.values())).obs_names
    return {encoder: rename_rows(vectors, names) for encoder, vectors in embeddings.items()}


def _refuse_unmatched(embeddings: Mapping[str, AnnData]) -> None:
    """Refuse tables without a key, unless they have the same metadata row by row."""
    (first_name, first), *others = embeddings.items()
    for name, vectors in others:
        if same_in_order(first.obs, vectors.obs):
            continue
        one, two = file_of_vectors(first, first_name), file_of_vectors(vectors, name)
        several = next((file_of_vectors(each, of) for of, each in embeddings.items() if repeated_well(each)), None)
        why = f"; wells of {several} have several rows" if several is not None else ""
        raise EmbeddingError(
            f"{one} ({len(first)} rows) and {two} ({len(vectors)} rows): rows cannot be matched, since nothing tells "
            f"them apart in both and their metadata are not the same in order{why}; add site_id, or plate and well, to "
            "both, or name a column that tells rows apart (--key COLUMN, dataset.key in a recipe)"
        )


def _refuse_contradictions(embeddings: Mapping[str, AnnData], columns: Sequence[str]) -> None:
    """Refuse rows that were matched and are not the same thing."""
    (first_name, first), *others = embeddings.items()
    for name, vectors in others:
        found = contradiction(first.obs, vectors.obs, columns)
        if found is None:
            continue
        column, row = found
        one, two = file_of_vectors(first, first_name), file_of_vectors(vectors, name)
        raise EmbeddingError(
            f"{one} and {two}: row '{first.obs_names[row]}' has {column} '{first.obs[column].iloc[row]}' in the one "
            f"and '{vectors.obs[column].iloc[row]}' in the other; correct the {column}, or name the column that tells "
            "rows apart (--key COLUMN, dataset.key in a recipe)"
        )
