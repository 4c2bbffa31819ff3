"""What a diagnosis finds, record by record: each class says what its fields are, and what is found is kept as these.

Parts of the diagnosis make records, `inference` adjusts the p values of those that claim something, rules turn them
into sentences, and the report lays them out. Numbers that could not be estimated are NaN, and words that do not apply
are empty.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from phenolens.core.precision import exceeds
from phenolens.evaluation import ALPHA, Estimate
from phenolens.simulation import LEVELS

NAN = float("nan")

ENCODED_R = 0.3
"""The least correlation with a concept's best factor, beside what its reliability allows, for an encoder to be said to
encode it."""
LEAST_LEFT = 0.1
"""What is not found of a concept is said to be missing if at least this share of it is left beyond other concepts (a
variance inflation factor of at most 10), and at least this share of that is reliable."""
DILUTION_STEP = 0.25
"""By what share of the variance the copies of an encoder differ that a metric is tried on."""
GROSS_LOSS = 0.5
"""A metric that notices only larger losses of variance tells only gross differences."""
FOLLOWED = 0.5
"""The least share of the first component for it to be said to follow something."""
LARGE = 0.2
"""The least share of all variance for a first component to be worth a word."""
NOT_TOLD_APART = 0.05
"""Two blocks whose shares of the first component differ by less than this cannot be told apart by it."""
COMMON_PART = 0.05
"""Vectors that differ by less than this share of their length have a large common part."""
DOMINANT_FEATURE = 0.9
"""The least share of the squared length of vectors for a feature to dominate them."""
DOMINANT_COMPONENT = 0.5
"""The least share of the variance of vectors for a component to dominate them."""
LEAST_HEADROOM = 0.1
"""A metric of whose range the best baseline leaves less than this leaves little room."""


@dataclass(frozen=True)
class Record:
    """One thing that was found."""


@dataclass(frozen=True)
class Claim(Record):
    """A record whose estimate may be claimed: `inference` adjusts the p values of all claims of a card.

    Attributes
    ----------
    estimate
        The effect, with its 95 % interval, p value and adjusted p value.
    """

    estimate: Estimate

    @property
    def is_claimed(self) -> bool:
        """Whether a sentence may be made of it; False for what is only described."""
        return True

    @property
    def family(self) -> tuple[str, ...]:
        """The claims that are adjusted together, by what they are about; see `control_claims`."""
        raise NotImplementedError

    @property
    def null(self) -> float:
        """The value of the estimate if there is nothing to claim; NaN if its p value is that of another number."""
        return 0.0

    @property
    def excludes_null(self) -> bool:
        """Whether the interval, which is not adjusted, holds no such value."""
        return self.estimate.low > self.null or self.estimate.high < self.null

    @property
    def is_significant(self) -> bool:
        """Whether the adjusted p value is at most 5 %."""
        return self.estimate.p_adjusted <= ALPHA


Dominance = Literal["", "feature", "common part", "component"]


@dataclass(frozen=True)
class EmbeddingShape(Record):
    """What the vectors of one encoder look like.

    Attributes
    ----------
    encoder
        The encoder, with its seed.
    n_rows, n_features
        The size of the embedding.
    not_finite
        Rows with NaN or infinite values; all else is of the other rows.
    zero
        Rows that are all zero.
    duplicates
        Rows that equal an earlier one.
    dead
        Features that do not vary.
    rank
        Numerical rank of the centred vectors.
    effective_dimensions
        Participation ratio of their variances.
    top_share
        Share of the variance along the first principal component.
    relative_sd
        Standard deviation of the vectors around their mean, relative to their root mean square length.
    norm_variation
        Standard deviation of the lengths, relative to their mean.
    mean_cosine
        Over pairs of rows; 0 if isotropic, 1 if all point the same way.
    uniformity
        0 if all rows point the same way, lower if they are spread over the sphere.
    hubness
        Skewness of how often rows are among others' nearest.
    ties
        Share of rows whose nearest neighbour is as near as the next.
    largest_feature, feature_share
        The feature that holds the largest share of the squared length of the vectors, and this share.
    finding
        What makes it unfit for scores; empty if nothing does.
    dominated_by
        What cosines of raw vectors of an encoder under test mostly compare; empty if there is no such thing.
    """

    encoder: str
    n_rows: int
    n_features: int
    not_finite: int
    zero: int = 0
    duplicates: int = 0
    dead: int = 0
    rank: int = 0
    effective_dimensions: float = NAN
    top_share: float = NAN
    relative_sd: float = NAN
    norm_variation: float = NAN
    mean_cosine: float = NAN
    uniformity: float = NAN
    hubness: float = NAN
    ties: float = NAN
    largest_feature: str = ""
    feature_share: float = NAN
    finding: str = ""
    dominated_by: Dominance = ""


@dataclass(frozen=True)
class SplitLeak(Record):
    """A split that lets groups stand on both sides, and what that adds to the best score.

    Attributes
    ----------
    task, profiling
        The question.
    encoder
        The encoder with the highest score.
    leak
        How many groups stand on both sides, in words.
    value, unseen_value
        Its score on this split, and on groups that were not seen in training; NaN if that was not evaluated.
    estimate
        The paired difference of the two.
    """

    task: str
    profiling: str
    encoder: str
    leak: str
    value: float
    unseen_value: float = NAN
    estimate: Estimate = field(default_factory=Estimate)


Reference = Literal["", "best baseline", "best untrained network"]


@dataclass(frozen=True)
class BaselineDifference(Claim):
    """The paired difference of an encoder and a baseline; of two baselines, the lower score minus the higher.

    Attributes
    ----------
    estimate
        Encoder minus baseline, over the units that both have.
    task, profiling
        The question.
    encoder, baseline
        The two.
    encoder_is_baseline
        Whether the encoder is itself a baseline, of which nothing is claimed.
    untrained
        Whether the baseline is an untrained network.
    reference
        As what an encoder under test is held against this baseline; empty where it is only described.
    minimum_detectable
        The smallest difference that so many units find with 80 % power.
    seeds_low, seeds_high
        The least and the largest difference to one seed of the baseline.
    share_of_range
        The difference as a share of the range of the metric from chance to its ceiling; NaN where that is not known.
    encoder_above_chance, baseline_above_chance
        Whether the 95 % interval of each score lies above chance.
    over_counterpart
        The difference to the encoder's untrained counterpart, said beside that to the best untrained network.
    """

    task: str
    profiling: str
    encoder: str
    baseline: str
    encoder_is_baseline: bool = False
    untrained: bool = False
    reference: Reference = ""
    minimum_detectable: float = NAN
    seeds_low: float = NAN
    seeds_high: float = NAN
    share_of_range: float = NAN
    encoder_above_chance: bool = True
    baseline_above_chance: bool = True
    over_counterpart: Estimate = field(default_factory=Estimate)

    @property
    def is_claimed(self) -> bool:
        """Whether the baseline is one that the encoder is held against."""
        return self.reference != ""

    @property
    def family(self) -> tuple[str, ...]:
        """The scores of this encoder, against baselines."""
        return "against baselines", self.encoder

    @property
    def better_is_above_chance(self) -> bool:
        """Whether the better one of the two is distinguishable from chance."""
        return self.encoder_above_chance if self.estimate.value > 0 else self.baseline_above_chance


@dataclass(frozen=True)
class EncoderDifference(Claim):
    """The paired difference of two encoders under test in one question.

    Attributes
    ----------
    estimate
        Encoder minus other, over the units that both have.
    task, profiling
        The question.
    encoder, other
        The two.
    minimum_detectable
        The smallest difference that so many units find with 80 % power.
    better_is_above_chance
        Whether the better one is distinguishable from chance.
    """

    task: str
    profiling: str
    encoder: str
    other: str
    minimum_detectable: float = NAN
    better_is_above_chance: bool = True

    @property
    def family(self) -> tuple[str, ...]:
        """The differences of these two encoders, in scores and concepts."""
        return "between encoders", self.encoder, self.other


@dataclass(frozen=True)
class ProfilingDifference(Record):
    """What post-processing changes of the score of an encoder under test, on the same rows.

    Where a profiler was fitted on a half of the controls, both scores are against the other half.

    Attributes
    ----------
    estimate
        The score after post-processing minus that of raw vectors; `inference` adjusts the p value over all of these.
    task, profiling, encoder
        The question, after post-processing, and the encoder.
    raw_value, value
        Both scores, of one seed of the encoder.
    """

    estimate: Estimate
    task: str
    profiling: str
    encoder: str
    raw_value: float
    value: float

    @property
    def is_significant(self) -> bool:
        """Whether the adjusted p value is at most 5 %."""
        return self.estimate.p_adjusted <= ALPHA


@dataclass(frozen=True)
class NoBaseline(Record):
    """A question in which no baseline was scored.

    Attributes
    ----------
    task, profiling
        The question.
    encoders
        The encoders under test.
    """

    task: str
    profiling: str
    encoders: tuple[str, ...]


@dataclass(frozen=True)
class BestBaseline(Record):
    """The best baseline of a question in which no encoder is under test.

    Attributes
    ----------
    task, profiling
        The question.
    encoder
        The best baseline.
    value, chance
        Its score, and that of chance.
    ties
        The baselines whose difference to it has an interval that holds zero, the best first.
    n_baselines
        How many baselines there are.
    """

    task: str
    profiling: str
    encoder: str
    value: float
    chance: float
    ties: tuple[str, ...] = ()
    n_baselines: int = 1


@dataclass(frozen=True)
class RankGroup(Record):
    """The rank of an encoder in one question; encoders that are not distinguishable from a group's best share it.

    Attributes
    ----------
    task, profiling, encoder
        The question and the encoder.
    value
        Its score over the units that all encoders have.
    rank_group
        From 1, the best.
    """

    task: str
    profiling: str
    encoder: str
    value: float
    rank_group: int


@dataclass(frozen=True)
class Activity(Record):
    """How many perturbations an encoder distinguishes from controls (phenotypic activity).

    Attributes
    ----------
    task, profiling, encoder
        The question and the encoder.
    n_active, n_units
        How many perturbations are active at a false discovery rate of 5 %, and of how many.
    least_p
        The least that any adjusted p value can be; 0 if the task does not say.
    best_baseline
        The best baseline; empty if that is the encoder itself or there is none.
    n_active_of_best
        How many are active by the best baseline.
    fewest
        The smallest number of active perturbations that the exchanges of labels allow to be found.
    """

    task: str
    profiling: str
    encoder: str
    n_active: int
    n_units: int
    least_p: float = 0.0
    best_baseline: str = ""
    n_active_of_best: int = 0
    fewest: int = 1

    @property
    def can_be_any(self) -> bool:
        """Whether any perturbation could be active, whatever the encoder sees."""
        return self.least_p <= ALPHA


@dataclass(frozen=True)
class NuisanceReadout(Record):
    """How well a batch, plate or position can be read off an encoder's vectors.

    Attributes
    ----------
    task, profiling, encoder
        The question and the encoder.
    nuisance
        What is read off, for sentences, such as ``the plate``.
    metric
        The name of the metric.
    estimate
        The score; its p value is that of a nuisance permuted before post-processing, NaN where nothing is permuted.
    chance
        The mean of that, or that of a random guess.
    """

    task: str
    profiling: str
    encoder: str
    nuisance: str
    metric: str
    estimate: Estimate
    chance: float

    @property
    def is_refitted(self) -> bool:
        """Whether it was compared with what post-processing alone writes into vectors."""
        return not math.isnan(self.estimate.p)

    @property
    def is_readable(self) -> bool:
        """Whether the nuisance can be read off, and not only what post-processing writes into vectors."""
        beyond_permuted = self.estimate.p <= ALPHA if self.is_refitted else True
        return beyond_permuted and exceeds(self.estimate.low, self.chance)


Grade = Literal["tells", "leaves little room", "tells only gross differences", "cannot tell", "too few units"]


@dataclass(frozen=True)
class MetricRange(Record):
    """What the metric of one question can tell on these data.

    Attributes
    ----------
    task, profiling
        The question.
    chance, ceiling
        The range of the metric.
    ceiling_is
        What the ceiling is: ``maximum`` of the metric, what ``replicates`` allow, or the encoder that reaches it.
    best_baseline, best_baseline_value
        The best baseline and its score.
    best_encoder, best_value
        The encoder with the highest score, and that score.
    best_low
        The lower limit of that score, which allows for its being the best of so many.
    headroom
        The share of the range from chance to ceiling that the best baseline leaves.
    finest
        The smallest share of the variance whose loss is noticed, with all larger ones.
    sensitivity
        The probability that the better of two diluted copies scores higher.
    grade
        What the metric can tell, or that there are too few units to say so.
    stability
        Mean Kendall's tau of the ranking with those of other protocols.
    n_protocols
        How many protocols.
    unit, n_units, n_clusters
        The unit of the score, how many the copies were compared on, and in how many clusters that are independent.
    least_p
        The p value of a difference that is equal in all of these: if it is not small, there are too few.
    clusters_needed
        If that p value is not small, how many it takes until it is; otherwise about how many it takes to tell the best
        encoder from a copy without any truth, four times in five.
    """

    task: str
    profiling: str
    chance: float
    ceiling: float
    ceiling_is: str
    best_baseline: str
    best_baseline_value: float
    best_encoder: str
    best_value: float
    best_low: float
    headroom: float
    finest: float
    sensitivity: float
    grade: Grade
    stability: Estimate = field(default_factory=Estimate)
    n_protocols: int = 0
    unit: str = "unit"
    n_units: int = 0
    n_clusters: int = 0
    least_p: float = NAN
    clusters_needed: float = NAN

    @property
    def is_able(self) -> bool:
        """Whether the best encoder is distinguishable from chance, and from a copy without any truth."""
        return self.grade not in ("cannot tell", "too few units")


@dataclass(frozen=True)
class Retention(Claim):
    """How much of a score is left once something has been taken away.

    Attributes
    ----------
    estimate
        The share of the distance between score and chance that is left; NaN where there was none before.
    task, profiling, encoder
        The question and the encoder.
    under_test
        Whether the encoder is under test.
    before, after, chance
        The score before, the score after, and chance before.
    """

    task: str
    profiling: str
    encoder: str
    under_test: bool
    before: float
    after: float
    chance: float

    @property
    def is_claimed(self) -> bool:
        """Whether the encoder is under test."""
        return self.under_test

    @property
    def null(self) -> float:
        """All is left."""
        return 1.0

    @property
    def is_known(self) -> bool:
        """Whether there was anything above chance that could be lost."""
        return not math.isnan(self.estimate.value)


Removal = Literal["regressed out", "matched", "left out"]


@dataclass(frozen=True)
class WithoutShortcut(Retention):
    """How much of a score is left without a shortcut such as cell count or position.

    Attributes
    ----------
    shortcut
        What was taken away.
    way
        ``regressed out`` of the vectors, ``matched`` between the wells that are compared, or neighbours that share it
        ``left out``.
    fit
        What a regression was fitted on: ``controls`` or ``all`` rows; empty for other ways.
    retrieval
        Whether the question is retrieval, which of fewer candidates is another question.
    """

    shortcut: str
    way: Removal
    fit: Literal["", "controls", "all"] = ""
    retrieval: bool = False

    @property
    def family(self) -> tuple[str, ...]:
        """The shortcuts of this encoder."""
        return "shortcuts", self.encoder


@dataclass(frozen=True)
class AfterIntervention(Retention):
    """How much of a score is left after the pixels were changed.

    Attributes
    ----------
    intervention
        What was done to the pixels.
    shift
        How far vectors moved: 0 not at all, 1 as far as two random wells are apart.
    """

    intervention: str
    shift: float = NAN

    @property
    def family(self) -> tuple[str, ...]:
        """The interventions on what this encoder sees."""
        return "interventions", self.encoder


@dataclass(frozen=True)
class SimilarityStructure(Record):
    """How an encoder's similarities of wells follow those of a shortcut, and of the treatment, each beyond the other.

    Attributes
    ----------
    encoder, shortcut
        The two.
    follows
        Partial correlation with the shortcut's similarities, given the treatment.
    biology
        Partial correlation with the sameness of the treatment, given the shortcut.
    biology_alone
        Correlation with the sameness of the treatment, nothing given.
    n_rows
        How many wells.
    """

    encoder: str
    shortcut: str
    follows: Estimate
    biology: Estimate
    biology_alone: float
    n_rows: float


@dataclass(frozen=True)
class BiologyBesideNuisance(Record):
    """How well rows find others of their biology, beside others of the same plate, batch, slide or patient.

    Attributes
    ----------
    encoder, profiling
        The encoder and the post-processing.
    under_test
        Whether the encoder is under test.
    biology, nuisance
        The columns of the two.
    biology_score, biology_chance
        Mean average precision for biology, and that of a random order.
    biology_by_nuisance
        The same for vectors that hold nothing but the nuisance.
    nuisance_score, nuisance_chance, nuisance_by_biology
        The same the other way round.
    robustness, robustness_chance
        Of neighbours that share biology or nuisance alone, the share that shares biology; that of random neighbours.
    mixing
        The effective number of nuisances among neighbours, as a share of the most there can be.
    neighbours
        How many neighbours are looked at.
    n_rows
        How many rows.
    caveat
        Whether biology and nuisance are confounded; empty if not.
    accepted
        The share of rows whose neighbours have the nuisances of all rows (acceptance rate of kBET).
    batch_silhouette
        The mixing of nuisances within the same biology (BRAS), from 0 to 1; NaN where it cannot be scored.
    """

    encoder: str
    profiling: str
    under_test: bool
    biology: str
    nuisance: str
    biology_score: Estimate
    biology_chance: float
    biology_by_nuisance: float
    nuisance_score: Estimate
    nuisance_chance: float
    nuisance_by_biology: float
    robustness: Estimate
    robustness_chance: float
    mixing: float
    neighbours: int
    n_rows: int
    caveat: str = ""
    accepted: float = NAN
    batch_silhouette: float = NAN

    @property
    def favours(self) -> Literal["biology", "nuisance", "neither"]:
        """What neighbours share significantly more often than random ones do."""
        if exceeds(self.robustness.low, self.robustness_chance):
            return "biology"
        return "nuisance" if exceeds(self.robustness_chance, self.robustness.high) else "neither"


Encoding = Literal["", "encoded", "weakly encoded", "not detected", "not assessed"]


@dataclass(frozen=True)
class ConceptScore(Claim):
    """How well one concept of what makes an image can be read off an encoder's vectors, beyond all other concepts.

    Attributes
    ----------
    estimate
        The mean correlation over the concept's factors; its p value is that of the factor that is read best.
    encoder, concept
        The two; the encoder is under test, or the untrained counterpart of one.
    under_test
        Whether the encoder is under test.
    best_factor, best_r
        The factor that is read best, and its correlation.
    beyond
        The other concepts, which were measured and taken away.
    counterpart_r
        The mean correlation of the encoder's untrained counterpart.
    gain
        The difference to it.
    is_truth
        Whether factors are the truth of a phantom; if not, baselines have measured them.
    left
        The share of the variance of the concept's factors, between wells that are treated alike, which other concepts
        do not explain (tolerance); that of the factor of which most is left.
    reliability
        How well what is left agrees with itself, from halves of the sites of each well (Spearman-Brown); that of the
        most reliable factor. NaN where it is not known: of true factors, and of wells with one site.
    better_read, r_beyond_better
        The concepts that this encoder reads better, and the correlation with the best factor beyond what it reads of
        these: of what measurements miss of a concept, others know something. Empty and NaN if it was not read again,
        NaN alone if too few rows are left for that.
    encoding
        What can be said of it, given the adjusted p value; `inference` fills it in.
    of_first_component
        The share of the encoder's first principal component that the concept explains, alone and not beyond others;
        NaN unless the component is said to follow it. `inference` fills it in.
    """

    encoder: str
    concept: str
    under_test: bool
    best_factor: str
    best_r: float
    beyond: tuple[str, ...] = ()
    counterpart_r: float = NAN
    gain: Estimate = field(default_factory=Estimate)
    is_truth: bool = False
    left: float = 1.0
    reliability: float = NAN
    better_read: tuple[str, ...] = ()
    r_beyond_better: float = NAN
    encoding: Encoding = ""
    of_first_component: float = NAN

    @property
    def is_claimed(self) -> bool:
        """Whether the encoder is under test."""
        return self.under_test

    @property
    def family(self) -> tuple[str, ...]:
        """The concepts that this encoder may encode."""
        return "concepts", self.encoder

    @property
    def null(self) -> float:
        """Zero for one factor; NaN for more, as the interval is then that of their mean, and p that of the best."""
        return 0.0 if self.best_r == self.estimate.value else NAN

    @property
    def allowed_r(self) -> float:
        """The largest correlation that the reliability allows (Spearman, 1904); 1 where that is not known."""
        return 1.0 if math.isnan(self.reliability) else math.sqrt(max(self.reliability, LEAST_LEFT))

    @property
    def sure_r(self) -> float:
        """The correlation with the best factor that is surely with this concept, and no other; NaN if not known."""
        if math.isnan(self.r_beyond_better):
            return NAN if self.better_read else self.best_r
        return min(self.best_r, self.r_beyond_better)

    @property
    def is_assessable(self) -> bool:
        """Whether a concept that is not found can be said to be missing.

        Enough must be left of it, and it may not have been found before others were taken away that are read better.
        """
        return self.left >= LEAST_LEFT and not self.reliability < LEAST_LEFT and not self.better_read

    @property
    def all_measured(self) -> bool:
        """Whether all concepts that there are were measured."""
        return len(self.beyond) + 1 == len(LEVELS)


@dataclass(frozen=True)
class ConceptDifference(Claim):
    """How two encoders under test differ in a concept.

    Attributes
    ----------
    estimate
        The difference of mean correlations, encoder minus other.
    concept, encoder, other
        The concept and the two.
    better_encodes_it
        Whether the better one encodes it at all; `inference` fills it in.
    """

    concept: str
    encoder: str
    other: str
    better_encodes_it: bool = False

    @property
    def family(self) -> tuple[str, ...]:
        """The differences of these two encoders, in scores and concepts."""
        return "between encoders", self.encoder, self.other

    @property
    def better(self) -> str:
        """The encoder with the higher correlation."""
        return self.encoder if self.estimate.value > 0 else self.other


@dataclass(frozen=True)
class FactorScore(Record):
    """How well one factor of a concept can be read off an encoder's vectors.

    Attributes
    ----------
    encoder, concept, factor
        The three.
    r
        The partial correlation, the mean over seeds.
    left, reliability
        As in `ConceptScore`, of this factor.
    """

    encoder: str
    concept: str
    factor: str
    r: float
    left: float = NAN
    reliability: float = NAN


@dataclass(frozen=True)
class ExplainedVariance(Record):
    """How much of the variance of an encoder's vectors one block of factors explains.

    Attributes
    ----------
    encoder
        The encoder.
    under_test
        Whether it is under test.
    block
        A concept, the ``batch`` or the ``treatment``.
    alone
        The adjusted share of all variance that it explains.
    beyond
        What it adds to all other blocks.
    of_first_component
        The share of the first principal component that it explains.
    first_component
        The share of all variance that this component holds.
    """

    encoder: str
    under_test: bool
    block: str
    alone: float
    beyond: float
    of_first_component: float
    first_component: float

    @property
    def is_followed(self) -> bool:
        """Whether the first component is large, and the block explains most of it."""
        return self.of_first_component >= FOLLOWED and self.first_component >= LARGE


def what_is_followed(blocks: Sequence[ExplainedVariance]) -> list[ExplainedVariance]:
    """Return which block the first component of an encoder follows: that which explains most of it.

    Blocks that explain at least half of one component each are not independent. All but the first are left out, unless
    they explain nearly as much, so that it cannot be told which one is followed.

    Parameters
    ----------
    blocks
        All blocks of one encoder.
    """
    followed = sorted((each for each in blocks if each.is_followed), key=lambda each: -each.of_first_component)
    return [each for each in followed if each.of_first_component > followed[0].of_first_component - NOT_TOLD_APART]


@dataclass(frozen=True)
class StratumGain(Record):
    """An encoder under test beside the best baseline, in one stratum of the units.

    Attributes
    ----------
    encoder, baseline, task, profiling
        The two, and the question.
    by, stratum
        What strata are made by, such as ``strength`` or ``dose``, and which this is.
    value, baseline_value, chance
        Both scores there, and chance.
    gain
        Their paired difference; described, not claimed.
    """

    encoder: str
    baseline: str
    task: str
    profiling: str
    by: str
    stratum: str
    value: float
    baseline_value: float
    chance: float
    gain: Estimate


@dataclass(frozen=True)
class LessDataScore(Record):
    """A score with less data.

    Attributes
    ----------
    encoder, baseline, task, profiling
        The encoder, the best baseline, and the question.
    data
        Of what there is less: ``shots``, rows of each class, or ``replicates``, wells of each perturbation.
    amount
        How many.
    estimate
        The score.
    chance
        That of chance.
    gain
        The paired difference to the best baseline on the same amount; NaN for the baseline itself.
    note
        What must be known of how it was made; empty if nothing.
    """

    encoder: str
    baseline: str
    task: str
    profiling: str
    data: str
    amount: int
    estimate: Estimate
    chance: float
    gain: Estimate = field(default_factory=Estimate)
    note: str = ""


@dataclass(frozen=True)
class LayerChoice(Record):
    """The layer and pooling of a network that is best on one half of the units, scored on the other half.

    Attributes
    ----------
    encoder
        The network as it comes.
    task, profiling
        The question.
    chosen, share
        What was chosen most often, and in what share of the halves.
    estimate
        The score of what was chosen, on held-out units.
    as_it_comes
        The score of the network's own vectors on the same units.
    gain
        The paired difference of the two.
    optimism
        By how much the best score of any choice on all units exceeds the held-out one.
    caveat
        What must be known of it; empty if nothing.
    variants, scores
        All choices, and their scores on all units, from which none is to be chosen.
    """

    encoder: str
    task: str
    profiling: str
    chosen: str
    share: float
    estimate: Estimate
    as_it_comes: float
    gain: Estimate
    optimism: float
    caveat: str = ""
    variants: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
