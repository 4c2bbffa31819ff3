"""The diagnosis card: what all evidence together says of each encoder, with false claims controlled over the whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import pandas as pd
from anndata import AnnData

from phenolens.diagnosis.claims import control_claims
from phenolens.diagnosis.comparison import compare_families, rank_families
from phenolens.diagnosis.degeneracy import Degeneracy, describe_degeneracy
from phenolens.diagnosis.knowledge import ask_levels, under_test
from phenolens.diagnosis.retention import COLUMNS as RETENTION_COLUMNS
from phenolens.diagnosis.shortcuts import compare_shortcuts
from phenolens.diagnosis.verdicts import Verdict, judge
from phenolens.tasks import Evaluation


@dataclass(frozen=True, eq=False)
class Card:
    """What is known of each encoder.

    Attributes
    ----------
    degeneracy
        One row per encoder under test, or twin: what `describe_degeneracy` says of it.
    comparisons, ranks
        What `compare_families` and `rank_families` say; ``p_adjusted`` stands with the best baseline of each question.
    levels
        One row per family under test, or twin, and level: what `probe_concepts` says, the mean over seeds;
        ``p_adjusted``, and whether it is ``known``; and ``gain``, by how much ``mean_r`` is above that of its own
        untrained ``twin``, with 95 % limits.
    factors
        One row per family, level and factor: r.
    variance
        What `explained_variance` says.
    interventions
        What `compare_interventions` and `embedding_shift` say; ``p_adjusted``.
    shortcuts
        What `compare_shortcuts` says; ``p_adjusted``.
    truth
        Whether levels are the truth of a phantom; if not, they are what baselines have measured.
    not_asked
        Part of the card -> why it, or some of it, could not be asked.
    verdicts
        Sentences.
    """

    degeneracy: pd.DataFrame
    comparisons: pd.DataFrame
    ranks: pd.DataFrame
    levels: pd.DataFrame
    factors: pd.DataFrame
    variance: pd.DataFrame
    interventions: pd.DataFrame
    shortcuts: pd.DataFrame
    truth: bool
    not_asked: Mapping[str, str]
    verdicts: list[Verdict]

    def knowledge(self) -> dict[str, Any]:
        """Return as plain records all but scores and verdicts: shapes, levels, what scores use, what was not asked."""
        return {
            "degeneracy": self.degeneracy.to_dict("records"),
            "levels": self.levels.to_dict("records"),
            "factors": self.factors.to_dict("records"),
            "variance": self.variance.to_dict("records"),
            "interventions": self.interventions.to_dict("records"),
            "shortcuts": self.shortcuts.to_dict("records"),
            "truth": self.truth,
            "not_asked": dict(self.not_asked),
        }


def diagnose(
    embeddings: Mapping[str, AnnData],
    evaluation: Evaluation,
    *,
    interventions: pd.DataFrame | None = None,
    batch_by: Sequence[str] | None = None,
    seed: int = 0,
) -> Card:
    """Put the evidence on each encoder together and judge it.

    False claims are controlled over the whole card, at 5 %; see `control_claims`.

    Parameters
    ----------
    embeddings
        Encoder -> its vectors of the same sites; baselines and twins among them.
    evaluation
        What the tasks said of them.
    interventions
        What `compare_interventions` says, with ``shift`` from `embedding_shift`; None if nothing was changed.
    batch_by
        As in `evaluate`.
    seed
        Of bootstrap and permutations.
    """
    known = ask_levels(embeddings, seed=seed)
    not_asked = dict(known.missing)
    if interventions is None:
        interventions = pd.DataFrame(columns=["intervention", *RETENTION_COLUMNS, "shift"])
        not_asked["interventions"] = "none were made"
    comparisons, levels, interventions, shortcuts = control_claims(
        evaluation,
        compare_families(evaluation, seed=seed),
        known.levels,
        interventions,
        compare_shortcuts(embeddings, evaluation, batch_by=batch_by, seed=seed),
    )
    degeneracy = pd.DataFrame(
        [
            {"encoder": name, **describe_degeneracy(own, seed=seed).as_dict()}
            for name, own in under_test(embeddings).items()
        ],
        columns=["encoder", *(field.name for field in fields(Degeneracy))],
    )
    return Card(
        degeneracy,
        comparisons,
        rank_families(evaluation, seed=seed),
        levels,
        known.factors,
        known.variance,
        interventions,
        shortcuts,
        known.truth,
        not_asked,
        judge(evaluation, comparisons, levels, interventions, shortcuts, degeneracy, seed=seed),
    )
