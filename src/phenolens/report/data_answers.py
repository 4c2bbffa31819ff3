"""What is said of the data on the first screen: what the metrics can tell, and the bar that simple methods set."""

from collections.abc import Sequence

from phenolens.core.numbers import listed, number, percent, within
from phenolens.diagnosis.records import BestBaseline
from phenolens.report.answers import Answer, Tone
from phenolens.report.headlines import Headline, of_questions
from phenolens.report.pictures import Line, Picture, Reference, place
from phenolens.report.results import Results
from phenolens.report.scores import Scored
from phenolens.report.text import capital, task_phrase

_MOST_BARS = 6
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
    said = [f"The metric tells encoders apart in {of_questions(able, n)}"] if able else []
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


def bars(results: Results, shown: Sequence[Headline]) -> list[Answer]:
    """Return the bar that simple methods set in each question, for studies without an encoder under test."""
    best = {(each.task, each.profiling): each for each in results.evidence.of(BestBaseline)}
    found = []
    for headline in shown:
        record = best.get((headline.task, headline.profiling))
        if record is not None:
            found.append(_bar(record, headline))
    return found


def _bar(record: BestBaseline, headline: Headline) -> Answer:
    scored = [each for each in headline.scores.scored if each.profiling == headline.profiling]
    scored.sort(key=lambda each: -headline.at(each.mark.value))
    equals = (record.encoder, *record.ties)
    lines = tuple(_baseline_line(each, headline, sure=each.row.encoder in equals) for each in scored[:_MOST_BARS])
    ties = f"; {len(record.ties)} others are not distinguishable from it" if record.ties else ""
    if len(record.ties) == 1:
        ties = f"; {record.ties[0]} is not distinguishable from it"
    chance, ceiling = number(headline.range.chance, 2), number(headline.range.ceiling, 2)
    sentence = (
        f"{percent(1 - headline.range.headroom)} of the way from chance ({chance}) to the ceiling ({ceiling}) is "
        f"reached without training{ties}."
    )
    return Answer(
        "beats",
        word=f"{record.encoder}, {number(record.value, 2)}",
        tone="plain",
        sentence=sentence,
        picture=Picture(lines, "chance", "ceiling"),
        title=f"{capital(task_phrase(headline.task))}, {headline.profiling}",
    )


def _baseline_line(scored: Scored, headline: Headline, *, sure: bool) -> Line:
    name, mark = scored.row.encoder, scored.mark
    return Line(
        name,
        number(mark.value, 2),
        place(headline.at(mark.value)),
        place(headline.at(mark.low)),
        place(headline.at(mark.high)),
        sure=sure,
        title=f"{name}: {within(mark.value, mark.low, mark.high)}",
    )
