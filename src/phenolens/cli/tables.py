"""The commands that take ready-made vectors: ask one question of them, or diagnose them."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from phenolens.cli.options import (
    Batch,
    BatchBy,
    Dose,
    Features,
    Json,
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
    Well,
    parse_options,
    print_json,
    print_verdicts,
    stdout,
)
from phenolens.core.errors import PhenolensError, TaskNotApplicable

if TYPE_CHECKING:
    from phenolens.tasks import AnyTask


def evaluate(
    embeddings: Annotated[list[Path], typer.Argument(help=".h5ad, .parquet, .csv or .npz files.")],
    task: Annotated[str, typer.Option(help="The question; see: phenolens ls tasks.")],
    label: Label = None,
    group: Annotated[str | None, typer.Option(help="Column that must not straddle a split.")] = None,
    split: Annotated[str | None, typer.Option(help="grouped or random.")] = None,
    against: Annotated[str | None, typer.Option(help="controls or others, for retrieval.")] = None,
    relations: Annotated[list[Path] | None, typer.Option(help="Table of known relations, or a folder; repeat.")] = None,
    translate: Annotated[Path | None, typer.Option(help="Table: perturbation, its name in the relations.")] = None,
    target: Annotated[list[str] | None, typer.Option(help="Column of numbers to predict; repeat.")] = None,
    option: Annotated[list[str] | None, typer.Option(help="Any other option of the task, name=value; repeat.")] = None,
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
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Ask one question of embeddings, also of your own; several files are compared."""
    from phenolens.diagnosis import compare_scores, rank_families
    from phenolens.embedding import PROVENANCE, mark_controls, read_embeddings
    from phenolens.evaluation import evaluate as evaluate_tasks
    from phenolens.evaluation import summaries
    from phenolens.tasks import make_task

    named = _given(
        label=label,
        group=group,
        split=split,
        against=against,
        relations=relations,
        translate=translate,
        targets=target,
    )
    question = make_task(task, **named, **parse_options(option or []))
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
    for path in embeddings:
        file = read_embeddings(
            path,
            columns=columns,
            features=features,
            metadata=[*question.columns, *(batch_by or [])],
            missing=missing,
        )
        if negative_control:
            file.obs = mark_controls(file.obs, negative_control, path)
        read[str(file.uns[PROVENANCE]["encoder"])] = file
    if len(read) < len(embeddings):
        raise PhenolensError(f"{len(embeddings)} files hold embeddings of {len(read)} encoders: {', '.join(read)}")
    evaluation = evaluate_tasks(read, [question], profilings=profiling or ["raw"], batch_by=batch_by, seed=seed)
    if not evaluation.scores:
        raise TaskNotApplicable(evaluation.skipped[0].reason)
    compared = compare_scores(evaluation)
    verdicts = [asdict(verdict) for verdict in compared.verdicts]
    if as_json:
        print_json(
            {
                "scores": summaries(evaluation),
                "ranks": rank_families(evaluation, seed=seed).to_dict("records"),
                "comparisons": compared.comparisons.to_dict("records"),
                "pairs": compared.pairs.to_dict("records"),
                "verdicts": verdicts,
                "skipped": [asdict(item) for item in evaluation.skipped],
            }
        )
        return
    table = Table("encoder", "profiling", "", "value", "95 % interval", "chance", "units", "caveat")
    for answer in summaries(evaluation):
        for part, row in {"": answer, **answer.get("sources", {}), **answer.get("targets", {})}.items():
            interval = " .. ".join(f"{limit:.3f}" for limit in row["interval"])
            shown = (answer["encoder"], answer["profiling"]) if not part else ("", "")
            units = f"{row['n_units']} {answer['unit']}s"
            table.add_row(
                *shown, part, f"{row['value']:.3f}", interval, f"{row['chance']:.3f}", units, row.get("caveat", "")
            )
    stdout.print(table)
    print_verdicts(verdicts)
    for item in evaluation.skipped:
        typer.echo(f"skipped: {item.encoder}, {item.profiling}: {item.reason}", err=True)


def diagnose(
    embeddings: Annotated[list[Path], typer.Argument(help=".h5ad, .parquet, .csv or .npz files, one per encoder.")],
    label: Label = None,
    patient: Annotated[str | None, typer.Option(help="Column of patients, or of what else rows share.")] = None,
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
    seed: Seed = 0,
    out: Out = Path("out/diagnosis"),
    as_json: Json = False,
) -> None:
    """Diagnose embeddings of your own, and compare them, on the questions that their metadata allow."""
    from phenolens.embedding import PROVENANCE, mark_controls, read_embeddings
    from phenolens.recipes import Recipe
    from phenolens.tasks import default_tasks
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
        file = read_embeddings(path, columns=columns, features=features, metadata=batch_by or [], missing=missing)
        name = str(file.uns[PROVENANCE]["encoder"])
        if name in tables:
            raise PhenolensError(f"{path} and {tables[name]['file']} both hold embeddings of {name}")
        obs = mark_controls(file.obs, negative_control, path) if negative_control else file.obs
        tables[name] = {"file": path, "features": features, "missing": missing}
        tasks = tasks or default_tasks(obs)
    recipe = Recipe.model_validate(
        {
            "name": " and ".join(tables),
            "dataset": {"tables": tables, "columns": columns, "negative_controls": negative_control or []},
            "profiling": profiling or ["raw"],
            "batch_by": batch_by,
            "tasks": tasks,
            "seed": seed,
        }
    )
    results = run_study(recipe, out)
    if as_json:
        scores, comparisons = (table.to_dict("records") for table in (results.scores, results.comparisons))
        verdicts, evidence = results.verdicts, results.evidence
        print_json({"scores": scores, "comparisons": comparisons, "evidence": evidence, "verdicts": verdicts})
        return
    print_verdicts(results.verdicts)
    typer.echo(f"card: {out / 'card.md'}; report: {out / 'report.html'}")


def _given(**options: Any) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in options.items() if value is not None}
