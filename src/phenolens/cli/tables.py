"""Commands for tables of existing vectors: evaluate and diagnose."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from phenolens.cli.options import (
    Batch,
    BatchBy,
    Dose,
    Features,
    Json,
    Key,
    Label,
    MissingValues,
    NegativeControls,
    Out,
    Perturbation,
    PerturbationType,
    Plate,
    Profilings,
    Role,
    Seed,
    Strict,
    Well,
    fail_if_unanswered,
    options_from_flags,
    parse_options,
    print_json,
    print_table,
    print_unanswered,
    print_verdicts,
    split_arguments,
)
from phenolens.core.errors import PhenolensError, TaskNotApplicable
from phenolens.core.numbers import count, interval, number

if TYPE_CHECKING:
    from phenolens.tasks import AnyTask

# The options of a task are its fields, which are known only when the task is given.
TASK_OPTIONS = {"ignore_unknown_options": True}


def evaluate(
    context: typer.Context,
    arguments: Annotated[
        list[str],
        typer.Argument(metavar="EMBEDDINGS...", help=".h5ad or .npz files or tables, and options of the task."),
    ],
    task: Annotated[str, typer.Option(help="The task; see: phenolens ls tasks.")],
    option: Annotated[list[str] | None, typer.Option(help="An option of the task, name=value; repeatable.")] = None,
    profiling: Profilings = None,
    batch_by: BatchBy = None,
    features: Features = None,
    missing: MissingValues = "refuse",
    perturbation: Perturbation = None,
    perturbation_type: PerturbationType = None,
    dose: Dose = None,
    role: Role = None,
    negative_control: NegativeControls = None,
    plate: Plate = None,
    well: Well = None,
    batch: Batch = None,
    key: Key = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Evaluate embeddings in one task; several files are compared.

    Options of the task are given by their names, such as --label COLUMN; see: phenolens ls options. If this command has
    an option of the same name, such as --seed, that of the task is given as --option seed=1.
    """
    from phenolens.datasets import column_name
    from phenolens.diagnosis import compare_scores
    from phenolens.embedding import PROVENANCE, mark_controls, read_embeddings
    from phenolens.evaluation import evaluate as evaluate_tasks
    from phenolens.evaluation import summaries
    from phenolens.tasks import TASKS, make_task
    from phenolens.workflows.catalogue import options_of

    files, flags = split_arguments(arguments)
    if not files:
        raise typer.BadParameter("give files of embeddings")
    kind = TASKS.find(task)
    repeatable = {name: found.repeatable for name, found in options_of(kind).items()}
    known = [flag for parameter in context.command.params for flag in parameter.opts if flag.startswith("--")]
    named = options_from_flags(flags, task, repeatable, known)
    question = make_task(task, **{**named, **parse_options(option or [])})
    columns = _given(
        perturbation=perturbation,
        perturbation_type=perturbation_type,
        dose=dose,
        role=role,
        plate=plate,
        well=well,
        batch=batch,
    )
    read = {}
    for path in map(Path, files):
        file = read_embeddings(
            path,
            columns=columns,
            features=features,
            metadata=[*question.columns, *(batch_by or []), *_if_given(key)],
            missing=missing,
        )
        if negative_control:
            file.obs = mark_controls(file.obs, negative_control, path)
        read[str(file.uns[PROVENANCE]["encoder"])] = file
    if len(read) < len(files):
        raise PhenolensError(f"{len(files)} files hold embeddings of {len(read)} encoders: {', '.join(read)}")
    evaluation = evaluate_tasks(
        read,
        [question],
        profilings=profiling or ["raw"],
        batch_by=None if batch_by is None else [column_name(column) for column in batch_by],
        seed=seed,
        key=None if key is None else column_name(key),
        progress=True,
    )
    if not evaluation.scores:
        raise TaskNotApplicable(evaluation.skipped[0].reason)
    card = compare_scores(evaluation)
    if as_json:
        print_json(
            {
                "scores": summaries(evaluation),
                "evidence": card.evidence.as_dict(),
                "verdicts": [asdict(verdict) for verdict in card.verdicts],
                "skipped": [asdict(item) for item in evaluation.skipped],
            }
        )
        return
    print_table(_SCORE_COLUMNS, _score_rows(summaries(evaluation)))
    print_verdicts(card.verdicts)
    for item in evaluation.skipped:
        typer.echo(f"skipped: {item.encoder}, {item.profiling}: {item.reason}", err=True)


