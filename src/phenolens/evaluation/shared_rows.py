"""Rows that encoders have in common: among fewer, more is found, so that all are asked of the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from phenolens.core.errors import TaskNotApplicable

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True, eq=False)
class SharedRows:
    """Vectors of the rows that all encoders have.

    Attributes
    ----------
    embeddings
        Encoder -> its vectors; all of them where rows cannot be matched.
    note
        On the rows that were left out, or why rows cannot be matched; empty if nothing is to be said.
    """

    embeddings: dict[str, AnnData]
    note: str


def shared_names(names: Sequence[pd.Index[str]]) -> pd.Index[str]:
    """Return the names of the rows that all have, in the order of the first.

    Raises
    ------
    TaskNotApplicable
        If rows have no names of their own, or none is in all.
    """
    if not all(each.is_unique for each in names):
        raise TaskNotApplicable("rows have no names of their own, by which encoders could be matched")
    shared = names[0]
    for each in names[1:]:
        shared = shared[shared.isin(each)]
    if shared.empty:
        raise TaskNotApplicable("no row is in all encoders")
    return shared


def select_shared(profiles: Mapping[str, AnnData]) -> dict[str, AnnData]:
    """Return the rows that all have, in one order; errors as of `shared_names`."""
    shared = shared_names([each.obs_names for each in profiles.values()])
    return {name: each[shared] for name, each in profiles.items()}


def share_rows(embeddings: Mapping[str, AnnData]) -> SharedRows:
    """Return the rows that all encoders have, and a note on the others.

    Where rows cannot be matched, each encoder keeps its own, and the note says why.
    """
    names = [each.obs_names for each in embeddings.values()]
    if all(each.equals(names[0]) for each in names):
        return SharedRows(dict(embeddings), "")
    try:
        shared = shared_names(names)
    except TaskNotApplicable as error:
        return SharedRows(dict(embeddings), f"{error}, so that each encoder is asked of its own")
    most = max(len(each) for each in names)
    left_out = most - len(shared)
    note = f"{left_out} of {most} rows that not all encoders have are left out" if left_out > 0 else ""
    return SharedRows({name: each[shared] for name, each in embeddings.items()}, note)
