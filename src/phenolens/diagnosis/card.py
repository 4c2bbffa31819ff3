"""The diagnosis card: what all evidence together says of each encoder, with false claims controlled over the whole."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from phenolens.core.errors import TaskNotApplicable
from phenolens.core.progress import progress_bar
from phenolens.diagnosis.evidence import Card, Evidence, Found
from phenolens.diagnosis.inference import control_claims
from phenolens.diagnosis.parts import PARTS, SCORE_PARTS, Part
from phenolens.diagnosis.records import BaselineDifference, MetricRange, Record
from phenolens.diagnosis.rules import judge
from phenolens.evaluation import Evaluation, Skipped


def diagnose(
    evaluation: Evaluation,
    *,
    interventions: Found | None = None,
    layers: Found | None = None,
    progress: bool = False,
) -> Card:
    """Put the evidence on each encoder together and judge it.

    False claims are controlled over the whole card, at 5 %; see `control_claims`. What cannot be evaluated on these
    data is left out, and the evidence says why.

    Parameters
    ----------
    evaluation
        The scores of all encoders, baselines and untrained counterparts among them, with the vectors that they are of.
    interventions
        What `compare_interventions` found; None if no image was changed.
    layers
        What `choose_on_held_out` found; None if no layers were compared.
    progress
        Whether to show on stderr how far it is.

    Raises
    ------
    TaskNotApplicable
        If no question could be answered.
    """
    if not evaluation.scores:
        reason = evaluation.skipped[0].reason if evaluation.skipped else "there is no task"
        raise TaskNotApplicable(f"no question could be answered: {reason}")
    if interventions is None:
        interventions = _not_made(evaluation, "interventions", "no image was changed; add `interventions: all`")
    if layers is None:
        layers = _not_made(evaluation, "layers", "no layers were compared; add `sweep`")
    return _judged(evaluation, PARTS, (interventions, layers), progress)


def compare_scores(evaluation: Evaluation) -> Card:
    """Compare encoders by their scores alone; parameters and result as of `diagnose`."""
    return _judged(evaluation, SCORE_PARTS)


def _judged(
    evaluation: Evaluation, parts: Sequence[Part], further: Iterable[Found] = (), progress: bool = False
) -> Card:
    found = Found()
    with progress_bar("diagnosing", len(parts), shown=progress) as show:
        for number, part in enumerate(parts):
            show(number, part.__name__.replace("_", " "))
            found += part(evaluation)
        show(len(parts))
    for each in further:
        found += each
    evidence = Evidence(control_claims(_with_share_of_range(found.records)), found.skipped)
    return Card(evidence, judge(evidence))


def _not_made(evaluation: Evaluation, part: str, reason: str) -> Found:
    if not evaluation.profiles.tested():
        return Found(skipped=(Skipped(part, "no encoder is under test"),))
    return Found(skipped=(Skipped(part, f"{reason} to the recipe"),))


def _with_share_of_range(records: tuple[Record, ...]) -> list[Record]:
    """Return records with differences also as shares of the range from chance to ceiling, of metrics that are able."""
    ranges = {}
    for record in records:
        if isinstance(record, MetricRange) and record.is_able:
            ranges[record.task, record.profiling] = record.ceiling - record.chance
    return [_scaled(record, ranges) if isinstance(record, BaselineDifference) else record for record in records]


def _scaled(difference: BaselineDifference, ranges: Mapping[tuple[str, str], float]) -> BaselineDifference:
    found = ranges.get((difference.task, difference.profiling), float("nan"))
    return replace(difference, share_of_range=difference.estimate.value / found)