_SCORE_COLUMNS = ("encoder", "profiling", "", "value", "95% interval", "chance", "units", "caveats")


def _score_rows(scores: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for score in scores:
        leak = [f"leaking split: {score['leak']}"] if score["leak"] else []
        caveats = "; ".join([*leak, *score["notes"]])
        rows.append((score["encoder_id"], score["profiling"], "", *_score_cells(score, score["unit"]), caveats))
        for part, row in (score.get("sources", {}) | score.get("targets", {})).items():
            rows.append(("", "", str(part), *_score_cells(row, score["unit"])))
    return rows


def _score_cells(row: Mapping[str, Any], unit: str) -> tuple[str, ...]:
    return number(row["value"]), interval(*row["interval"]), number(row["chance"]), count(row["n_units"], unit)


def diagnose(
    embeddings: Annotated[list[Path], typer.Argument(help=".h5ad or .npz files or tables, one per encoder.")],
    label: Label = None,
    patient: Annotated[str | None, typer.Option(help="Column of patients, or of other groups of rows.")] = None,
    profiling: Profilings = None,
    batch_by: BatchBy = None,
    features: Features = None,
    missing: MissingValues = "refuse",
    perturbation: Perturbation = None,
    perturbation_type: PerturbationType = None,
    dose: Dose = None,
    role: Role = None,
    negative_control: NegativeControls = None,
    plate: Plate = None,
    well: Well = None,
    batch: Batch = None,
    key: Key = None,
    seed: Seed = 0,
    out: Out = Path("out/diagnosis"),
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Diagnose embeddings, and compare them, in all tasks that their metadata allow.

    Where each plate has negative controls, vectors are scored raw and after TVN, unless --profiling names others.
    """
    from phenolens.embedding import PROVENANCE, mark_controls, read_embeddings
    from phenolens.recipes import Recipe
    from phenolens.report import unanswered
    from phenolens.tasks import default_profilings, default_tasks
    from phenolens.workflows.study import run as run_study

    columns = _given(
        label=label,
        patient=patient,
        perturbation=perturbation,
        perturbation_type=perturbation_type,
        dose=dose,
        role=role,
        plate=plate,
        well=well,
        batch=batch,
    )
    tables: dict[str, dict[str, Any]] = {}
    tasks: list[AnyTask] = []
    for path in embeddings:
        metadata = [*(batch_by or []), *_if_given(key)]
        file = read_embeddings(path, columns=columns, features=features, metadata=metadata, missing=missing)
        name = str(file.uns[PROVENANCE]["encoder"])
        if name in tables:
            raise PhenolensError(f"{path} and {tables[name]['file']} both hold embeddings of {name}")
        obs = mark_controls(file.obs, negative_control, path) if negative_control else file.obs
        tables[name] = {"file": path, "features": features, "missing": missing}
        tasks = tasks or default_tasks(obs)
        profiling = profiling or default_profilings(obs)
    recipe = Recipe.model_validate(
        {
            "name": " and ".join(tables),
            "dataset": {
                "tables": tables,
                "columns": columns,
                "negative_controls": negative_control or [],
                "key": key,
            },
            "profiling": profiling,
            "batch_by": batch_by,
            "tasks": tasks,
            "seed": seed,
        }
    )
    results = run_study(recipe, out, progress=True)
    if as_json:
        print_json(
            {
                "scores": results.scores.to_dict("records"),
                "evidence": results.evidence.as_dict(),
                "verdicts": [asdict(verdict) for verdict in results.verdicts],
                "skipped": [asdict(item) for item in results.skipped],
                "unanswered": unanswered(results),
            }
        )
    else:
        print_unanswered(results)
        print_verdicts(results.verdicts)
        typer.echo(f"card: {out / 'card.md'}; report: {out / 'report.html'}")
    if strict:
        fail_if_unanswered(results, out)


def _if_given(column: str | None) -> list[str]:
    return [] if column is None else [column]


def _given(**options: Any) -> dict[str, Any]:
    """Return the options that are not None."""
    return {name: value for name, value in options.items() if value is not None}
