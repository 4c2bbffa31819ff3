"""Which concepts encoders under test encode, beside their untrained counterparts and beside each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.core.errors import ProfilingError, TaskNotApplicable
from phenolens.diagnosis.evidence import Found
from phenolens.diagnosis.parts.concepts.data import BATCHES, ConceptData, draw_rows
from phenolens.diagnosis.parts.concepts.factors import Factors, find_factors
from phenolens.diagnosis.parts.concepts.probe import Reading, probe_concepts
from phenolens.diagnosis.parts.concepts.variance import explained_variance
from phenolens.diagnosis.records import ConceptDifference, ConceptScore, ExplainedVariance, FactorScore
from phenolens.evaluation import Estimate, Evaluation, Skipped, shared_names
from phenolens.metrics import mean_defined, percentile_interval

_PART = "concepts"


def compare_concepts(evaluation: Evaluation) -> Found:
    """Score how well concepts can be read off encoders under test and their untrained counterparts.

    This is done in wells, where there are wells, that all of these encoders have. Of rows that are no replicates of
    each other, such as copies of one source image that a task keeps on one side of its split, one of each group is
    taken, unless a batch tells what they share.

    Returns
    -------
    `ConceptScore`, `ConceptDifference`, `FactorScore` and `ExplainedVariance` records, means over an encoder's seeds.
    """
    profiles, seed = evaluation.profiles, evaluation.settings.seed
    if not profiles.tested():
        return Found(skipped=(Skipped(_PART, "no encoder is under test"),))
    try:
        factors = find_factors(profiles)
        data = _align(evaluation, factors)
    except (ProfilingError, TaskNotApplicable) as error:
        return Found(skipped=(Skipped(_PART, str(error)),))
    readings, not_probed = probe_concepts(data, seed=seed)
    reasons = {**factors.unmeasured, **not_probed}
    skipped = tuple(Skipped(_PART, reason, what=concept) for concept, reason in reasons.items())
    if not readings:
        return Found(skipped=skipped)
    names = {encoder: info.name for encoder, info in profiles.infos.items()}
    counterparts = {info.name: info.counterpart for info in profiles.infos.values() if info.is_tested}
    means = _mean_readings(readings, names)
    records = (
        *_score(means, counterparts, data, is_truth=factors.is_truth),
        *_compare_tested([mean for mean in means.values() if mean.encoder in counterparts], data.n_rows),
        *_score_factors(readings, names),
        *_mean_variance(data, names, counterparts),
    )
    return Found(records, skipped)


def _align(evaluation: Evaluation, factors: Factors) -> ConceptData:
    """Return vectors and factors of the rows that all have, one of each group of copies."""
    profiles = evaluation.profiles
    wells = {encoder: profiles.averaged(encoder) for encoder in profiles.tested_and_counterparts()}
    index = [each.obs_names for each in wells.values()]
    index += [table.index for table in factors.tables.values()]
    shared = shared_names(index)
    obs = next(iter(wells.values())).obs.loc[shared]
    groups = (question.task.split_by for question in evaluation.questions.values())
    group = next((group for group in groups if group), None)
    if group in obs and not any(column in obs for column in BATCHES):
        shared = shared[~obs[group].duplicated().to_numpy()]
    wells = {encoder: each[shared] for encoder, each in wells.items()}
    tables = {concept: table.loc[shared] for concept, table in factors.tables.items()}
    return draw_rows(wells, tables, factors.halves, seed=evaluation.settings.seed)


@dataclass(frozen=True, eq=False)
class _MeanReading:
    """How well a concept can be read off an encoder, the mean over its seeds; the best factor is that of the best seed.

    Of several p values, twice the median is one (Rueschendorf, Adv. Appl. Probab. 14, 1982).
    """

    encoder: str
    concept: str
    best_factor: str
    best_r: float
    mean_r: float
    left: float
    reliability: float
    p: float
    draws: NDArray[np.float64]
    better_read: tuple[str, ...]
    r_beyond_better: float

    def minus(self, other: "_MeanReading", n_rows: int) -> Estimate:
        """Return the difference of mean correlations, with p from the bootstrap of wells."""
        draws = self.draws - other.draws
        tail = min(int((draws <= 0).sum()), int((draws >= 0).sum()))
        p = min(1.0, 2 * (1 + tail) / (1 + len(draws)))
        return Estimate(self.mean_r - other.mean_r, *percentile_interval(draws), n_rows, p)


def _mean_readings(readings: Sequence[Reading], names: Mapping[str, str]) -> dict[tuple[str, str], _MeanReading]:
    """Return (encoder, concept) -> the mean over seeds."""
    by_encoder: dict[tuple[str, str], list[Reading]] = {}
    for reading in readings:
        by_encoder.setdefault((names[reading.encoder], reading.concept), []).append(reading)
    means = {}
    for (encoder, concept), seeds in by_encoder.items():
        p = float(np.median([each.p for each in seeds])) * (2 if len(seeds) > 1 else 1)
        means[encoder, concept] = _MeanReading(
            encoder,
            concept,
            best_factor=max(seeds, key=lambda each: each.best_r).best_factor,
            best_r=float(np.mean([each.best_r for each in seeds])),
            mean_r=float(np.mean([each.mean_r for each in seeds])),
            left=float(seeds[0].left.max()),
            reliability=float(np.fmax.reduce(seeds[0].reliability)),
            p=min(p, 1.0),
            draws=np.mean([each.draws for each in seeds], axis=0),
            better_read=tuple(dict.fromkeys(name for each in seeds for name in each.better_read)),
            r_beyond_better=float(mean_defined(np.array([[each.r_beyond_better for each in seeds]]))[0]),
        )
    return means


def _score(
    means: Mapping[tuple[str, str], _MeanReading],
    counterparts: Mapping[str, str],
    data: ConceptData,
    *,
    is_truth: bool,
) -> list[ConceptScore]:
    scores = []
    for (encoder, concept), mean in means.items():
        score = ConceptScore(
            Estimate(mean.mean_r, *percentile_interval(mean.draws), data.n_rows, mean.p),
            encoder,
            concept,
            under_test=encoder in counterparts,
            best_factor=mean.best_factor,
            best_r=mean.best_r,
            beyond=tuple(other for other in data.factors if other != concept),
            is_truth=is_truth,
            left=mean.left,
            reliability=mean.reliability,
            better_read=mean.better_read,
            r_beyond_better=mean.r_beyond_better,
        )
        counterpart = means.get((counterparts.get(encoder, ""), concept))
        if counterpart is not None:
            gain = replace(mean.minus(counterpart, data.n_rows), p=float("nan"))  # described, not claimed
            score = replace(score, counterpart_r=counterpart.mean_r, gain=gain)
        scores.append(score)
    return scores


def _compare_tested(tested: Sequence[_MeanReading], n_rows: int) -> list[ConceptDifference]:
    """Compare encoders under test in each concept, each pair once."""
    differences = []
    for concept in dict.fromkeys(mean.concept for mean in tested):
        for one, other in combinations([mean for mean in tested if mean.concept == concept], 2):
            difference = ConceptDifference(one.minus(other, n_rows), concept, one.encoder, other.encoder)
            differences.append(difference)
    return differences


def _score_factors(readings: Sequence[Reading], names: Mapping[str, str]) -> list[FactorScore]:
    """Return the mean over seeds of each factor's correlation."""
    scores = []
    for reading in readings:
        numbers = zip(reading.factors, reading.r, reading.left, reading.reliability, strict=True)
        for factor, r, left, reliability in numbers:
            name = names[reading.encoder]
            scores.append(FactorScore(name, reading.concept, factor, float(r), float(left), float(reliability)))
    table = pd.DataFrame(scores).groupby(["encoder", "concept", "factor"], sort=False, as_index=False).mean()
    return [FactorScore(*row) for row in table.itertuples(index=False)]


def _mean_variance(data: ConceptData, names: Mapping[str, str], tested: Mapping[str, str]) -> list[ExplainedVariance]:
    """Return the mean over seeds of what each block explains."""
    table = pd.DataFrame(explained_variance(data))
    table = table.assign(encoder=table["encoder"].map(names))
    table = table.groupby(["encoder", "block"], sort=False, as_index=False).mean()
    return [ExplainedVariance(under_test=row["encoder"] in tested, **row) for row in table.to_dict("records")]
