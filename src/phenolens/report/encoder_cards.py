"""The card of each encoder under test: the line that sums it up, and its answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phenolens.core.numbers import listed
from phenolens.diagnosis.evidence import Evidence
from phenolens.diagnosis.records import BiologyBesideNuisance, EmbeddingShape, WithoutShortcut
from phenolens.diagnosis.rules import MOST
from phenolens.report import answers
from phenolens.report.answers import Against, Answer, Tone
from phenolens.report.headlines import Headline, of_questions
from phenolens.report.results import Results
from phenolens.report.text import capital


@dataclass(frozen=True)
class EncoderCard:
    """What is said of one encoder under test.

    Attributes
    ----------
    encoder, full
        Its short and its full name.
    verdict
        The whole in one line.
    tone
        How the verdict is drawn.
    answers
        To the four questions on it.
    """

    encoder: str
    full: str
    verdict: str
    tone: Tone
    answers: tuple[Answer, ...]


def encoder_cards(results: Results, shown: Sequence[Headline], full: Mapping[str, str]) -> list[EncoderCard]:
    """Return one card for each encoder under test, in the order of the recipe.

    Parameters
    ----------
    results
        What a study found.
    shown
        The questions, each under one post-processing.
    full
        The full names of those that have a short one.
    """
    return [_card(encoder, results, shown, full.get(encoder, encoder)) for encoder in results.tested]


def _card(encoder: str, results: Results, shown: Sequence[Headline], full: str) -> EncoderCard:
    evidence = results.evidence
    against = answers.comparisons(encoder, evidence, shown)
    shortcuts = answers.shortcuts(encoder, evidence, shown)
    biology = [each for each in evidence.of(BiologyBesideNuisance) if each.encoder == encoder]
    mostly = [name for name, (most, sure) in shortcuts.items() if sure and 1 - most.estimate.value >= MOST]
    given = (
        answers.beats(encoder, against),
        answers.relies(encoder, shortcuts, results),
        answers.encodes(encoder, results),
        answers.biology(encoder, biology, results, by_position="position" in mostly),
    )
    verdict, tone = _verdict(encoder, evidence, against, shortcuts, mostly, given[-1])
    return EncoderCard(encoder, full, verdict, tone, given)


def _verdict(
    encoder: str,
    evidence: Evidence,
    against: Sequence[Against],
    shortcuts: Mapping[str, tuple[WithoutShortcut, bool]],
    mostly: Sequence[str],
    biology: Answer,
) -> tuple[str, Tone]:
    """Return the whole in one line."""
    for shape in evidence.of(EmbeddingShape):
        if shape.encoder == encoder and shape.finding:
            return f"Cannot be scored: {shape.finding}.", "bad"
    if not against:
        return "No baseline beside it, so nothing can be claimed.", "unknown"
    batch = "; its neighbours share the batch" if biology.word == "Batch" else ""
    if not any(each.best.encoder_above_chance for each in against):
        return f"No sign of biology: not above chance in {of_questions(len(against), len(against))}{batch}.", "bad"
    if not any(each.beats for each in against):
        return _no_better(against, mostly, batch)
    wins = sum(each.beats for each in against)
    better = f"better than every simple method in {of_questions(wins, len(against))}"
    if mostly:
        return f"{capital(better)}, but most of a score goes with {listed(mostly)}{batch}.", "mixed"
    partly = [name for name, (_, sure) in shortcuts.items() if sure]
    part = f"; part of a score goes with {listed(partly)}" if partly else ""
    tone: Tone = "good" if wins == len(against) and not batch else "mixed"
    return f"Sees what simple methods miss: {better}{part}{batch}.", tone


def _no_better(against: Sequence[Against], mostly: Sequence[str], batch: str) -> tuple[str, Tone]:
    """Return the line of an encoder that is above chance and beats no best baseline."""
    losses = sum(each.falls_short for each in against)
    nothing = "no better than simple methods"
    if losses:
        nothing = f"simple methods do better in {of_questions(losses, len(against))}"
    if mostly:
        return f"Mostly {listed(mostly)}: {nothing}{batch}.", "bad"
    if not losses and not any(each.headline.range.is_able for each in against):
        return f"These data cannot tell whether it is better than simple methods{batch}.", "unknown"
    return f"{capital(nothing)}{batch}.", "bad"
