"""Paired differences of encoders to baselines and to each other, in every question."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from phenolens.diagnosis.evidence import Found
from phenolens.diagnosis.parts.differences.probes import LeftOutByEncoder, probes_without_controls
from phenolens.diagnosis.parts.differences.profilings import compare_profilings
from phenolens.diagnosis.records import (
    BaselineDifference,
    BestBaseline,
    EncoderDifference,
    NoBaseline,
    Record,
    Reference,
)
from phenolens.evaluation import Evaluation, Question


def compare_encoders(evaluation: Evaluation) -> Found:
    """Compare every encoder with every baseline, each pair of baselines once, and encoders under test with each other.

    An encoder's value for a unit is the mean over its seeds, so that no single draw of an untrained network stands for
    all of them. Differences have 95 % cluster-bootstrap intervals over the units that both encoders have, widened by
    what other plates and controls would change; those of encoders under test have the p value that the two are alike
    (`sign_flip_p`).

    Returns
    -------
    `BaselineDifference`, `EncoderDifference`, `ProfilingDifference`, `NoBaseline` and `BestBaseline` records.
    """
    of_probes = probes_without_controls(evaluation)
    to_baselines: list[BaselineDifference] = []
    between_tested: list[EncoderDifference] = []
    on_baselines: list[Record] = []
    for question in evaluation.questions.values():
        left_out = of_probes.get(question.key, question.left_out)
        differences = list(_to_baselines(question, left_out))
        to_baselines += differences
        if question.supports_claims:
            between_tested += _between_tested(question, left_out)
            on_baselines += _on_baselines(question, differences)
    by_profiling = compare_profilings(evaluation, of_probes)
    return Found((*to_baselines, *between_tested, *by_profiling, *on_baselines))


def _to_baselines(question: Question, left_out: LeftOutByEncoder) -> Iterator[BaselineDifference]:
    """Yield the differences to baselines; of two baselines, the lower score minus the higher."""
    place = {mean.encoder: number for number, mean in enumerate(question.means)}
    for baseline in question.by_encoder:
        if not question.one_seed[baseline].info.is_baseline:
            continue
        for encoder in question.by_encoder:
            both_are_baselines = question.one_seed[encoder].info.is_baseline
            if encoder == baseline or (both_are_baselines and place[encoder] < place[baseline]):
                continue
            yield _to_baseline(question, encoder, baseline, left_out)


def _to_baseline(question: Question, encoder: str, baseline: str, left_out: LeftOutByEncoder) -> BaselineDifference:
    one, other = question.one_seed[encoder].info, question.one_seed[baseline].info
    found = question.difference(encoder, baseline, left_out=left_out, with_p=one.is_tested)
    reference = _reference(question, baseline) if one.is_tested else ""
    mean = np.mean([each.score.value for each in question.by_encoder[encoder]])
    of_seeds = [each.score.value for each in question.by_encoder[baseline]]
    difference = BaselineDifference(
        found.estimate,
        *question.key,
        encoder=encoder,
        baseline=baseline,
        encoder_is_baseline=one.is_baseline,
        untrained=other.role == "untrained",
        reference=reference,
        minimum_detectable=found.detectable,
        seeds_low=float(mean - max(of_seeds)),
        seeds_high=float(mean - min(of_seeds)),
        encoder_above_chance=question.is_above_chance(encoder),
        baseline_above_chance=question.is_above_chance(baseline),
    )
    # Beside the best untrained network stands the encoder's own counterpart, where that is another.
    counterpart = one.counterpart
    if reference and baseline == question.references[-1] != counterpart and counterpart in question.by_encoder:
        beside = question.difference(encoder, counterpart, left_out=left_out, with_p=False)
        difference = replace(difference, over_counterpart=beside.estimate)
    return difference


def _reference(question: Question, baseline: str) -> Reference:
    """Return as what encoders under test are held against a baseline; empty if they are not."""
    if not question.supports_claims or baseline not in question.references:
        return ""
    return "best baseline" if baseline == question.references[0] else "best untrained network"


def _between_tested(question: Question, left_out: LeftOutByEncoder) -> Iterator[EncoderDifference]:
    """Yield the differences of encoders under test, each pair once."""
    tested = [name for name, scored in question.one_seed.items() if scored.info.is_tested]
    for one, other in combinations(tested, 2):
        found = question.difference(one, other, left_out=left_out, with_p=True)
        better = one if found.estimate.value > 0 else other
        yield EncoderDifference(
            found.estimate,
            *question.key,
            encoder=one,
            other=other,
            minimum_detectable=found.detectable,
            better_is_above_chance=question.is_above_chance(better),
        )


def _on_baselines(question: Question, differences: Sequence[BaselineDifference]) -> list[Record]:
    """Say that there is no baseline or, with no encoder under test, which one is best."""
    if not question.baselines:
        return [NoBaseline(*question.key, tuple(each.encoder for each in question.tested))]
    if question.tested:
        return []
    best = question.baselines[0]
    # An interval that is not known tells no two apart.
    tied = {each.encoder for each in differences if each.baseline == best.encoder and not each.estimate.high < 0}
    ties = tuple(each.encoder for each in question.baselines if each.encoder in tied)
    found = BestBaseline(
        *question.key,
        encoder=best.encoder,
        value=best.value,
        chance=best.chance,
        ties=ties,
        n_baselines=len(question.baselines),
    )
    return [found]
