"""The first screen: what is found of each encoder under test, as one answer, one picture and one sentence a question.

Nothing is computed here: records are chosen, counted and put into words.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from phenolens.core.numbers import listed, number, percent, share_within
from phenolens.core.precision import exceeds
from phenolens.diagnosis.evidence import Evidence
from phenolens.diagnosis.phrases import against_best
from phenolens.diagnosis.records import (
    BaselineDifference,
    BiologyBesideNuisance,
    ConceptScore,
    EmbeddingShape,
    MetricRange,
    NuisanceReadout,
    WithoutShortcut,
)
from phenolens.diagnosis.rules import explaining
from phenolens.report.pictures import Line, Picture, Reference, place
from phenolens.report.results import Results
from phenolens.report.scores import Scored, TaskScores
from phenolens.report.tables import SECTIONS
from phenolens.report.text import capital, task_phrase

MOST = 0.5
"""A shortcut that explains at least this share of a score explains most of it."""

_MOST_NAMED = 3

Tone = Literal["good", "mixed", "bad", "unknown", "plain"]
_FIRST_SHORTCUTS = ("cell count", "intensity", "position", "batch", "plate")


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
class EncoderCard:
    """What is said of one encoder under test.

    Attributes
    ----------
    encoder, full
        Its short and its full name.
    verdict
        The whole in one line.
    answers
        To the four questions on it.
    """

    encoder: str
    full: str
    verdict: str
    tone: Tone
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Headline:
    """One question with the post-processing under which it is shown first.

    This is the one under which the best baseline scores highest between chance and ceiling: what is hardest to beat,
    and chosen without a look at the encoders under test.
    """

    scores: TaskScores
    profiling: str
    chance: float
    ceiling: float
    range: MetricRange

    def at(self, value: float) -> float:
        """Return where a score lies between chance (0) and the ceiling (1)."""
        return (value - self.chance) / (self.ceiling - self.chance)

    @property
    def task(self) -> str:
        """The task's id."""
        return self.scores.task

    def scored(self, encoder: str) -> Scored | None:
        """Return the score of an encoder, if it has one."""
        for each in self.scores.scored:
            if each.profiling == self.profiling and each.row.encoder == encoder:
                return each
        return None


def headlines(evidence: Evidence, tasks: Sequence[TaskScores]) -> list[Headline]:
    """Return each question about biology under one post-processing, in the order of the page."""
    first_metric: dict[str, TaskScores] = {}
    for task in tasks:
        first_metric.setdefault(task.task, task)
    chosen: dict[str, Headline] = {}
    for found in evidence.of(MetricRange):
        if found.task not in first_metric or not abs(found.ceiling - found.chance) > 0:
            continue
        new = Headline(first_metric[found.task], found.profiling, found.chance, found.ceiling, found)
        old = chosen.get(found.task)
        if old is None or new.at(found.best_baseline_value) > old.at(old.range.best_baseline_value):
            chosen[found.task] = new
    return [chosen[task] for task in first_metric if task in chosen]


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
    tested = dict.fromkeys(entry["encoder"] for entry in results.encoders if not entry["baseline"])
    return [_card(encoder, results, shown, full.get(encoder, encoder)) for encoder in tested]


def _card(encoder: str, results: Results, shown: Sequence[Headline], full: str) -> EncoderCard:
    evidence = results.evidence
    against = _against(encoder, evidence, shown)
    shortcuts = _shortcuts(encoder, evidence, shown)
    biology = [each for each in evidence.of(BiologyBesideNuisance) if each.encoder == encoder]
    mostly = [name for name, (most, sure) in shortcuts.items() if sure and 1 - most.estimate.value >= MOST]
    answers = (
        _beats(encoder, against, shown),
        _relies(encoder, shortcuts, results),
        _encodes(encoder, results),
        _biology(encoder, biology, results, by_position="position" in mostly),
    )
    verdict, tone = _verdict(encoder, evidence, against, shortcuts, mostly, answers[-1])
    return EncoderCard(encoder, full, verdict, tone, answers)


