"""What probes would score without parts of the controls: it takes as many fits, and is asked only for claims."""

from collections.abc import Mapping

from phenolens.evaluation import Evaluation, LeftOut, Question, leave_out

LeftOutByEncoder = Mapping[str, LeftOut]


def probes_without_controls(evaluation: Evaluation) -> dict[tuple[str, str], LeftOutByEncoder]:
    """Return question -> encoder -> its values without parts of the controls, of probes that claims are made of.

    Encoders under test, the best baseline and the best untrained network are scored, one seed of each. Other tasks come
    with these values.
    """
    found = {}
    for question in evaluation.claiming:
        if question.first.folds:
            found[question.key] = _of_claimed(question, evaluation)
    return found


def _of_claimed(question: Question, evaluation: Evaluation) -> LeftOutByEncoder:
    found = {}
    for name, scored in question.one_seed.items():
        if scored.info.is_tested or name in question.references:
            values = leave_out(
                scored.task, scored.info.id, scored.profiling, evaluation.profiles, evaluation.settings.seed
            )
            if values is not None:
                found[name] = values
    return found
