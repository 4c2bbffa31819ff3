"""Every sentence of a diagnosis: records in words."""

import math
from collections.abc import Sequence

from phenolens.core.numbers import count, difference_within, listed, number, p_words, percent, share_within, within
from phenolens.core.precision import exceeds
from phenolens.diagnosis.records import (
    DILUTION_STEP,
    LEAST_HEADROOM,
    LEAST_LEFT,
    Activity,
    AfterIntervention,
    BaselineDifference,
    BestBaseline,
    BiologyBesideNuisance,
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
    SplitLeak,
    StratumGain,
    WithoutShortcut,
)
from phenolens.evaluation import ALPHA, Estimate

_ROUNDING = 1e-9


def collapse(shape: EmbeddingShape) -> str:
    """Say why vectors cannot be scored."""
    return f"the vectors of {shape.encoder} cannot be scored: {shape.finding}."


def limits_of_metric(found: MetricRange) -> str:
    """Say what a metric cannot tell on these data, and why."""
    match found.grade:
        case "too few units":
            return f"too few units to say what the metric can distinguish: {_why_too_few(found)}."
        case "cannot tell":
            return f"the metric cannot distinguish encoders on these data: {_why_not_able(found)}."
        case "tells only gross differences":
            little_room = f"; {_headroom(found)}" if found.headroom < LEAST_HEADROOM else ""
            return f"the metric distinguishes only gross differences: {_finest_loss(found)}{little_room}."
        case _:
            return f"the metric leaves little room for improvement: {_headroom(found)}."


def _why_too_few(found: MetricRange) -> str:
    units = count(found.n_units, found.unit)
    if found.n_clusters < found.n_units:
        units += f" in {count(found.n_clusters, 'independent group')}"
    needed = f"{found.clusters_needed:.0f}{' such groups' if found.n_clusters < found.n_units else ''} are needed"
    smallest = 2.0 ** (1 - found.n_clusters)  # of all ways to exchange two encoders, in each of them or not
    if smallest > ALPHA:
        return f"with {units}, no p value can be below {p_words(smallest)}; at least {needed}"
    if found.least_p > ALPHA:
        return f"with {units}, even a difference that is equal in all has p {p_words(found.least_p)}; at least {needed}"
    best = f"with {units}, {found.best_encoder} at {number(found.best_value, 2)} is above chance"
    best += f" ({number(found.chance, 2)}), yet not distinguishable from a copy of itself that has lost all information"
    return f"{best}; if others are like these, about {needed}"


def _why_not_able(found: MetricRange) -> str:
    best = found.best_encoder
    if math.isnan(found.best_low):
        return "there is only one unit, so chance has no interval"
    if not exceeds(found.best_low, found.chance):
        scores = f"{number(found.best_value, 2)}, chance {number(found.chance, 2)}"
        return f"the best encoder, {best}, is not distinguishable from chance ({scores})"
    if math.isnan(found.sensitivity):
        return f"no degraded copies of {best} could be scored"
    return f"{best} is not distinguishable from a copy of itself that has lost all information"


def _finest_loss(found: MetricRange) -> str:
    noticed = f"a copy of {found.best_encoder} that lost {percent(found.finest)} of its variance scores lower"
    if found.finest <= DILUTION_STEP:
        return noticed
    return f"{noticed}, one that lost {percent(found.finest - DILUTION_STEP)} does not"


def _headroom(found: MetricRange) -> str:
    of = "the range of the metric" if found.ceiling_is == "maximum" else "what is known to be reachable"
    baseline = f"the best baseline, {found.best_baseline} at {number(found.best_baseline_value, 2)},"
    return f"{baseline} leaves {percent(found.headroom)} of {of}"


def split_leak(leak: SplitLeak) -> str:
    """Say how much better the best encoder looks on a leaking split than on groups it has not seen."""
    opening = f"the random split leaks: {leak.leak}"
    scores = f"{leak.encoder} scores {number(leak.value, 2)}"
    if math.isnan(leak.unseen_value):
        return f"{opening}; {scores} on it, which says nothing about new groups. Split by group."
    holds_zero = "" if leak.estimate.low > 0 else ", an interval that includes zero"
    compared = f"{scores} on it and {number(leak.unseen_value, 2)} on unseen groups"
    return f"{opening}. {compared}: {_difference(leak.estimate)}{holds_zero}."