@dataclass(frozen=True)
class _Against:
    """How one encoder compares in one question."""

    headline: Headline
    best: BaselineDifference
    untrained: BaselineDifference | None

    @property
    def beats(self) -> bool:
        return against_best(self.best) == "beats"

    @property
    def falls_short(self) -> bool:
        return against_best(self.best) == "falls short of"

    @property
    def beats_untrained(self) -> bool:
        return self.untrained is not None and against_best(self.untrained) == "beats"


def _against(encoder: str, evidence: Evidence, shown: Sequence[Headline]) -> list[_Against]:
    of_encoder = [each for each in evidence.of(BaselineDifference) if each.encoder == encoder and each.reference]
    found = []
    for headline in shown:
        here = [each for each in of_encoder if (each.task, each.profiling) == (headline.task, headline.profiling)]
        best = next((each for each in here if each.reference == "best baseline"), None)
        untrained = next((each for each in here if each.reference == "best untrained network"), None)
        if best is not None:
            found.append(_Against(headline, best, best if best.untrained else untrained))
    return found


def _beats(encoder: str, against: Sequence[_Against], shown: Sequence[Headline]) -> Answer:
    if not against:
        return Answer("beats", "Not tested", "unknown", "No baseline was scored in the same question.")
    n, wins = len(against), sum(each.beats for each in against)
    losses = sum(each.falls_short for each in against)
    over_untrained = [each for each in against if each.untrained is not None]
    said = [f"beats the best baseline in {_of(wins, n)}" if wins else _no_win(n)]
    if losses:
        said.append(f"falls short of it in {losses}")
    if over_untrained:
        won = sum(each.beats_untrained for each in over_untrained)
        said.append(f"beats the best untrained network in {won}" if won else "no untrained network is beaten")
    word, tone = _word_for(wins, losses, n, against)
    return Answer("beats", word, tone, capital("; ".join(said)) + ".", _beats_picture(encoder, against))


def _of(part: int, whole: int) -> str:
    if whole == 1:
        return "the one question"
    if part == whole:
        return "both questions" if whole == 2 else f"all {whole} questions"
    return f"{part} of {whole} questions"


def _no_win(n: int) -> str:
    return "does not beat the best baseline" + (f" in any of {n} questions" if n > 1 else "")


def _word_for(wins: int, losses: int, n: int, against: Sequence[_Against]) -> tuple[str, Tone]:
    if wins == n:
        return "Yes", "good"
    if wins:
        return f"In {wins} of {n}", "mixed"
    if losses or any(each.headline.range.is_able for each in against):
        return "No", "bad"
    return "Cannot tell", "unknown"


def _beats_picture(encoder: str, against: Sequence[_Against]) -> Picture:
    lines = []
    for each in against:
        score = each.headline.scored(encoder)
        if score is None:
            continue
        lines.append(_score_line(each, score))
    legend = (Reference("baseline", "best baseline"), Reference("untrained", "best untrained network"))
    return Picture(tuple(lines), "chance", "ceiling", legend)


def _score_line(found: _Against, score: Scored) -> Line:
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


def _shortcuts(encoder: str, evidence: Evidence, shown: Sequence[Headline]) -> dict[str, tuple[WithoutShortcut, bool]]:
    """Return for each shortcut the adjustment that takes most of any score, and whether it surely takes some."""
    asked = {(each.task, each.profiling) for each in shown}
    of_encoder = [each for each in evidence.of(WithoutShortcut) if each.encoder == encoder and each.is_known]
    here = [each for each in of_encoder if (each.task, each.profiling) in asked] or of_encoder
    found = {}
    for name in sorted({each.shortcut for each in here}, key=_shortcut_order):
        ways = [each for each in here if each.shortcut == name]
        sure = explaining(ways)
        most = sure[0] if sure else min(ways, key=lambda each: each.estimate.value)
        found[name] = most, bool(sure)
    return found


