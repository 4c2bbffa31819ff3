"""What is found of an encoder: to each question a word, a picture and a sentence.

Nothing is computed here: records are chosen, counted and put into words.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from phenolens.core.numbers import listed, number, percent, share_within
from phenolens.diagnosis.evidence import Evidence
from phenolens.diagnosis.phrases import against_best
from phenolens.diagnosis.records import (
    BaselineDifference,
    BiologyBesideNuisance,
    ConceptScore,
    NuisanceReadout,
    WithoutShortcut,
)
from phenolens.diagnosis.rules import MOST
from phenolens.report.headlines import Headline, of_questions
from phenolens.report.pictures import Line, Picture, Reference, place
from phenolens.report.results import Results
from phenolens.report.scores import Scored
from phenolens.report.shortcuts import shortcut_line, strongest
from phenolens.report.tables import SECTIONS
from phenolens.report.text import capital, task_phrase

_MOST_NAMED = 3

Tone = Literal["good", "mixed", "bad", "unknown", "plain"]
"""How a word is drawn: as good news, bad news, or neither."""


@dataclass(frozen=True)
class Answer:
    """The answer to one question: a word, a sentence and a picture; without a picture where nothing was found."""

    section: str
    word: str
    tone: Tone
    sentence: str
    picture: Picture | None = None
    title: str = ""

    @property
    def question(self) -> str:
        """The question in words."""
        return self.title or SECTIONS[self.section]


@dataclass(frozen=True)
class Against:
    """How one encoder compares with the best baseline, and with the best untrained network, in one question."""

    headline: Headline
    best: BaselineDifference
    untrained: BaselineDifference | None

    @property
    def beats(self) -> bool:
        """Whether it is significantly better than the best baseline."""
        return against_best(self.best) == "beats"

    @property
    def falls_short(self) -> bool:
        """Whether it is significantly worse than the best baseline."""
        return against_best(self.best) == "falls short of"

    @property
    def beats_untrained(self) -> bool:
        """Whether it is significantly better than the best untrained network."""
        return self.untrained is not None and against_best(self.untrained) == "beats"


def comparisons(encoder: str, evidence: Evidence, shown: Sequence[Headline]) -> list[Against]:
    """Return how an encoder compares in each of the questions in which a baseline was scored."""
    of_encoder = [each for each in evidence.of(BaselineDifference) if each.encoder == encoder and each.reference]
    found = []
    for headline in shown:
        here = [each for each in of_encoder if (each.task, each.profiling) == (headline.task, headline.profiling)]
        best = next((each for each in here if each.reference == "best baseline"), None)
        untrained = next((each for each in here if each.reference == "best untrained network"), None)
        if best is not None:
            found.append(Against(headline, best, best if best.untrained else untrained))
    return found


def beats(encoder: str, against: Sequence[Against]) -> Answer:
    """Answer whether it beats simple things."""
    if not against:
        return Answer("beats", "Not tested", "unknown", "No baseline was scored in the same question.")
    n, wins = len(against), sum(each.beats for each in against)
    losses = sum(each.falls_short for each in against)
    over_untrained = [each for each in against if each.untrained is not None]
    said = [f"beats the best baseline in {of_questions(wins, n)}" if wins else _no_win(n)]
    if losses:
        said.append(f"falls short of it in {losses}")
    if over_untrained:
        won = sum(each.beats_untrained for each in over_untrained)
        said.append(f"beats the best untrained network in {won}" if won else "no untrained network is beaten")
    word, tone = _word_for(wins, losses, n, against)
    return Answer("beats", word, tone, capital("; ".join(said)) + ".", _beats_picture(encoder, against))


def _no_win(n: int) -> str:
    return "does not beat the best baseline" + (f" in any of {n} questions" if n > 1 else "")


def _word_for(wins: int, losses: int, n: int, against: Sequence[Against]) -> tuple[str, Tone]:
    if wins == n:
        return "Yes", "good"
    if wins:
        return f"In {wins} of {n}", "mixed"
    if losses or any(each.headline.range.is_able for each in against):
        return "No", "bad"
    return "Cannot tell", "unknown"


def _beats_picture(encoder: str, against: Sequence[Against]) -> Picture:
    lines = []
    for each in against:
        score = each.headline.scored(encoder)
        if score is None:
            continue
        lines.append(_score_line(each, score))
    legend = (Reference("baseline", "best baseline"), Reference("untrained", "best untrained network"))
    return Picture(tuple(lines), "chance", "ceiling", legend)


def _score_line(found: Against, score: Scored) -> Line:
    headline, mark = found.headline, score.mark
    held = {"untrained": found.untrained}
    if not found.best.untrained:
        held["baseline"] = found.best
    references = []
    for kind, difference in held.items():
        of_reference = None if difference is None else headline.scored(difference.baseline)
        if of_reference is not None:
            at = place(headline.at(of_reference.mark.value))
            references.append(Reference(kind, of_reference.row.encoder, at))
    value = headline.at(mark.value)
    relation = against_best(found.best)
    title = (
        f"{task_phrase(headline.task)}, {headline.profiling}: {number(mark.value, 2)} {relation} the best baseline, "
        f"{found.best.baseline}"
    )
    return Line(
        label=capital(task_phrase(headline.task)),
        value={"beats": "beats", "falls short of": "below"}.get(relation, "unsure"),
        at=place(value),
        low=place(headline.at(mark.low)),
        high=place(headline.at(mark.high)),
        sure=found.beats,
        references=tuple(references),
        title=title,
    )


def shortcuts(encoder: str, evidence: Evidence, shown: Sequence[Headline]) -> dict[str, tuple[WithoutShortcut, bool]]:
    """Return the strongest adjustment for each shortcut in the questions that are shown, or else in any."""
    asked = {(each.task, each.profiling) for each in shown}
    of_encoder = [each for each in evidence.of(WithoutShortcut) if each.encoder == encoder and each.is_known]
    return strongest([each for each in of_encoder if (each.task, each.profiling) in asked] or of_encoder)


def relies(encoder: str, shortcuts: Mapping[str, tuple[WithoutShortcut, bool]], results: Results) -> Answer:
    """Answer which shortcuts its scores go with."""
    if not shortcuts:
        known = [each for each in results.evidence.of(WithoutShortcut) if each.encoder == encoder]
        why = "No score is surely above chance, so there is none to explain." if known else _why(results, "shortcuts")
        return Answer("relies", "Nothing to explain" if known else "Not tested", "unknown", why)
    surely = [most for most, sure in shortcuts.values() if sure]
    surely.sort(key=lambda each: each.estimate.value)
    lines = tuple(shortcut_line(name, most, sure) for name, (most, sure) in shortcuts.items())
    picture = Picture(lines, "0% of its score", "all of it")
    if not surely:
        names = listed(list(shortcuts), limit=4)
        none = f"None of {names} is" if len(shortcuts) > 1 else f"{capital(names)} is not"
        sentence = f"{none} shown to explain a tenth of its score."
        return Answer("relies", "None of these", "good", sentence, picture)
    most = surely[0]
    explained = 1 - most.estimate.value
    sentence = (
        f"Up to {percent(min(1.0, explained))} of what it scores above chance goes with {most.shortcut} "
        f"({task_phrase(most.task)})."
    )
    return Answer(
        "relies",
        capital(listed([each.shortcut for each in surely], limit=3)),
        "bad" if explained >= MOST else "mixed",
        sentence,
        picture,
    )


def encodes(encoder: str, results: Results) -> Answer:
    """Answer which concepts can be read off its vectors."""
    scores = [each for each in results.evidence.of(ConceptScore) if each.encoder == encoder]
    if not scores:
        return Answer("encodes", "Not tested", "unknown", _why(results, "concepts"))
    by_encoding: dict[str, list[ConceptScore]] = {}
    for each in scores:
        by_encoding.setdefault(each.encoding, []).append(each)
    encoded = sorted(by_encoding.get("encoded", []), key=lambda each: -each.best_r)
    said = [_over_counterpart(encoded)] if encoded else []
    for encoding, words in (
        ("weakly encoded", "weakly: {}"),
        ("not detected", "no sign of {}"),
        ("not assessed", "cannot be told apart here: {}"),
    ):
        names = [each.concept for each in by_encoding.get(encoding, [])]
        if names:
            are_the_rest = len(names) > _MOST_NAMED and len(names) + len(encoded) == len(scores)
            said.append(words.format(f"the other {len(names)}" if are_the_rest and encoded else listed(names)))
    with_counterpart = any(math.isfinite(each.counterpart_r) for each in scores)
    legend = (Reference("untrained", "its untrained counterpart"),) if with_counterpart else ()
    picture = Picture(tuple(map(_concept_line, scores)), "r = 0", "r = 1", legend)
    word = capital(listed([each.concept for each in encoded], limit=3)) if encoded else "Nothing surely"
    sentence = capital("; ".join(filter(None, said)) or "there is no untrained counterpart to compare it with") + "."
    of_cells = [each for each in encoded if each.concept != "acquisition"]
    return Answer("encodes", word, "good" if of_cells else "bad", sentence, picture)


def _over_counterpart(encoded: Sequence[ConceptScore]) -> str:
    compared = [each for each in encoded if math.isfinite(each.gain.low)]
    if not compared:
        return ""
    better = [each.concept for each in compared if each.gain.low > 0]
    if len(better) == len(compared):
        return "better than its untrained counterpart"
    if better:
        return f"better than its untrained counterpart for {listed(better)}"
    return "not significantly better than its untrained counterpart"


def _concept_line(found: ConceptScore) -> Line:
    counterpart = found.counterpart_r
    references = (Reference("untrained", "", place(counterpart)),) if math.isfinite(counterpart) else ()
    beside = f"; its untrained counterpart {number(counterpart, 2)}" if references else ""
    return Line(
        label=capital(found.concept),
        value=number(found.estimate.value, 2),
        at=place(found.estimate.value),
        low=place(found.estimate.low),
        high=place(found.estimate.high),
        sure=found.encoding == "encoded",
        references=references,
        title=f"{found.concept}: mean r {number(found.estimate.value, 2)}, {found.encoding}{beside}",
    )


def biology(encoder: str, found: Sequence[BiologyBesideNuisance], results: Results, *, by_position: bool) -> Answer:
    """Answer which of the two neighbours share; of replicates at one position, that is what they may share as well."""
    known = [each for each in found if math.isfinite(each.robustness.low)]
    if not known:
        caveat = next((each.caveat for each in found if each.caveat), "")
        why = f"{capital(caveat)}." if caveat else _why(results, "biology_and_nuisance")
        return Answer("biology", "Not tested", "unknown", why)
    said = []
    for side, words in (("biology", "share the {} more often than chance"), ("nuisance", "share the {} instead")):
        here = [each for each in known if each.favours == side]
        if here:
            shared = listed(list(dict.fromkeys(getattr(each, side) for each in here)))
            profilings = listed(list(dict.fromkeys(each.profiling for each in here)))
            said.append(f"{words.format(shared)} ({profilings})")
    sentence = "Neighbours " + " and ".join(said) if said else "Neighbours favour neither"
    readable = [
        each.nuisance for each in results.evidence.of(NuisanceReadout) if each.encoder == encoder and each.is_readable
    ]
    if readable:
        sentence += f"; {listed(list(dict.fromkeys(readable)))} can be read off its vectors"
    sides = frozenset(each.favours for each in known)
    word, tone = _BIOLOGY_WORDS.get(sides, ("Mixed", "mixed"))
    if by_position and "biology" in sides:
        word, tone = "Position", "bad"
        sentence += f"; but most of its score goes with the position, which a {known[0].biology} shares between plates"
    legend = (Reference("chance", "random neighbours"),)
    lines = tuple(_neighbour_line(each, len({one.nuisance for one in known}) > 1) for each in known)
    picture = Picture(lines, f"all by {known[0].nuisance}", f"all by {known[0].biology}", legend)
    return Answer("biology", word, tone, sentence + ".", picture)


_BIOLOGY_WORDS: dict[frozenset[str], tuple[str, Tone]] = {
    frozenset({"biology"}): ("Biology", "good"),
    frozenset({"nuisance"}): ("Batch", "bad"),
    frozenset({"neither"}): ("Neither surely", "unknown"),
    frozenset({"biology", "neither"}): ("Biology, in part", "mixed"),
    frozenset({"biology", "nuisance"}): ("It depends", "mixed"),
    frozenset({"nuisance", "neither"}): ("Batch, in part", "bad"),
}


def _neighbour_line(found: BiologyBesideNuisance, several: bool) -> Line:
    share = found.robustness
    title = (
        f"{found.profiling}: of the neighbours that share either the {found.biology} or the {found.nuisance}, "
        f"{share_within(share.value, share.low, share.high)} share the {found.biology}; of random ones "
        f"{percent(found.robustness_chance)}"
    )
    return Line(
        label=f"{found.profiling}, {found.nuisance}" if several else found.profiling,
        value=percent(share.value),
        at=place(share.value),
        low=place(share.low),
        high=place(share.high),
        sure=found.favours == "biology",
        references=(Reference("chance", "", place(found.robustness_chance)),),
        title=title,
    )


def _why(results: Results, part: str) -> str:
    """Return why a part of the diagnosis is not there."""
    for each in results.evidence.skipped:
        if each.part == part:
            return capital(each.reason) + "."
    return "The study did not ask for it."
