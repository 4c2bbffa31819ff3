"""One task after one profiling: the scores of all encoders, and statistics derived from them once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from phenolens.core.precision import exceeds
from phenolens.core.random import spawn
from phenolens.encoders.info import EncoderInfo
from phenolens.evaluation.estimate import Estimate
from phenolens.evaluation.left_out import LeftOut, mean_left_out, noise_of_difference
from phenolens.evaluation.paired import (
    PairedDifference,
    UnitValues,
    joint_draws,
    mean_by_unit,
    paired_difference,
    paired_p,
)
from phenolens.tasks import Leak, Score, Task

ALPHA = 0.05


@dataclass(frozen=True, eq=False)
class StratumScore:
    """The score of a stratum that is reported separately, such as a source of relations.

    Attributes
    ----------
    stratum
        Its name.
    estimate
        The score with its interval.
    chance
        The score of an embedding without information.
    details
        Further numbers by name.
    """

    stratum: str
    estimate: Estimate
    chance: float
    details: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class EncoderScore:
    """The score of one encoder; of one seed, if it has several.

    Attributes
    ----------
    info
        The encoder.
    task, profiling
        The task and the profiling.
    score
        The score with its units.
    estimate
        Its value and 95 % interval.
    detectable
        The minimum detectable difference from chance (80 % power).
    strata
        The scores of strata that are reported separately.
    left_out
        The values without parts of the plates or controls; None where that is not asked.
    """

    info: EncoderInfo
    task: Task
    profiling: str
    score: Score
    estimate: Estimate
    detectable: float = float("nan")
    strata: tuple[StratumScore, ...] = ()
    left_out: LeftOut | None = None

    @property
    def encoder(self) -> str:
        """The encoder's name, which all its seeds share."""
        return self.info.name


@dataclass(frozen=True)
class MeanScore:
    """An encoder's score, the mean over its seeds.

    Attributes
    ----------
    info
        The encoder, with its first seed.
    value, chance
        The mean score, and the chance level.
    """

    info: EncoderInfo
    value: float
    chance: float

    @property
    def encoder(self) -> str:
        """The encoder's name."""
        return self.info.name