def _shortcut_order(name: str) -> tuple[int, str]:
    return _FIRST_SHORTCUTS.index(name) if name in _FIRST_SHORTCUTS else len(_FIRST_SHORTCUTS), name


def _relies(encoder: str, shortcuts: Mapping[str, tuple[WithoutShortcut, bool]], results: Results) -> Answer:
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
        sentence = (
            f"None of {names} is shown to explain a tenth of its score."
            if len(shortcuts) > 1
            else (f"{capital(names)} is not shown to explain a tenth of its score.")
        )
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


def shortcut_line(name: str, most: WithoutShortcut, sure: bool) -> Line:
    """Draw how much of a score goes with a shortcut; filled if it surely does."""
    explained = 1 - most.estimate.value
    low, high = 1 - most.estimate.high, 1 - most.estimate.low
    title = f"{name}, {most.way}: {share_within(explained, low, high)} of {task_phrase(most.task)}, {most.profiling}"
    return Line(
        label=capital(name),
        value=percent(min(1.0, max(0.0, explained))),
        at=place(explained),
        low=place(low),
        high=place(high),
        sure=sure,
        is_bar=True,
        title=title,
    )


def _encodes(encoder: str, results: Results) -> Answer:
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
    return (
        f"better than its untrained counterpart for {listed(better)}"
        if better
        else ("no better than its untrained counterpart")
    )


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


def _biology(encoder: str, found: Sequence[BiologyBesideNuisance], results: Results, *, by_position: bool) -> Answer:
    """Answer which of the two neighbours share; of replicates at one position, that is what they may share as well."""
    known = [each for each in found if math.isfinite(each.robustness.low)]
    if not known:
        why = next((each.caveat for each in found if each.caveat), "") or _why(results, "biology_and_nuisance")
        return Answer("biology", "Not tested", "unknown", capital(why))
    sides = [_side(each) for each in known]
    said = []
    for side, words in (("biology", "share the {0} more often than chance"), ("batch", "share the {1} instead")):
        here = [each for each, which in zip(known, sides, strict=True) if which == side]
        if here:
            profilings = listed(list(dict.fromkeys(each.profiling for each in here)))
            said.append(f"{words.format(here[0].biology, here[0].nuisance)} ({profilings})")
    sentence = "Neighbours " + " and ".join(said) if said else "Neighbours favour neither"
    readable = [
        each.nuisance for each in results.evidence.of(NuisanceReadout) if each.encoder == encoder and each.is_readable
    ]
    if readable:
        sentence += f"; {listed(list(dict.fromkeys(readable)))} can be read off its vectors"
    distinct = set(sides)
    word, tone = _BIOLOGY_WORDS.get(frozenset(distinct), ("Mixed", "mixed"))
    if by_position and "biology" in distinct:
        word, tone = "Position", "bad"
        sentence += f"; but most of its score goes with the position, which a {known[0].biology} shares between plates"
    legend = (Reference("chance", "random neighbours"),)
    lines = tuple(_neighbour_line(each, len({one.nuisance for one in known}) > 1) for each in known)
    picture = Picture(lines, f"all by {known[0].nuisance}", f"all by {known[0].biology}", legend)
    return Answer("biology", word, tone, sentence + ".", picture)


_BIOLOGY_WORDS: dict[frozenset[str], tuple[str, Tone]] = {
    frozenset({"biology"}): ("Biology", "good"),
    frozenset({"batch"}): ("Batch", "bad"),
    frozenset({"neither"}): ("Neither surely", "unknown"),
    frozenset({"biology", "neither"}): ("Biology, in part", "mixed"),
    frozenset({"biology", "batch"}): ("It depends", "mixed"),
    frozenset({"batch", "neither"}): ("Batch, in part", "bad"),
}


