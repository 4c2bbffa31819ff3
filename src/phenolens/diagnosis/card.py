"""The diagnosis card: what all evidence together says of each encoder, with false claims controlled over the whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from phenolens.diagnosis.claims import control_claims
from phenolens.diagnosis.comparison import compare_families, rank_families
from phenolens.diagnosis.concepts import Concepts, explained_variance, probe_concepts
from phenolens.diagnosis.degeneracy import describe_degeneracy
from phenolens.diagnosis.levels import measured_factors, true_factors
from phenolens.diagnosis.retention import COLUMNS as RETENTION_COLUMNS
from phenolens.diagnosis.shortcuts import compare_shortcuts
from phenolens.diagnosis.verdicts import Verdict, judge
from phenolens.encoders import EncoderName, is_baseline, twin_of
from phenolens.errors import EncoderError, TaskNotApplicable
from phenolens.metrics import percentile_interval
from phenolens.profiling import profile
from phenolens.tasks import Evaluation

LEVEL_COLUMNS = (
    "family",
    "level",
    "best",
    "r",
    "p",
    "p_adjusted",
    "known",
    "mean_r",
    "low",
    "high",
    "twin",
    "gain",
    "gain_low",
    "gain_high",
    "rows",
)


@dataclass(frozen=True, eq=False)
class Card:
    """What is known of each encoder.

    Attributes
    ----------
    degeneracy
        One row per encoder: what `describe_degeneracy` says of it.
    comparisons, ranks
        What `compare_families` and `rank_families` say; ``p_adjusted`` stands with the best baseline of each question.
    levels
        One row per family and level: what `probe_concepts` says, the mean over seeds; ``p_adjusted``, and whether it is
        ``known``; and ``gain``, by how much ``mean_r`` is above that of its own untrained ``twin``, with 95 % limits.
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
        """Return, as plain records, the degeneracy panel, levels, factors and variance, and what could not be asked."""
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
    levels, factors, variance, truth, not_asked = _ask_levels(embeddings, seed)
    if interventions is None:
        interventions = pd.DataFrame(columns=["intervention", *RETENTION_COLUMNS, "shift"])
        not_asked["interventions"] = "none were made"
    comparisons, levels, interventions, shortcuts = control_claims(
        evaluation,
        compare_families(evaluation, seed=seed),
        levels,
        interventions,
        compare_shortcuts(embeddings, evaluation, batch_by=batch_by, seed=seed),
    )
    degeneracy = pd.DataFrame(
        [{"encoder": name, **describe_degeneracy(own, seed=seed).as_dict()} for name, own in embeddings.items()]
    )
    return Card(
        degeneracy,
        comparisons,
        rank_families(evaluation, seed=seed),
        levels[list(LEVEL_COLUMNS)],
        factors,
        variance,
        interventions,
        shortcuts,
        truth,
        not_asked,
        judge(evaluation, comparisons, levels, interventions, shortcuts, degeneracy, seed=seed),
    )


def _ask_levels(
    embeddings: Mapping[str, AnnData], seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, bool, dict[str, str]]:
    """Return levels and factors by family, explained variance, whether they are truth, and what could not be asked."""
    sites = next(iter(embeddings.values()))
    factors = true_factors(sites.obs)
    truth = bool(factors)
    factors = factors or measured_factors(embeddings)
    asked = {name: profile(own, "raw", level="well") for name, own in _informative(embeddings).items()}
    if not factors:
        return _no_levels("no baseline that measures a level is among the encoders, and this is no phantom")
    at_wells = {level: _average(table, sites) for level, table in factors.items()}
    try:
        found = probe_concepts(asked, at_wells, seed=seed)
    except TaskNotApplicable as error:
        return _no_levels(str(error))
    family = {name: EncoderName.parse(name).family for name in asked}
    per_factor = (
        found.factors.assign(family=found.factors["encoder"].map(family))
        .groupby(["family", "level", "factor"], sort=False, as_index=False)["r"]
        .mean()
    )
    variance = explained_variance(asked, at_wells)
    variance = variance.assign(family=variance["encoder"].map(family))
    variance = variance.groupby(["family", "block"], sort=False, as_index=False)[["alone", "beyond"]].mean()
    return _by_family(found, family), per_factor, variance, truth, dict(found.missing)


def _no_levels(why: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, bool, dict[str, str]]:
    return (
        pd.DataFrame(columns=list(LEVEL_COLUMNS)),
        pd.DataFrame(columns=["family", "level", "factor", "r"]),
        pd.DataFrame(columns=["family", "block", "alone", "beyond"]),
        False,
        {"levels": why},
    )


def _informative(embeddings: Mapping[str, AnnData]) -> dict[str, AnnData]:
    """Return the encoders that are asked what they know: those under test, all seeds of their twins, others once."""
    tested = [name for name in embeddings if not is_baseline(name)]
    every_seed = {EncoderName.parse(name).family for name in tested} | {_twin(name) for name in tested}
    chosen: dict[str, AnnData] = {}
    families = set()
    for name, own in embeddings.items():
        family = EncoderName.parse(name).family
        if family in every_seed or family not in families:
            chosen[name] = own
            families.add(family)
    return chosen


def _twin(name: str) -> str:
    """Return the family of an encoder's random twin; nothing if it has none."""
    try:
        return twin_of(EncoderName.parse(name).family) or ""
    except EncoderError:
        return ""


def _average(table: pd.DataFrame, sites: AnnData) -> pd.DataFrame:
    """Return numbers of sites averaged to wells, as vectors are."""
    values = AnnData(table.to_numpy(dtype=np.float64), obs=sites.obs, var=pd.DataFrame(index=table.columns))
    return profile(values, "raw", level="well").to_df()


def _by_family(found: Concepts, family: Mapping[str, str]) -> pd.DataFrame:
    """Return one row per family and level: means over seeds, the median p, and the gain over its own twin."""
    levels = found.levels.assign(family=found.levels["encoder"].map(family))
    draws: dict[tuple[str, str], NDArray[np.float64]] = {}
    for name, level in levels[["family", "level"]].drop_duplicates().itertuples(index=False):
        own = [found.draws[encoder, level] for encoder, of in family.items() if of == name]
        draws[name, level] = np.mean(own, axis=0)
    rows = []
    for (name, level), own in levels.groupby(["family", "level"], sort=False):
        strongest = own.loc[own["r"].idxmax(), "best"]
        row = {"family": name, "level": level, "best": strongest, "rows": int(own["rows"].iloc[0])}
        row |= {"r": float(own["r"].mean()), "mean_r": float(own["mean"].mean()), "p": float(own["p"].median())}
        row["low"], row["high"] = percentile_interval(draws[name, level])
        twin = _twin(name)
        beside = levels[(levels["family"] == twin) & (levels["level"] == level)]["mean"]
        row |= dict.fromkeys(("twin", "gain", "gain_low", "gain_high"), float("nan"))
        if len(beside):
            row["twin"] = float(beside.mean())
            row["gain"] = row["mean_r"] - row["twin"]
            row["gain_low"], row["gain_high"] = percentile_interval(draws[name, level] - draws[twin, level])
        rows.append(row)
    return pd.DataFrame(rows)
