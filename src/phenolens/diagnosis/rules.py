"""The rules by which records become verdicts: one table, in the order in which verdicts are read.

A rule says of which records it speaks, when it speaks, over what its p value is adjusted, and in which sentence. The
table in docs/diagnosis.md is made from this one: ``python -m phenolens.diagnosis.rules``.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from phenolens.diagnosis import phrases
from phenolens.diagnosis.evidence import Evidence, Verdict
from phenolens.diagnosis.records import (
    COMMON_PART,
    DOMINANT_COMPONENT,
    DOMINANT_FEATURE,
    ENCODED_R,
    FOLLOWED,
    GROSS_LOSS,
    LARGE,
    LEAST_HEADROOM,
    LEAST_LEFT,
    NAN,
    NOT_TOLD_APART,
    Activity,
    AfterIntervention,
    BaselineDifference,
    BestBaseline,
    BiologyBesideNuisance,
    Claim,
    ConceptDifference,
    ConceptScore,
    EmbeddingShape,
    EncoderDifference,
    ExplainedVariance,
    LayerChoice,
    MetricRange,
    NoBaseline,
    NuisanceReadout,
    ProfilingDifference,
    Record,
    SplitLeak,
    StratumGain,
    WithoutShortcut,
    what_is_followed,
)
from phenolens.evaluation import Estimate

KEPT = 0.8
"""The least share of a score, at its lower limit, that counts as kept."""
EXPLAINED = 0.1
"""The least share of a score, at its lower limit, that a shortcut is said to explain: p values are of perturbations by
themselves, and what these share, slopes and what they are ranked before, moves scores by some hundredths."""
MOST = 0.5
"""The least share of a score that a shortcut explains if most of it is said to go with that shortcut."""

FAMILIES = "; families first"
AGAINST_BASELINES = (
    f"the scores of one encoder against baselines{FAMILIES}; that it falls short, over all baselines from which the "
    "best was picked"
)
BETWEEN_ENCODERS = f"the differences of two encoders, in scores and concepts{FAMILIES}"
CONCEPTS = f"the concepts of one encoder{FAMILIES}"
SHORTCUTS = f"the shortcuts of one encoder{FAMILIES}"
INTERVENTIONS = f"the interventions on one encoder{FAMILIES}"
UNITS = "the perturbations of one encoder, times encoders under test and questions"
PROFILINGS = "what post-processing changes, over encoders under test and questions"
DESCRIBED = "described with an interval, not adjusted"

J = TypeVar("J")  # what a rule judges: a record, or several together
J_co = TypeVar("J_co", covariant=True)
R = TypeVar("R", bound=Record)


class Judged(Protocol[J_co]):
    """What a rule is about."""

    def of(self, evidence: Evidence) -> Iterable[J_co]:
        """Return what a rule judges, one by one."""


@dataclass(frozen=True)
class Each(Generic[R]):
    """Every record of a class by itself.

    Attributes
    ----------
    record
        The class.
    """

    record: type[R]

    def of(self, evidence: Evidence) -> Iterable[R]:
        """Return the records."""
        return evidence.of(self.record)


@dataclass(frozen=True)
class Together(Generic[R]):
    """The records of a class together that agree in some fields.

    Attributes
    ----------
    record
        The class.
    by
        The fields.
    """

    record: type[R]
    by: tuple[str, ...]

    def of(self, evidence: Evidence) -> Iterable[Sequence[R]]:
        """Return the records, group by group."""
        groups: dict[tuple[str, ...], list[R]] = {}
        for record in evidence.of(self.record):
            key = tuple(str(getattr(record, field)) for field in self.by)
            groups.setdefault(key, []).append(record)
        return groups.values()


class ChangedAnswer(NamedTuple):
    """What post-processing changes of a score, beside what is said against the best baseline.

    Attributes
    ----------
    difference
        The score after post-processing beside that of raw vectors.
    raw, after
        What the encoder is to the best baseline, raw and after post-processing; None where it is not compared.
    """

    difference: ProfilingDifference
    raw: BaselineDifference | None
    after: BaselineDifference | None

    @property
    def has_another_verdict(self) -> bool:
        """Whether raw and post-processed vectors are said to be different things to the best baseline."""
        if self.raw is None or self.after is None:
            return False
        return phrases.against_best(self.raw) != phrases.against_best(self.after)


class ByProfiling:
    """What post-processing changes of each score, with the records that tell whether it changes an answer."""

    def of(self, evidence: Evidence) -> Iterable[ChangedAnswer]:
        """Return what this rule judges, one by one."""
        held: dict[tuple[str, str, str], BaselineDifference] = {}
        for each in evidence.of(BaselineDifference):
            if each.reference == "best baseline":
                held[each.task, each.profiling, each.encoder] = each
        for found in evidence.of(ProfilingDifference):
            raw = held.get((found.task, "raw", found.encoder))
            after = held.get((found.task, found.profiling, found.encoder))
            yield ChangedAnswer(found, raw, after)


def no_effect(_: object) -> Estimate:
    """Return the effect of a sentence that has no single number."""
    return Estimate()


def the_estimate(claim: Claim) -> Estimate:
    """Return the effect of a claim."""
    return claim.estimate


@dataclass(frozen=True, kw_only=True)
class Rule(Generic[J]):
    """How records become a verdict.

    Attributes
    ----------
    kind, title
        The verdict's code in files, and its title for readers.
    about
        What it judges: `Each` record of a class, or records `Together`.
    condition
        When it speaks, in words, thresholds included.
    when
        Whether it speaks.
    sentence
        What it says.
    adjusted_over
        On what its p value is adjusted.
    effect
        The number that the sentence rests on.
    against
        The field that names what the encoder is compared with.
    """

    kind: str
    title: str
    about: Judged[J]
    condition: str
    when: Callable[[J], bool]
    sentence: Callable[[J], str]
    adjusted_over: str = DESCRIBED
    effect: Callable[[J], Estimate] = no_effect
    against: str = ""

    def verdicts(self, evidence: Evidence) -> list[Verdict]:
        """Return what this rule says of the evidence."""
        return [self._verdict(judged) for judged in self.about.of(evidence) if self.when(judged)]

    def _verdict(self, judged: J) -> Verdict:
        record = judged[0] if isinstance(judged, Sequence) else judged
        names = {field: getattr(record, field, "") for field in ("encoder", "task", "profiling")}
        effect = self.effect(judged)
        return Verdict(
            self.kind,
            self.title,
            self.sentence(judged),
            **names,
            baseline=getattr(record, self.against, ""),
            effect=effect.value,
            low=effect.low,
            high=effect.high,
            p_adjusted=effect.p_adjusted,
        )


def explaining(ways: Sequence[WithoutShortcut]) -> list[WithoutShortcut]:
    """Return the adjustments by which a shortcut explains part of a score, the one that explains most first."""
    lost = [each for each in ways if each.is_significant and each.estimate.high <= 1 - EXPLAINED]
    return sorted(lost, key=lambda each: each.estimate.value)


def _shortcut_sentence(ways: Sequence[WithoutShortcut]) -> str:
    shown = explaining(ways)
    others = [each for each in ways if each not in shown and each.is_known]
    return phrases.shortcut(shown, others)


def _shortcut_effect(ways: Sequence[WithoutShortcut]) -> Estimate:
    left = explaining(ways)[0].estimate
    return Estimate(1 - left.value, 1 - left.high, 1 - left.low, left.n_units, left.p, left.p_adjusted)


def _ablation_sentence(changes: Sequence[AfterIntervention]) -> str:
    falling = [each for each in changes if each.is_significant and each.estimate.value < 1]
    kept = [each for each in changes if each not in falling and each.estimate.low >= KEPT]
    return phrases.ablation(changes[0].encoder, sorted(falling, key=lambda each: each.estimate.value), kept)


def _stratum(gains: Sequence[StratumGain], name: str) -> StratumGain | None:
    return next((each for each in gains if each.by == "strength" and each.stratum == name), None)


def _gains_on_strong_only(gains: Sequence[StratumGain]) -> bool:
    weak, strong = _stratum(gains, "weak"), _stratum(gains, "strong")
    if weak is None or strong is None:
        return False
    return weak.gain.low <= 0 < strong.gain.low and weak.gain.value < strong.gain.low


def _strong_only_sentence(gains: Sequence[StratumGain]) -> str:
    weak, strong = _stratum(gains, "weak"), _stratum(gains, "strong")
    assert weak is not None and strong is not None  # noqa: S101, PT018 - the rule speaks only where both are
    return phrases.strong_phenotypes_only(strong, weak)


def _undetected(scores: Sequence[ConceptScore]) -> bool:
    return scores[0].under_test and any(each.encoding in ("weakly encoded", "not detected") for each in scores)


def _undetected_sentence(scores: Sequence[ConceptScore]) -> str:
    weak = [each for each in scores if each.encoding == "weakly encoded"]
    absent = [each for each in scores if each.encoding == "not detected"]
    return phrases.concepts_not_detected(scores[0].encoder, weak, absent)


def _unassessed(scores: Sequence[ConceptScore]) -> list[ConceptScore]:
    return [each for each in scores if each.encoding == "not assessed"]


def _above_chance(found: NuisanceReadout) -> Estimate:
    estimate, chance = found.estimate, found.chance
    return Estimate(estimate.value - chance, estimate.low - chance, estimate.high - chance, estimate.n_units)


RULES: tuple[Rule[Any], ...] = (
    Rule[EmbeddingShape](
        kind="collapse",
        title="Collapsed embedding",
        about=Each(EmbeddingShape),
        condition="vectors of an encoder under test, or of its untrained counterpart, have no variation to score",
        when=lambda shape: shape.finding != "",
        sentence=phrases.collapse,
    ),
    Rule[MetricRange](
        kind="metric",
        title="Limits of the metric",
        about=Each(MetricRange),
        condition=(
            "there are too few units for any difference to be significant, or for the best encoder, which is above "
            "chance, to be told from a copy without information; or, with enough of them, the best encoder is not "
            "distinguishable from chance or from such a copy; or only losses of "
            f"more than {GROSS_LOSS:.0%} of the variance are noticed; or the best baseline leaves less than "
            f"{LEAST_HEADROOM:.0%} of the range"
        ),
        when=lambda found: found.grade != "tells",
        sentence=phrases.limits_of_metric,
        effect=lambda found: Estimate(found.headroom),
        against="best_baseline",
    ),
    Rule[SplitLeak](
        kind="leak",
        title="Leaking split",
        about=Each(SplitLeak),
        condition="groups stand on both sides of a split; beside it the same question on groups that were not seen",
        when=lambda _: True,
        sentence=phrases.split_leak,
        effect=lambda leak: leak.estimate,
    ),
    Rule[EmbeddingShape](
        kind="dominance",
        title="Dominated vectors",
        about=Each(EmbeddingShape),
        condition=(
            f"one feature holds at least {DOMINANT_FEATURE:.0%} of the squared length of the vectors of an encoder "
            f"under test; or they differ by less than {COMMON_PART:.0%} of their length; or one component holds at "
            f"least {DOMINANT_COMPONENT:.0%} of their variance"
        ),
        when=lambda shape: shape.dominated_by != "",
        sentence=phrases.dominance,
    ),
    Rule[NoBaseline](
        kind="no_baseline",
        title="No baseline",
        about=Each(NoBaseline),
        condition="no baseline was scored in a question",
        when=lambda _: True,
        sentence=phrases.no_baseline,
    ),
    Rule[BaselineDifference](
        kind="gain",
        title="Against the best baseline",
        about=Each(BaselineDifference),
        condition="always, for every encoder under test and question: beats, falls short of, or is not distinguishable",
        when=lambda found: found.reference == "best baseline",
        sentence=phrases.baseline_difference,
        adjusted_over=AGAINST_BASELINES,
        effect=the_estimate,
        against="baseline",
    ),
    Rule[BaselineDifference](
        kind="gain_over_untrained",
        title="Against untrained networks",
        about=Each(BaselineDifference),
        condition="the same against the best untrained network, where that is not the best baseline",
        when=lambda found: found.reference == "best untrained network",
        sentence=phrases.baseline_difference,
        adjusted_over=AGAINST_BASELINES,
        effect=the_estimate,
        against="baseline",
    ),
    Rule[ChangedAnswer](
        kind="profiling_changes_answer",
        title="Post-processing changes the answer",
        about=ByProfiling(),
        condition=(
            "raw and post-processed vectors of an encoder under test have different verdicts against the best "
            "baseline, or their scores differ significantly on the same rows"
        ),
        when=lambda found: found.has_another_verdict or found.difference.is_significant,
        sentence=lambda found: phrases.profiling_changes_answer(*found),
        adjusted_over=PROFILINGS,
        effect=lambda found: found.difference.estimate,
    ),
    Rule[BestBaseline](
        kind="baselines",
        title="Best baseline",
        about=Each(BestBaseline),
        condition="no encoder is under test: which baselines are best",
        when=lambda _: True,
        sentence=phrases.best_baseline,
        effect=lambda best: Estimate(best.value - best.chance),
    ),
    Rule[Activity](
        kind="activity",
        title="Active perturbations",
        about=Each(Activity),
        condition="always, where perturbations are compared with controls; or that controls are too few",
        when=lambda _: True,
        sentence=phrases.activity,
        adjusted_over=UNITS,
        effect=lambda found: Estimate(found.n_active / found.n_units if found.can_be_any else NAN),
    ),
    Rule[NuisanceReadout](
        kind="nuisance",
        title="Batch, plate or position in the vectors",
        about=Each(NuisanceReadout),
        condition=(
            "always, where it was evaluated: whether the interval lies above chance; after post-processing that can "
            "itself imprint it, also whether the score is above those of a nuisance permuted before (p at most 0.05)"
        ),
        when=lambda _: True,
        sentence=phrases.nuisance_readout,
        effect=_above_chance,
    ),
    Rule[EncoderDifference](
        kind="difference",
        title="Difference between encoders",
        about=Each(EncoderDifference),
        condition="always, for every two encoders under test and question",
        when=lambda _: True,
        sentence=phrases.encoder_difference,
        adjusted_over=BETWEEN_ENCODERS,
        effect=the_estimate,
        against="other",
    ),
    Rule[Sequence[StratumGain]](
        kind="strong_phenotypes_only",
        title="Gain on strong phenotypes only",
        about=Together(StratumGain, ("encoder", "task", "profiling")),
        condition=(
            "the interval of the gain lies above zero on the strongest third, holds zero on the weakest, and the gain "
            "on the weakest is below that interval"
        ),
        when=_gains_on_strong_only,
        sentence=_strong_only_sentence,
    ),
    Rule[Sequence[WithoutShortcut]](
        kind="shortcut",
        title="Shortcut",
        about=Together(WithoutShortcut, ("encoder", "task", "profiling", "shortcut")),
        condition=(
            f"at least {EXPLAINED:.0%} of the score above chance, at the lower limit, is lost significantly by any "
            "adjustment"
        ),
        when=lambda ways: bool(explaining(ways)),
        sentence=_shortcut_sentence,
        adjusted_over=SHORTCUTS,
        effect=_shortcut_effect,
    ),
    Rule[BiologyBesideNuisance](
        kind="robustness",
        title="Biology or nuisance among neighbours",
        about=Each(BiologyBesideNuisance),
        condition="always, for every encoder under test, where biology and nuisance are not wholly confounded",
        when=lambda found: found.under_test and not math.isnan(found.robustness.low),
        sentence=phrases.robustness,
        effect=lambda found: found.robustness,
    ),
    Rule[Sequence[AfterIntervention]](
        kind="ablation",
        title="Effect of changed images",
        about=Together(AfterIntervention, ("encoder", "task", "profiling")),
        condition=(
            "always, for every encoder under test whose score is above chance: it falls if significantly less is left, "
            f"and is kept if at least {KEPT:.0%} is left at the lower limit"
        ),
        when=lambda changes: changes[0].under_test and any(each.is_known for each in changes),
        sentence=_ablation_sentence,
        adjusted_over=INTERVENTIONS,
    ),
    Rule[ConceptScore](
        kind="concept",
        title="Encoded concept",
        about=Each(ConceptScore),
        condition=(
            f"a factor of the concept is read significantly, with a correlation of at least {ENCODED_R:g} of what its "
            "reliability allows, also beyond what the encoder reads of concepts that it reads better"
        ),
        when=lambda score: score.under_test and score.encoding == "encoded",
        sentence=phrases.concept,
        adjusted_over=CONCEPTS,
        effect=the_estimate,
    ),
    Rule[Sequence[ConceptScore]](
        kind="concepts_not_detected",
        title="Concepts weakly encoded or not detected",
        about=Together(ConceptScore, ("encoder",)),
        condition="weakly: significant, with a smaller correlation; not detected: not significant, and enough is left",
        when=_undetected,
        sentence=_undetected_sentence,
        adjusted_over=CONCEPTS,
    ),
    Rule[Sequence[ConceptScore]](
        kind="concepts_not_assessed",
        title="Concepts that could not be assessed",
        about=Together(ConceptScore, ("encoder",)),
        condition=(
            "read significantly, but not beyond what the encoder reads of concepts that it reads better; or not "
            f"significant, and less than {LEAST_LEFT:.0%} of the concept is left beyond other concepts, or what is "
            f"left has a reliability of less than {LEAST_LEFT:g}"
        ),
        when=lambda scores: scores[0].under_test and bool(_unassessed(scores)),
        sentence=lambda scores: phrases.concepts_not_assessed(scores[0].encoder, _unassessed(scores)),
        adjusted_over=CONCEPTS,
    ),
    Rule[ConceptDifference](
        kind="concept_difference",
        title="Difference in a concept",
        about=Each(ConceptDifference),
        condition="two encoders under test differ significantly in a concept that the better one encodes",
        when=lambda found: found.is_significant and found.better_encodes_it,
        sentence=phrases.concept_difference,
        adjusted_over=BETWEEN_ENCODERS,
        effect=the_estimate,
        against="other",
    ),
    Rule[Sequence[ExplainedVariance]](
        kind="component",
        title="Largest component",
        about=Together(ExplainedVariance, ("encoder",)),
        condition=(
            f"the first principal component holds at least {LARGE:.0%} of the variance of an encoder under test, and "
            f"one block explains at least {FOLLOWED:.0%} of it: that which explains most, and those within "
            f"{NOT_TOLD_APART:.0%} of it"
        ),
        when=lambda blocks: blocks[0].under_test and bool(what_is_followed(blocks)),
        sentence=lambda blocks: phrases.component(what_is_followed(blocks)),
        effect=lambda blocks: Estimate(what_is_followed(blocks)[0].of_first_component),
    ),
    Rule[LayerChoice](
        kind="layer",
        title="Choice of layer",
        about=Each(LayerChoice),
        condition="always, where layers were compared: on units that they were not chosen by",
        when=lambda _: True,
        sentence=phrases.layer,
        effect=lambda found: found.gain,
    ),
)
"""What calls scores into question comes first."""


def judge(evidence: Evidence) -> list[Verdict]:
    """Return all verdicts on the evidence, in the order of the rules."""
    verdicts: list[Verdict] = []
    for rule in RULES:
        verdicts += rule.verdicts(evidence)
    return verdicts


def rules_table() -> str:
    """Return the rules as a Markdown table."""
    lines = ["| verdict | code | is said when | p value adjusted over |", "|---|---|---|---|"]
    for rule in RULES:
        lines.append(f"| {rule.title} | `{rule.kind}` | {rule.condition} | {rule.adjusted_over} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(rules_table())