def _side(found: BiologyBesideNuisance) -> str:
    if exceeds(found.robustness.low, found.robustness_chance):
        return "biology"
    return "batch" if exceeds(found.robustness_chance, found.robustness.high) else "neither"


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
        sure=_side(found) == "biology",
        references=(Reference("chance", "", place(found.robustness_chance)),),
        title=title,
    )


def _why(results: Results, part: str) -> str:
    """Return why a part of the diagnosis is not there."""
    for each in results.evidence.skipped:
        if each.part == part:
            return capital(each.reason) + "."
    return "The study did not ask for it."


def _verdict(
    encoder: str,
    evidence: Evidence,
    against: Sequence[_Against],
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
        return f"No sign of biology: not above chance in {_of(len(against), len(against))}{batch}.", "bad"
    if not any(each.beats for each in against):
        return _no_better(against, mostly, batch)
    wins = sum(each.beats for each in against)
    better = f"better than every simple method in {_of(wins, len(against))}"
    if mostly:
        return f"{capital(better)}, but most of a score goes with {listed(mostly)}{batch}.", "mixed"
    partly = [name for name, (_, sure) in shortcuts.items() if sure]
    part = f"; part of a score goes with {listed(partly)}" if partly else ""
    tone: Tone = "good" if wins == len(against) and not batch else "mixed"
    return f"Sees what simple methods miss: {better}{part}{batch}.", tone


def _no_better(against: Sequence[_Against], mostly: Sequence[str], batch: str) -> tuple[str, Tone]:
    """Return the line of an encoder that is above chance and beats no best baseline."""
    losses = sum(each.falls_short for each in against)
    nothing = f"simple methods do better in {_of(losses, len(against))}" if losses else "no better than simple methods"
    if mostly:
        return f"Mostly {listed(mostly)}: {nothing}{batch}.", "bad"
    if not losses and not any(each.headline.range.is_able for each in against):
        return f"These data cannot tell whether it is better than simple methods{batch}.", "unknown"
    return f"{capital(nothing)}{batch}.", "bad"


_GRADES: dict[str, tuple[str, Tone]] = {
    "tells": ("tells encoders apart", "good"),
    "leaves little room": ("the best baseline leaves little room", "mixed"),
    "tells only gross differences": ("tells only gross differences", "mixed"),
    "cannot tell": ("cannot tell encoders apart", "bad"),
    "too few units": ("too few units", "bad"),
}


def data_answer(shown: Sequence[Headline]) -> Answer:
    """Say what these data can tell: the same for every encoder."""
    if not shown:
        return Answer("data", "Not tested", "unknown", "No question has a baseline, a chance level and a ceiling.")
    n, able = len(shown), sum(each.range.grade == "tells" for each in shown)
    limited = sum(_GRADES[each.range.grade][1] == "mixed" for each in shown)
    said = [f"The metric tells encoders apart in {_of(able, n)}"] if able else []
    for grade, (words, _) in _GRADES.items():
        tasks = [task_phrase(each.task) for each in shown if each.range.grade == grade]
        if tasks and grade != "tells":
            said.append(f"{words}: {listed(tasks, limit=4)}")
    word, tone = _tells_word(able, limited, n)
    lines = tuple(_range_line(each) for each in shown)
    picture = Picture(lines, "chance", "ceiling", (Reference("baseline", "best baseline"),))
    return Answer("data", word, tone, capital("; ".join(said)) + ".", picture)


def _tells_word(able: int, limited: int, n: int) -> tuple[str, Tone]:
    if able == n:
        return "Yes", "good"
    if able:
        return f"In {able} of {n}", "mixed"
    return ("Only roughly", "mixed") if limited else ("No", "bad")


def _range_line(headline: Headline) -> Line:
    found = headline.range
    words, tone = _GRADES[found.grade]
    name = task_phrase(headline.task)
    title = f"{name}, {headline.profiling}: {words}; the best baseline leaves {percent(found.headroom)} of the range"
    at = place(headline.at(found.best_baseline_value))
    return Line(capital(name), words, at, sure=tone == "good", title=title, reference_only=True)
