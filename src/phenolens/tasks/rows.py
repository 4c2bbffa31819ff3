"""Rows that encoders have in common: among fewer, more is found, so that all are asked of the same."""

from collections.abc import Mapping, Sequence

import pandas as pd
from anndata import AnnData

from phenolens.core.errors import TaskNotApplicable


def shared_names(names: Sequence["pd.Index[str]"]) -> "pd.Index[str]":
    """Return the names of the rows that all have, in the order of the first.

    Raises
    ------
    TaskNotApplicable
        If rows have no names of their own, or none is in all.
    """
    if not all(own.is_unique for own in names):
        raise TaskNotApplicable("rows have no names of their own, by which encoders could be matched")
    shared = names[0]
    for own in names[1:]:
        shared = shared[shared.isin(own)]
    if shared.empty:
        raise TaskNotApplicable("no row is in all encoders")
    return shared


def share_rows(embeddings: Mapping[str, AnnData]) -> tuple[dict[str, AnnData], str]:
    """Return the rows that all encoders have, and a note on the others.

    Where rows cannot be matched, each encoder keeps its own, and the note says why.
    """
    names = [own.obs_names for own in embeddings.values()]
    if all(own.equals(names[0]) for own in names):
        return dict(embeddings), ""
    try:
        shared = shared_names(names)
    except TaskNotApplicable as error:
        return dict(embeddings), f"{error}, so that each encoder is asked of its own"
    most = max(len(own) for own in names)
    note = f"{most - len(shared)} of {most} rows that not all encoders have are left out" if most > len(shared) else ""
    return {name: own[shared] for name, own in embeddings.items()}, note
