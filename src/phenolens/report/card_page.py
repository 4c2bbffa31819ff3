"""The diagnosis card as Markdown: for a repository, an issue or a paper's supplement."""

from collections.abc import Iterable, Mapping
from typing import Any

from phenolens.report.results import Results
from phenolens.report.tables import Table, credibility, known_levels, places, uses
from phenolens.report.text import count, number, task_phrase

_NO_ENCODER = "On the data and the metrics"


def card_page(results: Results) -> str:
    """Return what a study found of each encoder: verdicts by encoder, then the evidence, and what was not asked.

    Parameters
    ----------
    results
        What a study has found.
    """
    parts = [f"# {results.name}", _opening(results)]
    by_encoder: dict[str, list[str]] = {}
    for verdict in results.verdicts:
        by_encoder.setdefault(str(verdict["encoder"]) or _NO_ENCODER, []).append(_sentence(verdict))
    tested = {str(encoder["family"]) for encoder in results.encoders if not encoder["baseline"]}
    for encoder in sorted(by_encoder, key=lambda name: name not in tested):
        parts.append(f"## {_code(encoder) if encoder != _NO_ENCODER else encoder}")
        parts.append("\n".join(by_encoder[encoder]))
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