def baseline_difference(found: BaselineDifference) -> str:
    """Hold an encoder against the best baseline, or the best untrained network."""
    reference = f"the {found.reference}, {found.baseline}"
    if math.isnan(found.estimate.value):
        return f"{found.encoder} cannot be compared with {reference}: {_units_shared(found.estimate)}."
    if _is_identical(found.estimate):
        return f"{found.encoder} scores exactly as {reference}, on {_all_units(found.estimate)}."
    significant = found.estimate.p_adjusted <= ALPHA
    details = [f"{found.encoder} {_relation(found, 'falls short of')} {reference}: {_difference(found.estimate)}"]
    if found.seeds_low < found.seeds_high:
        over_seeds = (number(found.seeds_low, 2, signed=True), number(found.seeds_high, 2, signed=True))
        details[0] += f" ({over_seeds[0]} to {over_seeds[1]} over its seeds)"
    if found.share_of_range > 0:
        details[0] += f", {percent(found.share_of_range)} of the range from chance to the ceiling"
    details.append(_adjusted_p(found))
    neither_above_chance = significant and not found.better_is_above_chance
    if neither_above_chance:
        details.append("neither is distinguishable from chance")
    if not math.isnan(found.over_counterpart.value):
        details.append(f"over its untrained counterpart {_difference(found.over_counterpart)}")
    if not neither_above_chance and not found.encoder_above_chance:
        details.append(f"{found.encoder} is not distinguishable from chance")
    return "; ".join(details) + "."


def encoder_difference(found: EncoderDifference) -> str:
    """Say how two encoders under test differ in one question."""
    if math.isnan(found.estimate.value):
        return f"{found.encoder} cannot be compared with {found.other}: {_units_shared(found.estimate)}."
    if _is_identical(found.estimate):
        return f"{found.encoder} scores exactly as {found.other}, on {_all_units(found.estimate)}."
    details = [f"{found.encoder} {_relation(found, 'loses to')} {found.other}: {_difference(found.estimate)}"]
    details.append(_adjusted_p(found))
    if found.is_significant and not found.better_is_above_chance:
        details.append("neither is distinguishable from chance")
    if found.minimum_detectable > _ROUNDING:
        details.append(f"minimum detectable difference {found.minimum_detectable:.2g} (80% power)")
    return "; ".join(details) + "."


def against_best(found: BaselineDifference) -> str:
    """Return what an encoder is to the best baseline."""
    return "cannot be compared with" if math.isnan(found.estimate.value) else _relation(found, "falls short of")


def _is_identical(estimate: Estimate) -> bool:
    """Return whether two encoders differ on no unit by more than rounding, so that no drawing of units shows any."""
    return max(abs(estimate.value), abs(estimate.low), abs(estimate.high)) <= _ROUNDING


def _all_units(estimate: Estimate) -> str:
    return "each unit" if estimate.n_units < 2 else f"each of {count(estimate.n_units, 'unit')}"


def _adjusted_p(found: BaselineDifference | EncoderDifference) -> str:
    """Return the adjusted p value, and the p value before where it may seem that the interval says otherwise."""
    adjusted = f"adjusted p {p_words(found.estimate.p_adjusted)}"
    if found.is_significant or not found.excludes_null:
        return adjusted
    return f"{adjusted} (before adjustment {p_words(found.estimate.p)}; the interval is not adjusted)"


def _relation(found: BaselineDifference | EncoderDifference, less: str) -> str:
    if not found.is_significant:
        return "is not significantly different from"
    if not found.better_is_above_chance:
        return "cannot be ranked against"
    return "beats" if found.estimate.value > 0 else less


def no_baseline(found: NoBaseline) -> str:
    """Say that scores without baselines are no finding."""
    names = ", ".join(found.encoders)
    return f"no baseline was scored beside {names}; a score without its baselines is no finding."


def best_baseline(found: BestBaseline) -> str:
    """Name the best baseline, and those that do not differ from it significantly."""
    best = f"the best baseline is {found.encoder} at {number(found.value, 2)} (chance {number(found.chance, 2)})"
    if found.ties:
        return f"{best}; not distinguishable from it: {', '.join(found.ties)}."
    return f"{best}; its difference to every other excludes zero." if found.n_baselines > 1 else f"{best}."