@dataclass(frozen=True, eq=False)
class Question:
    """One task after one profiling, with the scores of all encoders.

    Attributes
    ----------
    task, profiling
        The task and the profiling.
    scores
        One per encoder and seed.
    seed
        The seed of the bootstrap.
    """

    task: Task
    profiling: str
    scores: Sequence[EncoderScore]
    seed: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """The names of task and profiling, by which questions are distinguished and random numbers are drawn."""
        return self.task.id, self.profiling

    @property
    def first(self) -> Score:
        """The first score, for what all scores have in common, such as the metric."""
        return self.scores[0].score

    @cached_property
    def leak(self) -> Leak | None:
        """The groups on both sides of the split; None if there are none."""
        return next((each.score.leak for each in self.scores if each.score.leak is not None), None)

    @property
    def supports_claims(self) -> bool:
        """Whether a higher score is evidence for an encoder; not so for nuisances, or if the split leaks."""
        return self.first.higher_is_better and self.leak is None

    @cached_property
    def by_encoder(self) -> dict[str, list[EncoderScore]]:
        """Encoder -> the scores of its seeds."""
        found: dict[str, list[EncoderScore]] = {}
        for each in self.scores:
            found.setdefault(each.encoder, []).append(each)
        return found

    @cached_property
    def one_seed(self) -> dict[str, EncoderScore]:
        """Encoder -> the score of its first seed, for analyses that use one seed only."""
        return {name: scores[0] for name, scores in self.by_encoder.items()}

    @cached_property
    def values(self) -> dict[str, UnitValues]:
        """Encoder -> its values by unit, averaged over its seeds."""
        return {name: mean_by_unit([each.score.units for each in scores]) for name, scores in self.by_encoder.items()}

    @cached_property
    def means(self) -> list[MeanScore]:
        """The mean scores of the encoders, highest first."""
        table = pd.DataFrame(
            {
                "encoder": [each.encoder for each in self.scores],
                "value": [each.score.value for each in self.scores],
                "chance": [each.score.chance for each in self.scores],
            }
        )
        averaged = table.groupby("encoder", sort=False).mean().sort_values("value", ascending=False)
        return [
            MeanScore(self.one_seed[str(row.Index)].info, float(row.value), float(row.chance))
            for row in averaged.itertuples()
        ]

    @property
    def best(self) -> MeanScore:
        """The encoder with the highest score."""
        return self.means[0]

    @cached_property
    def tested(self) -> list[MeanScore]:
        """The encoders under test, highest score first."""
        return [each for each in self.means if each.info.is_tested]

    @cached_property
    def baselines(self) -> list[MeanScore]:
        """The baselines, including untrained networks, highest score first."""
        return [each for each in self.means if each.info.is_baseline]

    @cached_property
    def untrained(self) -> list[MeanScore]:
        """The untrained networks, highest score first."""
        return [each for each in self.means if each.info.role == "untrained"]

    @property
    def reported(self) -> list[MeanScore]:
        """The encoders that sentences are about: those under test, the best first; the best of all where none is."""
        return self.tested or self.means[:1]

    @property
    def best_baseline(self) -> MeanScore | None:
        """The best baseline; None if none was scored."""
        return next(iter(self.baselines), None)

    @property
    def best_untrained(self) -> MeanScore | None:
        """The best untrained network; None if none was scored."""
        return next(iter(self.untrained), None)

    @property
    def references(self) -> list[str]:
        """The best baseline, and the best untrained network if that is a different one."""
        found = [each.encoder for each in (self.best_baseline, self.best_untrained) if each is not None]
        return list(dict.fromkeys(found))

    def mean_of(self, encoder: str) -> MeanScore:
        """Return the mean score of an encoder."""
        return next(each for each in self.means if each.encoder == encoder)

    def is_above_chance(self, encoder: str) -> bool:
        """Whether the 95 % interval of an encoder's score, averaged over its seeds, lies above chance."""
        above = np.mean([each.estimate.low - each.score.chance for each in self.by_encoder[encoder]])
        return exceeds(float(above), 0.0)

    @cached_property
    def best_of_many(self) -> Estimate:
        """The best encoder's score, with limits corrected for the selection of the best."""
        best = self.best
        rng = spawn(self.seed, "best", *self.key)
        # The order alone widens these limits: no two fits are compared.
        joint = joint_draws({"best": self.values[best.encoder]}, rng, se_inflation=self.first.order)
        if joint.n_clusters < 2:
            return Estimate(best.value, n_units=joint.n_units)
        draws = joint.draws[:, 0]
        if best.encoder in self.left_out:
            draws = self.left_out[best.encoder].noise().widen(draws, best.value)
        limits = self.first.limits(draws, 1 - ALPHA / len(self.means))
        return Estimate(best.value, *limits, joint.n_units)

    @cached_property
    def left_out(self) -> dict[str, LeftOut]:
        """Encoder -> its values without parts of the plates or controls, averaged over seeds, where these are known."""
        found = {name: mean_left_out([each.left_out for each in scores]) for name, scores in self.by_encoder.items()}
        return {name: each for name, each in found.items() if each is not None}

    def difference(
        self, one: str, other: str, *, left_out: Mapping[str, LeftOut] | None = None, with_p: bool = True
    ) -> PairedDifference:
        """Return the paired difference of two encoders, with its p value.

        Parameters
        ----------
        one, other
            Encoders; one minus the other is returned.
        left_out
            Encoder -> its values without parts of the rows; if None, those that the scores came with.
        with_p
            Whether to compute the p value, which is needed only for claims.
        """
        left_out = self.left_out if left_out is None else left_out
        noise = noise_of_difference(left_out.get(one), left_out.get(other))
        values, inflation = (self.values[one], self.values[other]), self.first.se_inflation
        rng = spawn(self.seed, "comparison", *self.key)
        found = paired_difference(*values, rng, se_inflation=inflation, noise=noise)
        if not with_p:
            return found
        p = paired_p(*values, spawn(self.seed, "exchange", *self.key), se_inflation=inflation, noise=noise)
        return replace(found, estimate=replace(found.estimate, p=p))
