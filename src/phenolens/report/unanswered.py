"""What a recipe asked for and the data could not answer: it stands first on card, page and console."""

from collections.abc import Sequence

from phenolens.core.numbers import listed
from phenolens.evaluation import Skipped
from phenolens.report.leftovers import skipped_title
from phenolens.report.results import Results

TITLE = "Asked and not answered"


def unanswered(results: Results) -> list[str]:
    """Return a sentence for each question of the recipe, or part of the diagnosis that it names, without an answer.

    A question that other encoders answered names those that did not.
    """
    scores = results.scores
    answered = set(zip(scores["task"], scores["profiling"], strict=True))
    groups: dict[tuple[str, str, bool], list[Skipped]] = {}
    for each in (*results.skipped, *results.evidence.skipped):
        if each.asked_for:
            partly = each.part != "score" or (each.task, each.profiling) in answered
            reason = each.reason.removeprefix(f"{each.task}: ")
            groups.setdefault((skipped_title(each), reason, partly), []).append(each)
    found = []
    for (title, reason, partly), group in groups.items():
        found.append(_sentence(title, reason, group, named=partly))
    return found


def _sentence(title: str, reason: str, group: Sequence[Skipped], *, named: bool) -> str:
    profilings = list(filter(None, dict.fromkeys(each.profiling for each in group)))
    encoders = list(filter(None, dict.fromkeys(each.encoder for each in group)))
    of = f" of {listed(encoders, limit=5)}" if named and encoders else ""
    after = f", {listed(profilings)}" if profilings else ""
    return f"{title}{after}{of}: {reason}."
