"""Which levels each family of encoders knows, beside its untrained twin."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from phenolens.core.errors import ProfilingError, TaskNotApplicable
from phenolens.diagnosis.knowledge.concepts import BATCHES, Concepts, explained_variance, probe_concepts
from phenolens.diagnosis.knowledge.levels import measured_factors, true_factors, unmeasured
from phenolens.evaluation import Profiles, shared_names
from phenolens.metrics import percentile_interval

Draws = Mapping[tuple[str, str], NDArray[np.float64]]

LEVEL_COLUMNS = (
    "family",
    "level",
    "best",
    "r",
    "p",
    "mean_r",
    "low",
    "high",
    "twin",
    "gain",
    "gain_low",
    "gain_high",
    "rows",
)
VARIANCE_COLUMNS = ("family", "block", "alone", "beyond", "first", "large")
PAIR_COLUMNS = ("level", "encoder", "other", "difference", "low", "high", "p")


@dataclass(frozen=True, eq=False)
class Knowledge:
    """What is known of levels.

    Attributes
    ----------
    levels, level_pairs, factors, variance, truth
        As in `Evidence`, before claims are adjusted.
    missing
        What could not be asked, and why.
    """

    levels: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(LEVEL_COLUMNS)))
    level_pairs: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(PAIR_COLUMNS)))
    factors: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["family", "level", "factor", "r"]))
    variance: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(VARIANCE_COLUMNS)))
    truth: bool = False
    missing: Mapping[str, str] = field(default_factory=dict)


def under_test(profiles: Profiles) -> dict[str, AnnData]:
    """Return the vectors of encoders under test and of all seeds of their untrained counterparts."""
    names = set()
    for info in profiles.infos.values():
        if info.is_tested:
            names |= {info.name, info.counterpart}
    return {encoder: profiles.embeddings[encoder] for encoder, info in profiles.infos.items() if info.name in names}


def ask_levels(profiles: Profiles, *, group: str | None = None, seed: int = 0) -> Knowledge:
    """Ask encoders under test, and their twins, which levels they know, in wells where there are wells.

    Rows that not all of them have are left out.

    Parameters
    ----------
    profiles
        The vectors of all encoders.
    group
        The metadata column whose rows are no replicates of each other, such as copies of one source image. Where no
        batch tells what they share, one row of each group is asked.
    seed
        As in `probe_concepts`.
    """
    embeddings, tested = profiles.embeddings, under_test(profiles)
    if not tested:
        return Knowledge(missing={"levels": "no encoder is under test"})
    try:
        truth = true_factors(next(iter(embeddings.values())))
        tables = truth or measured_factors(profiles)
        missing = {} if truth else unmeasured(tables)
        if not tables:
            raise TaskNotApplicable("no baseline that measures a level is among the encoders, and this is no phantom")
        asked = {name: profiles.averaged(name) for name in tested}
        shared = shared_names([*(own.obs_names for own in asked.values()), *(table.index for table in tables.values())])
        obs = next(iter(asked.values())).obs.loc[shared]
        if group in obs and not any(column in obs for column in BATCHES):
            shared = shared[~obs[group].duplicated().to_numpy()]
        asked = {name: own[shared] for name, own in asked.items()}
        tables = {level: table.loc[shared] for level, table in tables.items()}
        found = probe_concepts(asked, tables, seed=seed)
    except (ProfilingError, TaskNotApplicable) as error:
        return Knowledge(missing={"levels": str(error)})
    family = {name: profiles.infos[name].name for name in asked}
    counterpart = {info.name: info.counterpart for info in profiles.infos.values() if info.is_tested}
    draws = _draws_by_family(found, family)
    levels = _by_family(found, family, draws, counterpart)
    return Knowledge(
        levels,
        _compare_pairs(levels, draws, counterpart),
        _mean_over_seeds(found.factors, family, ["level", "factor"]),
        _mean_over_seeds(explained_variance(asked, tables, seed=seed), family, ["block"]),
        bool(truth),
        {**missing, **found.missing},
    )


def _mean_over_seeds(table: pd.DataFrame, family: Mapping[str, str], keys: list[str]) -> pd.DataFrame:
    table = table.assign(family=table["encoder"].map(family)).drop(columns="encoder")
    return table.groupby(["family", *keys], sort=False, as_index=False).mean()


def _draws_by_family(found: Concepts, family: Mapping[str, str]) -> Draws:
    """Return the bootstrap draws of each family and level, the mean over its seeds."""
    members: dict[tuple[str, str], list[NDArray[np.float64]]] = {}
    for (encoder, level), own in found.draws.items():
        members.setdefault((family[encoder], level), []).append(own)
    return {key: np.mean(own, axis=0) for key, own in members.items()}


def _compare_pairs(levels: pd.DataFrame, draws: Draws, tested: Collection[str]) -> pd.DataFrame:
    """Compare what families under test know of each level, each pair once; p from the bootstrap of wells."""
    rows = []
    for level, scores in levels.groupby("level", sort=False):
        value = {str(row.family): row.mean_r for row in scores.itertuples() if row.family in tested}
        for one, other in combinations(value, 2):
            gap = draws[one, str(level)] - draws[other, str(level)]
            tail = min(int((gap <= 0).sum()), int((gap >= 0).sum()))
            p = min(1.0, 2 * (1 + tail) / (1 + len(gap)))
            low, high = percentile_interval(gap)
            pair = {"level": level, "encoder": one, "other": other, "difference": value[one] - value[other]}
            rows.append(pair | {"low": low, "high": high, "p": p})
    return pd.DataFrame(rows, columns=list(PAIR_COLUMNS))


def _by_family(
    found: Concepts, family: Mapping[str, str], draws: Draws, counterpart: Mapping[str, str]
) -> pd.DataFrame:
    """Return one row per family and level: means over seeds, and the gain over its own twin.

    Of several p values, twice the median is one (Rueschendorf, Adv. Appl. Probab. 14, 1982).
    """
    levels = found.levels.assign(family=found.levels["encoder"].map(family))
    rows = []
    for (name, level), own in levels.groupby(["family", "level"], sort=False):
        strongest = own.loc[own["r"].idxmax(), "best"]
        row = {"family": name, "level": level, "best": strongest, "rows": int(own["rows"].iloc[0])}
        p = float(own["p"].median()) * (2 if len(own) > 1 else 1)
        row |= {"r": float(own["r"].mean()), "mean_r": float(own["mean"].mean()), "p": min(p, 1.0)}
        row["low"], row["high"] = percentile_interval(draws[name, level])
        twin = counterpart.get(str(name), "")
        beside = levels[(levels["family"] == twin) & (levels["level"] == level)]["mean"]
        row |= dict.fromkeys(("twin", "gain", "gain_low", "gain_high"), float("nan"))
        if len(beside):
            row["twin"] = float(beside.mean())
            row["gain"] = row["mean_r"] - row["twin"]
            row["gain_low"], row["gain_high"] = percentile_interval(draws[name, level] - draws[twin, level])
        rows.append(row)
    return pd.DataFrame(rows)