def activity(found: Activity) -> str:
    """Count the active perturbations."""
    if not found.can_be_any:
        why = f"with so few control wells the smallest possible adjusted p value is {found.least_p:.2g}"
        return f"none of {count(found.n_units, 'perturbation')} can be called active by any encoder: {why}."
    active = f"{found.encoder} finds {found.n_active} of {count(found.n_units, 'perturbation')} active"
    beside = f"; the best baseline, {found.best_baseline}, {found.n_active_of_best}" if found.best_baseline else ""
    few = ""
    if found.fewest > 1 and found.n_active < found.fewest:
        why = "the labels of so few wells can be exchanged in too few ways"
        few = f"; fewer than {found.fewest} active ones cannot be found, as {why}"
    return f"{active} (false discovery rate {percent(ALPHA)}){beside}{few}."


def nuisance_readout(found: NuisanceReadout) -> str:
    """Say whether a nuisance can be read off the vectors of an encoder."""
    score = f"{found.metric} {within(found.estimate.value, found.estimate.low, found.estimate.high)}"
    chance = number(found.chance, 2)
    if not found.is_refitted:
        readable = "can be predicted" if found.is_readable else "cannot be predicted better than by chance"
        return f"{found.nuisance} {readable} from {found.encoder}: {score}, chance {chance}."
    more = "can be predicted" if found.is_readable else "cannot be shown to be predicted"
    imprinted = f"where it is permuted before post-processing, {chance}; p {p_words(found.estimate.p)}"
    beyond = f"{found.nuisance} {more} from {found.encoder} better than post-processing itself imprints it"
    return f"{beyond}: {score}; {imprinted}."


def robustness(found: BiologyBesideNuisance) -> str:
    """Say whether neighbours share biology rather than the nuisance."""
    share = share_within(found.robustness.value, found.robustness.low, found.robustness.high)
    return (
        f"of the neighbours that share either the {found.biology} or the {found.nuisance}, but not both, {share} share "
        f"the {found.biology} by {found.encoder}; of random ones, {percent(found.robustness_chance)} would."
    )


def strong_phenotypes_only(strong: StratumGain, weak: StratumGain) -> str:
    """Say that a gain is found on strong phenotypes alone."""
    return (
        f"{strong.encoder} gains over {strong.baseline} on the strongest third of the phenotypes, "
        f"{_difference(strong.gain)}, but not significantly on the weakest, {_difference(weak.gain)}."
    )


def shortcut(explaining: Sequence[WithoutShortcut], others: Sequence[WithoutShortcut]) -> str:
    """Say how much of one score a shortcut explains, by the adjustments that show it and by the others.

    Two adjustments disagree if no share is in the intervals of both; why they may is then said as well.
    """
    first = explaining[0]
    shown = " and ".join(map(_explained, explaining))
    of_score = f"of what {first.encoder} scores above chance"
    p = p_words(first.estimate.p_adjusted)
    disagreeing = [each for each in others if each.estimate.low > first.estimate.high]
    if not disagreeing:
        besides = "".join(f", and {_explained(each)}" for each in others)
        return f"{first.shortcut} explains {shown} {of_score}{besides}; adjusted p {p}."
    agreeing = "".join(f", and {_explained(each)}" for each in others if each not in disagreeing)
    instead = " and ".join(map(_explained, disagreeing))
    why = "; ".join(dict.fromkeys(_why_less(first, each) for each in disagreeing))
    return (
        f"how much {first.shortcut} explains {of_score} depends on how it is taken away: "
        f"{shown}{agreeing}, but {instead}; adjusted p {p}. {why}."
    )


def _why_less(more: WithoutShortcut, less: WithoutShortcut) -> str:
    """Say why one adjustment may take more of a score than another."""
    if more.way == "regressed out":
        if more.fit == "all":
            return f"A regression on all rows also takes away biology that goes with {more.shortcut}"
        return f"A regression also takes away what lies along the direction in which vectors follow {more.shortcut}"
    if less.way == "regressed out":
        return f"A regression leaves what follows {more.shortcut} by a curve, and what others share with it"
    if more.way == "matched":
        return f"Leaving neighbours out changes who is compared, and leaves {more.shortcut} in the vectors"
    return f"Neighbours that share the {more.shortcut} share more than what is matched"


