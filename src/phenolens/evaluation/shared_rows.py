"""Rows that all encoders have: retrieval is easier among fewer rows, so all encoders are scored on the same."""

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
    """Embeddings of the rows that all encoders have.

    Attributes
    ----------
    embeddings
        Encoder -> its embeddings; with all its rows if rows cannot be matched.
    note
        A note on the rows left out, or on why rows cannot be matched; empty if neither applies.
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


def share_rows(embeddings: Mapping[str, AnnData]) -> SharedRows:
    """Return the rows that all encoders have, and a note on the others.

    If rows cannot be matched, each encoder keeps all its rows, and the note gives the reason.
    """
    names = [each.obs_names for each in embeddings.values()]
    if all(each.equals(names[0]) for each in names):
        return SharedRows(dict(embeddings), "")
    try:
        shared = shared_names(names)
    except TaskNotApplicable as error:
        return SharedRows(dict(embeddings), f"{error}; each encoder is scored on its own rows")
    most = max(len(each) for each in names)
    left_out = most - len(shared)
    note = f"{left_out} of {most} rows are left out, since some encoder lacks them" if left_out > 0 else ""
    return SharedRows({name: each[shared] for name, each in embeddings.items()}, note)
