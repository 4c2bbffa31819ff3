"""The diagnosis card as Markdown: for a repository, an issue or a paper's supplement."""

from collections.abc import Iterable, Sequence

from phenolens.core.numbers import count, listed, number, within
from phenolens.diagnosis.evidence import Verdict
from phenolens.report.layout import Cell, Table
from phenolens.report.leftovers import SkippedGroup, gather_skipped
from phenolens.report.results import Results
from phenolens.report.scores import TaskScores, task_scores
from phenolens.report.tables import tables
from phenolens.report.text import task_phrase
from phenolens.report.unanswered import TITLE, unanswered

_DATA = "Data and metrics"
_PAIRS = "Differences between encoders"
_ON_DATA = {"metric", "leak", "no_baseline"}
_ON_PAIRS = {"difference", "concept_difference"}


def card_page(results: Results) -> str:
    """Return what a study found: what it could not answer, verdicts, the evidence, and what was skipped.

    Verdicts on the data come first, then those on each encoder and on pairs.

    Parameters
    ----------
    results
        What a study has found.
    """
    parts = [f"# {results.name}", _opening(results)]
    missing = unanswered(results)
    if missing:
        parts += [f"## {TITLE}", "\n".join(f"- {sentence}" for sentence in missing)]
    by_section: dict[str, list[str]] = {}
    for verdict in results.verdicts:
        by_section.setdefault(_section(verdict), []).append(_sentence(verdict))
    first = [_DATA, *map(_code, results.tested), _PAIRS]
    for section in sorted(by_section, key=lambda name: first.index(name) if name in first else len(first)):
        parts += [f"## {section}", "\n".join(by_section[section])]
    parts += ["## Evidence", _markdown(_scores(task_scores(results.scores)))]
    for in_section in tables(results.evidence).values():
        parts += map(_markdown, in_section)
    skipped = gather_skipped([*results.skipped, *results.evidence.skipped])
    if skipped:
        parts += ["## Skipped", "\n".join(map(_skipped, skipped))]
    return "\n\n".join(parts) + "\n"


def _opening(results: Results) -> str:
    data = results.dataset
    sizes = []
    for noun in ("site", "well", "plate", "perturbation"):
        if data.get(f"n_{noun}s"):
            sizes.append(count(data[f"n_{noun}s"], noun))
    versions = results.provenance.get("versions", {})
    made = f"Phenolens {versions['phenolens']}, seed {results.provenance['seed']}" if versions else ""
    return ". ".join(filter(None, [", ".join(sizes), made])) + "."


def _section(verdict: Verdict) -> str:
    """Return under which heading a verdict stands: what calls scores into question comes before any encoder."""
    if verdict.kind in _ON_DATA or not verdict.encoder:
        return _DATA
    return _PAIRS if verdict.kind in _ON_PAIRS else _code(verdict.encoder)


def _sentence(verdict: Verdict) -> str:
    question = ", ".join(filter(None, [task_phrase(verdict.task) if verdict.task else "", verdict.profiling]))
    return f"- **{verdict.title}** " + (f"*{question}:* " if question else "") + verdict.claim


def _skipped(group: SkippedGroup) -> str:
    encoders = f" ({listed(group.encoders, limit=3)})" if group.encoders else ""
    return f"- {group.title}{encoders}: {group.reason}."


def _scores(tasks: Sequence[TaskScores]) -> Table:
    """Return the score of each encoder in each question, the best first."""
    rows = []
    for task in tasks:
        scored = sorted(task.scored, key=lambda each: each.mark.value, reverse=task.higher_is_better)
        for score in sorted(scored, key=lambda each: task.profilings.index(each.profiling)):
            mark = score.mark
            question = f"{task_phrase(task.task)}, {score.profiling}"
            texts = (question, score.row.encoder, within(mark.value, mark.low, mark.high, 3), number(mark.chance, 3))
            rows.append(tuple(map(Cell, texts)))
    return Table("Scores", "Means over seeds.", ("question", "encoder", "score", "chance"), tuple(rows))


def _markdown(table: Table) -> str:
    header = [_line(table.columns), _line(["---"] * len(table.columns))]
    rows = [_line(f"**{cell.text}**" if cell.stands_out else cell.text for cell in row) for row in table.rows]
    return "\n\n".join(filter(None, [f"### {table.title}", table.intro, "\n".join([*header, *rows])]))


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _code(name: str) -> str:
    return f"`{name}`"