def _explained(found: WithoutShortcut) -> str:
    """Return what one adjustment takes of a score, with the scores before and after."""
    share = share_within(1 - found.estimate.value, 1 - found.estimate.high, 1 - found.estimate.low)
    fit = ", with everything that correlates with it" if found.fit == "all" else ""
    candidates = " among as many candidates" if found.retrieval and found.way != "regressed out" else ""
    scores = f"{number(found.before, 2)}{candidates} becomes {number(found.after, 2)}"
    return f"{share} when {found.way}{fit} ({scores})"


def ablation(encoder: str, falling: Sequence[AfterIntervention], kept: Sequence[AfterIntervention]) -> str:
    """Say after which changes of the pixels a score falls, and after which it is kept."""
    said = []
    for verb, records in (("falls after", falling), ("is kept after", kept)):
        if records:
            said.append(f"{verb} {', '.join(map(_left_after, records))}")
    changes = "; ".join(said) or "neither falls nor is certainly kept after any intervention"
    return f"the score of {encoder} {changes}."


def _left_after(found: AfterIntervention) -> str:
    left = share_within(found.estimate.value, found.estimate.low, found.estimate.high)
    return f"{found.intervention} ({left} left)"


def concept(found: ConceptScore) -> str:
    """Name a concept that an encoder encodes, by the factor that it reads best."""
    others = "all other concepts" if found.all_measured else ", ".join(found.beyond)
    beyond = f"beyond {others}" if found.is_truth else f"beyond what was measured of {others}"
    beyond = beyond if found.beyond else "with no other concept measured"
    encoded = f"{found.encoder} encodes {found.concept}, {beyond}: best factor {found.best_factor}, r "
    details = [f"{encoded}{number(found.best_r, 2)}"]
    if not math.isnan(found.gain.value):
        better = "better than" if found.gain.low > 0 else "not significantly better than"
        details.append(f"{better} its untrained counterpart, {_difference(found.gain)} on average")
    details.append(f"adjusted p {p_words(found.estimate.p_adjusted)}")
    return "; ".join(details) + "."


def concepts_not_detected(encoder: str, weak: Sequence[ConceptScore], absent: Sequence[ConceptScore]) -> str:
    """Name the concepts that an encoder encodes weakly or not detectably."""
    said = []
    if weak:
        said.append("weakly encodes " + ", ".join(f"{each.concept} (r {number(each.best_r, 2)})" for each in weak))
    if absent:
        names = ", ".join(each.concept for each in absent)
        said.append(f"holds no detectable information about {names} beyond {_taken_away(absent)}")
    shared = [each for each in absent if not math.isnan(each.of_first_component)]
    follows = ", ".join(f"{each.concept} ({percent(each.of_first_component)})" for each in shared)
    not_alone = f"; its first component follows {follows}, but not beyond these" if shared else ""
    return f"{encoder} {'; it '.join(said)}{not_alone}."


def concepts_not_assessed(encoder: str, scores: Sequence[ConceptScore]) -> str:
    """Name the concepts that cannot be told from others, or of which too little is left to be missing."""
    reasons = "; ".join(f"{each.concept}: {_why_not_assessed(each)}" for each in scores)
    return f"whether {encoder} encodes these concepts could not be assessed: {reasons}."


def _why_not_assessed(score: ConceptScore) -> str:
    if score.better_read:
        better = listed(score.better_read)
        sure = f"and {number(score.r_beyond_better, 2)} beyond what is read of these"
        if math.isnan(score.r_beyond_better):
            sure = "and too few wells are left to read it beyond these"
        return f"what is read of it may be what is read better, {better} (r {number(score.best_r, 2)}, {sure})"
    if score.left < LEAST_LEFT:
        return f"other concepts explain all but {percent(score.left)} of it in wells that are treated alike"
    error = "what is left of it beyond other concepts is mostly measurement error"
    return f"{error} (reliability {number(score.reliability, 2)})"


