"""The diagnosis card as Markdown: for a repository, an issue or a paper's supplement."""

from collections.abc import Iterable, Mapping
from typing import Any

from phenolens.core.numbers import count, number
from phenolens.report.results import Results
from phenolens.report.tables import Table, credibility, known_levels, places, uses
from phenolens.report.text import task_phrase

_DATA = "On the data and the metrics"
_PAIRS = "Side by side"


def card_page(results: Results) -> str:
    """Return what a study found: verdicts on the data, each encoder and pairs, the evidence, and what was not asked.

    Parameters
    ----------
    results
        What a study has found.
    """
    parts = [f"# {results.name}", _opening(results)]
    by_section: dict[str, list[str]] = {}
    for verdict in results.verdicts:
        by_section.setdefault(_section(verdict), []).append(_sentence(verdict))
    tested = [_code(str(encoder["family"])) for encoder in results.encoders if not encoder["baseline"]]
    first = [_DATA, *dict.fromkeys(tested), _PAIRS]
    for section in sorted(by_section, key=lambda name: first.index(name) if name in first else len(first)):
        parts += [f"## {section}", "\n".join(by_section[section])]
    parts.append("## Evidence")
    parts += [_table(table) for table in (_scores(results), *known_levels(results.evidence))]
    parts += [_table(table) for table in (*uses(results.evidence), *credibility(results.evidence))]
    parts += [_table(table) for table in places(results.evidence)]
    not_asked = results.evidence.get("not_asked", {})
    if not_asked:
        parts.append("## Not asked\n\n" + "\n".join(f"- {part}: {reason}." for part, reason in not_asked.items()))
    return "\n\n".join(parts) + "\n"


def _opening(results: Results) -> str:
    data = results.dataset
    sizes = [
        count(data[f"n_{what}s"], what) for what in ("site", "well", "plate", "perturbation") if data.get(f"n_{what}s")
    ]
    versions = results.provenance.get("versions", {})
    made = f"Phenolens {versions['phenolens']}, seed {results.provenance['seed']}" if versions else ""
    return ". ".join(filter(None, [", ".join(sizes), made])) + "."


def _section(verdict: Mapping[str, Any]) -> str:
    """Return under which heading a verdict stands: what calls scores into question comes before any encoder."""
    if verdict["kind"] in ("metric", "leak") or not verdict["encoder"]:
        return _DATA
    return _PAIRS if verdict["kind"] == "pair" else _code(str(verdict["encoder"]))


def _sentence(verdict: Mapping[str, Any]) -> str:
    asked = [task_phrase(verdict["task"]) if verdict["task"] else "", verdict["profiling"]]
    question = ", ".join(filter(None, asked))
    return f"- **{verdict['kind']}** " + (f"*{question}:* " if question else "") + str(verdict["claim"])


def _scores(results: Results) -> Table:
    """Return each family's mean score in every question, with the mean limits of its seeds; the best first."""
    keys = ["task", "profiling", "family"]
    columns = ["value", "low", "high", "chance"]
    means = results.scores.groupby(keys, sort=False, as_index=False)[columns].mean()
    means = means.sort_values("value", ascending=False).sort_values(["task", "profiling"], kind="stable")
    rows = [
        (
            f"{task_phrase(row.task)}, {row.profiling}",
            str(row.family),
            f"{number(row.value, 3)} [{number(row.low, 3)}, {number(row.high, 3)}]",
            number(row.chance, 3),
        )
        for row in means.itertuples()
    ]
    return Table("Scores", "Means over seeds.", ("Question", "encoder", "value", "chance"), tuple(rows))


def _table(table: Table) -> str:
    lines = [table.columns, ["---"] * len(table.columns), *table.rows]
    return f"### {table.title}\n\n{table.intro}\n\n" + "\n".join(map(_line, lines))


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _code(name: str) -> str:
    return f"`{name}`"
