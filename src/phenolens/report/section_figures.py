"""The figures of each section of the page."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from phenolens.core.numbers import number, percent, share_within
from phenolens.diagnosis.records import (
    AfterIntervention,
    ConceptScore,
    ExplainedVariance,
    LayerChoice,
    LessDataScore,
    MetricRange,
    NuisanceReadout,
    SimilarityStructure,
    StratumGain,
    WithoutShortcut,
)
from phenolens.diagnosis.rules import KEPT
from phenolens.encoders import EncoderName
from phenolens.report.answers import Answer
from phenolens.report.charts import BASELINE, Chart, Values, draw
from phenolens.report.encoder_cards import EncoderCard
from phenolens.report.headlines import Headline
from phenolens.report.pictures import Line, Picture, Reference, place
from phenolens.report.results import Results
from phenolens.report.scores import TaskScores
from phenolens.report.shortcuts import shortcut_line, strongest
from phenolens.report.text import capital, task_phrase

_MOST_LOOKS = 6
R = TypeVar("R", WithoutShortcut, AfterIntervention)


@dataclass(frozen=True)
class Panel:
    """One small picture with its title."""

    title: str
    picture: Picture
    note: str = ""


@dataclass(frozen=True)
class Group:
    """Figures that are read together."""

    title: str
    intro: str
    panels: tuple[Panel, ...] = ()
    charts: tuple[Chart, ...] = ()


def section_figures(
    results: Results,
    cards: Sequence[EncoderCard],
    data: Answer,
    tasks: Sequence[TaskScores],
    shown: Sequence[Headline],
) -> dict[str, tuple[Group, ...]]:
    """Return section -> its figures, those that show anything.

    Parameters
    ----------
    results
        What a study found.
    cards, data
        The first screen.
    tasks
        All scores.
    shown
        The questions, each under the post-processing that is shown first.
    """
    figures = {
        "beats": _beats(results, tasks),
        "relies": _relies(results, cards, shown),
        "encodes": _encodes(results, cards),
        "biology": _biology(results, cards),
        "data": _data(results, data),
    }
    drawn = {}
    for section, groups in figures.items():
        drawn[section] = tuple(group for group in groups if group.panels or group.charts)
    return drawn


def _beats(results: Results, tasks: Sequence[TaskScores]) -> tuple[Group, ...]:
    looks = _looks(results)
    return (
        Group(
            "By dose, strength and class",
            "The score of each encoder under test within strata of the units, beside the best baseline (grey).",
            charts=tuple(_strata(results.evidence.of(StratumGain), looks)),
        ),
        Group(
            "With less data",
            "The score on fewer examples or replicates.",
            charts=tuple(_less_data(results.evidence.of(LessDataScore), looks)),
        ),
        Group(
            "Choice of layer",
            "The layer and pooling that is best on one half of the units, scored on the other half; the square is the "
            "network as it comes. The curves are of all units: the best of their points looks better than it is.",
            panels=tuple(_layers(results.evidence.of(LayerChoice))),
            charts=tuple(_over_layers(results.evidence.of(LayerChoice))),
        ),
        Group(
            "Sensitivity to post-processing",
            "The same score after each post-processing. Where lines cross, the ranking depends on the protocol.",
            charts=tuple(_protocols(tasks, looks)),
        ),
    )


def _looks(results: Results) -> dict[str, int]:
    """Return the colour and shape of each encoder under test."""
    return {encoder: place % _MOST_LOOKS for place, encoder in enumerate(results.tested)}


def _strata(gains: Sequence[StratumGain], looks: Mapping[str, int]) -> Iterable[Chart]:
    groups: dict[tuple[str, str, str], list[StratumGain]] = {}
    for each in gains:
        groups.setdefault((each.by, each.task, each.profiling), []).append(each)
    for (by, task, profiling), group in groups.items():
        strata = list(dict.fromkeys(each.stratum for each in group))
        if len(strata) < 2:
            continue
        lines = []
        for encoder in dict.fromkeys(each.encoder for each in group):
            own = {each.stratum: each for each in group if each.encoder == encoder}
            xs = [float(i) for i, stratum in enumerate(strata) if stratum in own]
            of_encoder = [own[stratum] for stratum in strata if stratum in own]
            lines.append(Values(encoder, looks.get(encoder, 0), xs, [each.value for each in of_encoder]))
        baseline = {each.stratum: each for each in group}
        xs = [float(i) for i, stratum in enumerate(strata)]
        name = f"best baseline, {group[0].baseline}"
        lines.append(Values(name, BASELINE, xs, [baseline[stratum].baseline_value for stratum in strata]))
        labels = {float(i): stratum for i, stratum in enumerate(strata)}
        yield draw(f"By {by}: {task_phrase(task)}", profiling, lines, labels)


def _less_data(scores: Sequence[LessDataScore], looks: Mapping[str, int]) -> Iterable[Chart]:
    groups: dict[tuple[str, str, str], list[LessDataScore]] = {}
    for each in scores:
        groups.setdefault((each.data, each.task, each.profiling), []).append(each)
    for (data, task, profiling), group in groups.items():
        lines = []
        for encoder in dict.fromkeys(each.encoder for each in group):
            own = sorted((each for each in group if each.encoder == encoder), key=lambda each: each.amount)
            lines.append(
                Values(
                    encoder,
                    looks.get(encoder, BASELINE),
                    [math.log2(each.amount) for each in own],
                    [each.estimate.value for each in own],
                    [each.estimate.low for each in own],
                    [each.estimate.high for each in own],
                )
            )
        labels = {math.log2(each.amount): str(each.amount) for each in group}
        yield draw(f"{capital(task_phrase(task))} by {data}", profiling, lines, labels)


def _layers(choices: Sequence[LayerChoice]) -> Iterable[Panel]:
    by_network: dict[str, list[LayerChoice]] = {}
    for each in choices:
        by_network.setdefault(each.encoder, []).append(each)
    for encoder, of_network in by_network.items():
        lines = []
        for each in of_network:
            estimate = each.estimate
            chosen = "as it comes" if each.chosen == encoder else each.chosen
            lines.append(
                Line(
                    f"{capital(task_phrase(each.task))}, {each.profiling}",
                    number(estimate.value, 2),
                    place(estimate.value),
                    place(estimate.low),
                    place(estimate.high),
                    sure=each.gain.low > 0,
                    references=(Reference("untrained", "", place(each.as_it_comes)),),
                    title=f"{task_phrase(each.task)}, {each.profiling}: {chosen}, {number(estimate.value, 2)}",
                )
            )
        yield Panel(encoder, Picture(tuple(lines), "0", "1", (Reference("untrained", "as it comes"),)))


def _over_layers(choices: Sequence[LayerChoice]) -> Iterable[Chart]:
    """Draw the score over the layers of each network, a line for each pooling."""
    for each in choices:
        by_pool: dict[str, list[tuple[float, float]]] = {}
        for variant, score in zip(each.variants, each.scores, strict=True):
            options = dict(EncoderName.parse(variant).options)
            if variant != each.encoder and "layer" in options:
                by_pool.setdefault(options.get("pool", ""), []).append((float(options["layer"]), score))
        layers = sorted({layer for points in by_pool.values() for layer, _ in points})
        if len(layers) < 2:
            continue
        lines = []
        for look, (pool, points) in enumerate(by_pool.items()):
            xs, ys = zip(*sorted(points), strict=True)
            lines.append(Values(f"pool {pool}", look % _MOST_LOOKS, xs, ys))
        lines.append(Values("as it comes", BASELINE, (layers[0], layers[-1]), (each.as_it_comes, each.as_it_comes)))
        labels = {layer: f"{layer:.0f}" for layer in layers}
        yield draw(f"{each.encoder} by layer: {task_phrase(each.task)}", each.profiling, lines, labels)


def _protocols(tasks: Sequence[TaskScores], looks: Mapping[str, int]) -> Iterable[Chart]:
    for task in tasks:
        if len(task.profilings) < 2:
            continue
        xs = [float(i) for i in range(len(task.profilings))]
        lines, best = [], [math.nan] * len(xs)
        for row in task.rows:
            values = [mark.value if mark else math.nan for mark in row.marks]
            if row.encoder in looks:
                lines.append(Values(row.encoder, looks[row.encoder], xs, values))
            elif row.baseline:
                better = max if task.higher_is_better else min
                best = [
                    better(filter(math.isfinite, pair), default=math.nan) for pair in zip(best, values, strict=True)
                ]
        lines.append(Values("best baseline", BASELINE, xs, best))
        labels = {float(i): profiling for i, profiling in enumerate(task.profilings)}
        yield draw(capital(task_phrase(task.task)), task.metric, lines, labels)


def _relies(results: Results, cards: Sequence[EncoderCard], shown: Sequence[Headline]) -> tuple[Group, ...]:
    evidence = results.evidence
    panels, changed, similar = [], [], []
    for card in cards:
        for headline in shown:
            title = f"{card.encoder}: {task_phrase(headline.task)}"
            tried = strongest(_known(evidence.of(WithoutShortcut), card.encoder, headline))
            lines = tuple(shortcut_line(name, most, sure) for name, (most, sure) in tried.items())
            if lines:
                panels.append(Panel(title, Picture(lines, "0% of its score", "all of it"), headline.profiling))
            lines = tuple(map(_intervention_line, _known(evidence.of(AfterIntervention), card.encoder, headline)))
            if lines:
                changed.append(Panel(title, Picture(lines, "nothing left", "all left"), headline.profiling))
        follows = [each for each in evidence.of(SimilarityStructure) if each.encoder == card.encoder]
        if follows:
            legend = (Reference("untrained", "with the treatment, given the shortcut"),)
            lines = tuple(map(_similarity_line, follows))
            similar.append(Panel(card.encoder, Picture(lines, "r = 0", "r = 1", legend)))
    return (
        Group(
            "Shortcuts",
            "How much of the score above chance goes with each shortcut, by the adjustment that takes most. Filled: at "
            "least a tenth, beyond doubt.",
            tuple(panels),
        ),
        Group("Changed images", "How much of the score is left once the pixels were changed.", tuple(changed)),
        Group(
            "Which wells are similar",
            "How the similarities of wells follow each shortcut, given the treatment (dot).",
            tuple(similar),
        ),
    )


def _known(records: Sequence[R], encoder: str, headline: Headline) -> list[R]:
    """Return what is known of one encoder in one question."""
    asked = encoder, headline.task, headline.profiling
    return [each for each in records if (each.encoder, each.task, each.profiling) == asked and each.is_known]


def _intervention_line(found: AfterIntervention) -> Line:
    left = found.estimate
    return Line(
        found.intervention,
        percent(left.value),
        place(left.value),
        place(left.low),
        place(left.high),
        sure=found.is_significant or left.low >= KEPT,
        is_bar=True,
        title=f"{found.intervention}: {share_within(left.value, left.low, left.high)} left",
    )


def _similarity_line(found: SimilarityStructure) -> Line:
    follows, biology = found.follows, found.biology
    return Line(
        found.shortcut,
        number(follows.value, 2),
        place(follows.value),
        place(follows.low),
        place(follows.high),
        sure=follows.low > 0,
        references=(Reference("untrained", "", place(biology.value)),),
        title=f"{found.shortcut}: {number(follows.value, 2)}; with the treatment {number(biology.value, 2)}",
    )


def _encodes(results: Results, cards: Sequence[EncoderCard]) -> tuple[Group, ...]:
    concepts = [
        Panel(card.encoder, answer.picture)
        for card in cards
        for answer in card.answers
        if answer.section == "encodes" and answer.picture
    ]
    explained = []
    for card in cards:
        blocks = [each for each in results.evidence.of(ExplainedVariance) if each.encoder == card.encoder]
        lines = tuple(
            Line(
                capital(each.block),
                percent(each.alone),
                place(each.alone),
                sure=each.is_followed,
                is_bar=True,
                title=f"{each.block}: {percent(each.alone)} of all variance, {percent(each.of_first_component)} of the "
                "first component",
            )
            for each in blocks
        )
        if lines:
            note = f"the first component holds {percent(blocks[0].first_component)}"
            explained.append(Panel(card.encoder, Picture(lines, "0%", "100%"), note))
    truth = any(each.is_truth for each in results.evidence.of(ConceptScore))
    beyond = "the truth of the simulation" if truth else "what baselines measure"
    return (
        Group(
            "Concepts",
            f"How well each concept is read off the vectors beyond all others, as a mean correlation with {beyond}. "
            "Filled: encoded.",
            tuple(concepts),
        ),
        Group(
            "Explained variance",
            "The share of the variance of the vectors that each explains by itself. Filled: the largest component "
            "follows it.",
            tuple(explained),
        ),
    )


def _biology(results: Results, cards: Sequence[EncoderCard]) -> tuple[Group, ...]:
    neighbours, readouts = [], []
    for card in cards:
        for answer in card.answers:
            if answer.section == "biology" and answer.picture:
                neighbours.append(Panel(card.encoder, answer.picture))
        found = [each for each in results.evidence.of(NuisanceReadout) if each.encoder == card.encoder]
        lines = tuple(
            Line(
                f"{capital(each.nuisance)}, {each.profiling}",
                number(each.estimate.value, 2),
                place(each.estimate.value),
                place(each.estimate.low),
                place(each.estimate.high),
                sure=each.is_readable,
                references=(Reference("chance", "", place(each.chance)),),
                title=f"{each.nuisance}, {each.profiling}: {each.metric} {number(each.estimate.value, 2)}, "
                f"chance {number(each.chance, 2)}",
            )
            for each in found
        )
        if lines:
            readouts.append(Panel(card.encoder, Picture(lines, "0", "1", (Reference("chance", "chance"),))))
    return (
        Group(
            "Neighbours",
            "Of the neighbours that share either the biology or the nuisance, but not both, the share that shares the "
            "biology. Filled: more than among random neighbours.",
            tuple(neighbours),
        ),
        Group(
            "What can be read off",
            "How well batch, plate or position are predicted from the vectors. Filled: better than chance.",
            tuple(readouts),
        ),
    )


def _data(results: Results, data: Answer) -> tuple[Group, ...]:
    ranges = (Panel("Room above the best baseline", data.picture),) if data.picture else ()
    lines = []
    for each in results.evidence.of(MetricRange):
        if math.isfinite(each.stability.value):
            lines.append(
                Line(
                    f"{capital(task_phrase(each.task))}, {each.profiling}",
                    number(each.stability.value, 2),
                    place(each.stability.value),
                    title=f"{task_phrase(each.task)}, {each.profiling}: mean Kendall's tau with the rankings of "
                    f"{each.n_protocols} other protocols {number(each.stability.value, 2)}",
                )
            )
    stable = (Panel("Agreement of rankings between protocols", Picture(tuple(lines), "0", "1")),) if lines else ()
    return (Group("", "", (*ranges, *stable)),)