def _taken_away(absent: Sequence[ConceptScore]) -> str:
    """Name what was known when concepts were asked for."""
    if any(each.beyond for each in absent):
        return "batches, treatments and other concepts"
    return "batches and treatments"


def concept_difference(found: ConceptDifference) -> str:
    """Say which of two encoders encodes a concept better."""
    effect = found.estimate
    worse = found.other if found.better == found.encoder else found.encoder
    if effect.value < 0:
        effect = Estimate(-effect.value, -effect.high, -effect.low, effect.n_units, effect.p, effect.p_adjusted)
    better = f"{found.better} encodes {found.concept} better than {worse}: {_difference(effect)} on average"
    return f"{better}; adjusted p {p_words(effect.p_adjusted)}."


def component(following: Sequence[ExplainedVariance]) -> str:
    """Say what the largest component of the vectors follows, or between what this cannot be told."""
    most, *others = following
    component = f"the first principal component of {most.encoder} ({percent(most.first_component)} of its variance)"
    if not others:
        return f"{component} follows {most.block}, which explains {percent(most.of_first_component)} of it."
    shares = listed([f"{each.block} ({percent(each.of_first_component)} of it)" for each in following])
    return f"{component} follows one of these, which cannot be told apart here: {shares}."


def dominance(shape: EmbeddingShape) -> str:
    """Say what dominates cosines of raw vectors, and which post-processing takes it away."""
    match shape.dominated_by:
        case "feature":
            share = percent(math.floor(100 * shape.feature_share) / 100)
            length = f"the squared length of the vectors of {shape.encoder}"
            what = f"feature '{shape.largest_feature}' holds at least {share} of {length}"
            shown = "show little else; post-processing that scales features, such as TVN, shows the others"
        case "common part":
            differ = f"differ by only {shape.relative_sd:.1g} of their length"
            what = f"the vectors of {shape.encoder} share a large common part and {differ}"
            shown = (
                "compare distances, not the directions in which vectors differ; post-processing that centres vectors, "
                "such as TVN, compares directions"
            )
        case _:
            share = percent(shape.top_share)
            what = f"one principal component holds {share} of the variance of the vectors of {shape.encoder}"
            shown = "mostly compare it; TVN scales down what varies as much among negative controls"
    return f"{what}: cosines of raw vectors {shown}."


def profiling_changes_answer(
    found: ProfilingDifference, raw: BaselineDifference | None, after: BaselineDifference | None
) -> str:
    """Say what post-processing changes of a score, and of what is said against the best baseline."""
    raw_score = f"{found.encoder} scores {number(found.raw_value, 2)} with raw vectors"
    scores = f"{raw_score} and {number(found.value, 2)} after {found.profiling}: {_difference(found.estimate)}"
    significant = "" if found.is_significant else "not significant, "
    details = [f"{scores}, {significant}adjusted p {p_words(found.estimate.p_adjusted)}"]
    if raw is not None and after is not None:
        verdicts = (against_best(raw), against_best(after))
        if verdicts[0] == verdicts[1]:
            details.append(f"either way it {verdicts[0]} the best baseline")
        else:
            before = f"raw, it {verdicts[0]} the best baseline, {raw.baseline}"
            details.append(f"{before}; after {found.profiling}, it {verdicts[1]} the best one, {after.baseline}")
    return "; ".join(details) + "."


def layer(found: LayerChoice) -> str:
    """Say whether a layer or pooling is better than what the network gives as it comes."""
    chosen = f"chosen in {percent(found.share)} of random halves of the units"
    if found.chosen == found.encoder:
        return f"no other layer or pooling is better than {found.encoder} as it comes, which was {chosen}."
    better = "better than" if found.gain.low > 0 else "not significantly better than"
    return (
        f"{found.chosen}, {chosen}, is {better} {found.encoder} "
        f"as it comes on the other halves: {_difference(found.gain)}; chosen and reported on the same units, it would "
        f"look {number(found.optimism, 3, signed=True)} better than it is."
    )


def _difference(estimate: Estimate) -> str:
    return difference_within(estimate.value, estimate.low, estimate.high)


def _units_shared(estimate: Estimate) -> str:
    if estimate.n_units > 1:
        return f"none of the {estimate.n_units} units that they share is independent of the others"
    return "they share only one unit" if estimate.n_units == 1 else "they share no unit"
