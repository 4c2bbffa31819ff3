"""All that was found about the encoders of an evaluation, as tables."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import pandas as pd


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of each encoder, part by part of the card.

    Claims stand in the tables with ``p_adjusted``, over the whole card.

    Attributes
    ----------
    degeneracy
        One row per encoder under test, or twin: what `describe_degeneracy` says of it.
    comparisons, pairs, ranks
        What `compare_families`, `compare_tested` and `rank_families` say. ``p_adjusted`` stands with the best baseline
        and the best untrained network of each question; ``scaled`` is the difference as a share of the range from
        chance to the ceiling.
    metrics
        What `describe_metrics` says: the range of each metric here, and whether it can tell encoders apart.
    shortcuts, similarities
        What `compare_shortcuts` and `compare_similarities` say.
    nuisances
        What `compare_nuisance` says.
    interventions
        What `compare_interventions` and `embedding_shift` say.
    levels
        One row per family under test, or twin, and level: what `probe_concepts` says, the mean over seeds; whether it
        is ``known``, or hardly read (``weak``); and ``gain``, by how much ``mean_r`` is above that of its own untrained
        ``twin``, with 95 % limits.
    level_pairs
        One row per level and pair of families under test: the difference of ``mean_r``, with limits and p.
    factors
        One row per family, level and factor: r.
    variance
        What `explained_variance` says.
    strata, efficiency, sweep
        What `compare_strata`, `data_efficiency` and `choose_on_held_out` say.
    truth
        Whether levels are the truth of a phantom; if not, they are what baselines have measured.
    not_asked
        Part of the card -> why it, or some of it, could not be asked.
    """

    degeneracy: pd.DataFrame
    comparisons: pd.DataFrame
    pairs: pd.DataFrame
    ranks: pd.DataFrame
    metrics: pd.DataFrame
    shortcuts: pd.DataFrame
    similarities: pd.DataFrame
    nuisances: pd.DataFrame
    interventions: pd.DataFrame
    levels: pd.DataFrame
    level_pairs: pd.DataFrame
    factors: pd.DataFrame
    variance: pd.DataFrame
    strata: pd.DataFrame
    efficiency: pd.DataFrame
    sweep: pd.DataFrame
    truth: bool
    not_asked: Mapping[str, str]

    def records(self) -> dict[str, Any]:
        """Return everything but the comparisons, which are many, as plain records."""
        tables = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "comparisons"}
        return {
            name: table.to_dict("records") if isinstance(table, pd.DataFrame) else table
            for name, table in tables.items()
        }
