"""Whole cards on designs as people have them: p values, false claims, coverage and chance.

Two encoders under test that are equally good, and two baselines, see each screen. Where no perturbation does anything,
nothing may be claimed; where perturbations act, the two may not be called different, and intervals are to hold the mean
score over all screens of the design.

python benchmarks/instrument/designs.py [SCREENS] [DESIGN ...]
python benchmarks/instrument/designs.py table
"""

import json
import sys
import tempfile
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from phenolens.diagnosis import Card, diagnose
from phenolens.diagnosis.records import (
    Activity,
    BaselineDifference,
    Claim,
    ConceptDifference,
    ConceptScore,
    EncoderDifference,
    NuisanceReadout,
)
from phenolens.evaluation import Evaluation, evaluate
from phenolens.tasks import make_task

RESULTS = Path(__file__).parents[1] / "results" / "instrument_designs.json"
D = 16
ALPHA = 0.05
FEW = {"n_permutations": 199}
ACTIVITY = ("replicate-retrieval", FEW)
OTHERS = ("replicate-retrieval", {"measures": "distinctiveness", **FEW})
STRENGTH = ("perturbation-strength", {"measure": "energy", **FEW})
LEAKAGE = ("leakage", {"nuisance": "plate"})
MECHANISM = ("phenotypic-consistency", {"label": "moa", **FEW})
MECHANISM_PROBE = ("knn-probe", {"label": "moa", "group": "plate"})

Tasks = Sequence[tuple[str, dict[str, Any]]]


@dataclass(frozen=True)
class Design:
    """How screens are made.

    Attributes
    ----------
    name
        What it is called in the table.
    tasks, profiling
        What is asked, after which post-processing.
    units
        The number of perturbations.
    plates, controls
        The number of plates, and of controls on each.
    replicates
        Wells of a perturbation on each plate; with two numbers, any between these.
    doses
        The number of doses of each perturbation.
    offset
        Of each plate, in each encoder by itself; noise of wells is 1.
    gradient
        The difference between the outermost rows, and columns, in each encoder by itself.
    tails
        The degrees of freedom of Student's t, which noise follows; 0 for normal noise.
    edge_controls
        Whether most controls are in the outer columns.
    batches
        The number of batches with an offset of their own; 0 for none.
    classes
        The number of mechanisms, dealt to perturbations.
    complex_size
        The size of complexes of perturbations; 0 for none.
    guides
        How many perturbations act on one gene, which is the cluster.
    """

    name: str
    tasks: Tasks = (ACTIVITY, OTHERS, STRENGTH)
    profiling: str = "raw"
    units: int = 24
    plates: int = 4
    controls: int = 12
    replicates: tuple[int, int] = (1, 1)
    doses: int = 1
    offset: float = 0.0
    gradient: float = 0.0
    tails: int = 0
    edge_controls: bool = False
    batches: int = 0
    classes: int = 0
    complex_size: int = 0
    guides: int = 1


DESIGNS = [
    Design("24 perturbations"),
    Design("8 perturbations", units=8),
    Design("96 perturbations", units=96, plates=3, tasks=(ACTIVITY, OTHERS)),
    Design("plates with offsets, raw", offset=1.0, tasks=(ACTIVITY, OTHERS, STRENGTH)),
    Design("plates with offsets, TVN", offset=1.0, profiling="tvn", tasks=(ACTIVITY, OTHERS, LEAKAGE)),
    Design("no plate effect, TVN", profiling="tvn", tasks=(ACTIVITY, LEAKAGE)),
    Design("4 controls on a plate, TVN", profiling="tvn", controls=4, units=48, tasks=(ACTIVITY, OTHERS)),
    Design("4 controls on a plate, raw", controls=4),
    Design("gradients over rows and columns", gradient=1.5),
    Design("heavy tails (t, 3)", tails=3),
    Design("unequal replicates (1 to 3 on a plate)", replicates=(1, 3), plates=3),
    Design("controls in outer columns, gradients", edge_controls=True, gradient=1.5),
    Design("6 compounds x 8 doses", units=6, doses=8, plates=3, tasks=(ACTIVITY, OTHERS, ("dose-response", FEW))),
    Design("batches with offsets", batches=3, plates=6, offset=0.5, units=16),
    Design("two plates", plates=2, replicates=(2, 2)),
    Design("mechanisms of compounds", classes=6, units=36, plates=3, tasks=(OTHERS, MECHANISM, MECHANISM_PROBE)),
    Design("guides of genes", guides=3, units=36, plates=3, tasks=(OTHERS, ACTIVITY)),
    Design("complexes of 6", complex_size=6, units=60, plates=2, tasks=(OTHERS,)),
    Design("patients", classes=3, units=12, plates=1, replicates=(16, 16), tasks=()),
]


def main() -> None:
    """Measure designs, print each and write all."""
    if sys.argv[1:] == ["table"]:
        print(table(json.loads(RESULTS.read_text())))
        return
    arguments = [argument for argument in sys.argv[1:] if not argument.isdigit()]
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    n = numbers[0] if numbers else 60
    with ProcessPoolExecutor() as pool:
        for seed, design in enumerate(DESIGNS):
            if arguments and not any(design.name.startswith(argument) for argument in arguments):
                continue
            start = time.monotonic()
            cards = list(pool.map(measure, [design] * n, [seed] * n, range(n)))
            rates = rates_of(cards)
            print(f"{design.name}: {time.monotonic() - start:.0f} s\n{json.dumps(rates)}", flush=True)
            for number, each in enumerate(cards):
                for claim in each.false_claims[False] + each.false_claims[True]:
                    print(f"screen {number}: {claim}", flush=True)
            found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
            RESULTS.write_text(json.dumps(found | {design.name: rates}, indent=1) + "\n")


@dataclass
class Cards:
    """What the cards of one screen without effects, and of one with effects, say.

    Attributes
    ----------
    p
        Of each question, where nothing is so.
    beside_chance
        What noise scores, minus what is printed as chance.
    intervals
        Score and interval (value, low, high) where perturbations act.
    false_claims
        Records that claim what is not so: where nothing acts, and where two equal encoders are called different.
    """

    p: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    beside_chance: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    intervals: dict[str, list[tuple[float, float, float]]] = field(default_factory=lambda: defaultdict(list))
    false_claims: dict[bool, list[str]] = field(default_factory=lambda: {False: [], True: []})


def measure(design: Design, seed: int, number: int) -> Cards:
    """Return what is said of one screen without effects, and of one with effects."""
    cards = Cards()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        for acts in (False, True):
            rng = np.random.default_rng([seed, number, acts])
            wells = screen(design, rng, acts=acts)
            tasks = tasks_of(design, Path(folder))
            evaluation = evaluate(wells, tasks, profilings=[design.profiling], seed=number)
            _add_scores(cards, evaluation, acts=acts)
            _add_claims(cards, design, diagnose(evaluation), acts=acts)
    return cards


def _add_scores(cards: Cards, evaluation: Evaluation, *, acts: bool) -> None:
    for each in evaluation.scores:
        if acts and each.info.is_tested:
            cards.intervals[each.task.id].append((each.score.value, each.estimate.low, each.estimate.high))
        elif each.info.is_tested:
            cards.beside_chance[each.task.id].append(each.score.value - each.score.chance)
            cards.p[f"{each.task.id}, units"] += each.score.units["p"].dropna().tolist()


def _add_claims(cards: Cards, design: Design, card: Card, *, acts: bool) -> None:
    for record in card.evidence.records:
        match record:
            case EncoderDifference():
                cards.p["difference of two equal encoders"].append(record.estimate.p)
            case ConceptScore() if record.is_claimed and not acts:
                cards.p["concept of a noise encoder"].append(record.estimate.p)
            case NuisanceReadout() if not acts and design.offset == 0:
                cards.p["nuisance permuted before"].append(record.estimate.p)
        if _is_false(record, acts=acts, plates_differ=design.offset > 0):
            cards.false_claims[acts].append(f"{type(record).__name__}: {record}")


def rates_of(cards: Sequence[Cards]) -> dict[str, Any]:
    """Return rates over screens, each with its Monte-Carlo error, and what was claimed falsely."""

    def together(name: str) -> dict[str, NDArray[np.float64]]:
        found = defaultdict(list)
        for each in cards:
            for key, values in getattr(each, name).items():
                found[key] += values
        return {key: np.array(values, dtype=float) for key, values in found.items()}

    false = Counter(claim.split(":")[0] for each in cards for claims in each.false_claims.values() for claim in claims)
    return {
        "screens": len(cards),
        "p <= 0.05": {name: _rate(p[~np.isnan(p)] <= ALPHA) for name, p in together("p").items()},
        "card with a false claim": _rate([bool(each.false_claims[False]) for each in cards]),
        "equal encoders called different": _rate([bool(each.false_claims[True]) for each in cards]),
        "false claims": dict(false),
        "coverage": {task: _rate(_covered(found)) for task, found in together("intervals").items()},
        "noise minus chance": {task: _mean(found) for task, found in together("beside_chance").items()},
    }


def table(found: dict[str, dict[str, Any]]) -> str:
    """Return the results as a Markdown table, designs in their order, and all of them together last."""
    lines = [
        "| design | p of units | of differences | of concepts | cards with a false claim | equal called different | "
        "coverage | noise minus chance |",
        "|---|---|---|---|---|---|---|---|",
    ]
    columns: list[list[dict[str, float]]] = [[] for _ in range(6)]
    for design in DESIGNS:
        if design.name not in found:
            continue
        rates = found[design.name]
        of_design = _columns_of(rates)
        for column, more in zip(columns, of_design, strict=True):
            column.extend(more)
        off = max(rates["noise minus chance"].values(), key=lambda each: abs(each["mean"]))
        cells = [*map(_shown, of_design), f"{off['mean']:.3f} +/- {off['se']:.3f}"]
        lines.append(f"| {design.name} | {' | '.join(cells)} |")
    lines.append(f"| all together | {' | '.join(map(_shown, columns))} | |")
    return "\n".join(lines)


def _columns_of(rates: dict[str, Any]) -> list[list[dict[str, float]]]:
    """Return the rates of a design that stand in each column of the table."""
    small = rates["p <= 0.05"]
    return [
        [small[name] for name in small if name.endswith("units")],
        [small["difference of two equal encoders"]],
        [small["concept of a noise encoder"]],
        [rates["card with a false claim"]],
        [rates["equal encoders called different"]],
        list(rates["coverage"].values()),
    ]


def _shown(rates: Sequence[dict[str, float]]) -> str:
    """Return several rates as one, with its Monte-Carlo error."""
    n = sum(each["n"] for each in rates)
    if not n:
        return ""
    rate = sum(each["rate"] * each["n"] for each in rates if each["n"]) / n
    return f"{rate:.3f} +/- {np.sqrt(max(rate * (1 - rate), 1 / n**2) / n):.3f}"


def screen(design: Design, rng: np.random.Generator, *, acts: bool) -> dict[str, AnnData]:
    """Return the wells of a screen as encoders see them, each with noise and offsets of its own."""
    obs = wells(design, rng)
    effects = effects_of(design, rng) if acts else {}
    found = {}
    for encoder in ("one", "two", "cell-count", "pixel-statistics"):
        x = noise(design, obs, rng)
        if encoder in ("one", "two"):
            # Equally good: each sees every perturbation with a strength of its own.
            for name, effect in effects.items():
                rows = (obs["perturbation"] == name).to_numpy()
                x[rows] += rng.uniform(0.2, 1) * effect * obs["dose"].to_numpy()[rows, None]
        found[encoder] = AnnData(x.astype("f4"), obs=obs)
    measured = {"cell-count": ["nuclei_count"], "pixel-statistics": ["dna_mean", "dna_p50"]}
    for baseline, names in measured.items():
        x = found[baseline].X[:, : len(names)]
        found[baseline] = AnnData(x, obs=obs, var=pd.DataFrame(index=names))
    return found


def wells(design: Design, rng: np.random.Generator) -> pd.DataFrame:
    """Return metadata of wells; treatments are dealt anew on each plate."""
    rows = []
    low, high = design.replicates
    for plate in range(design.plates):
        names = []
        for unit in range(design.units):
            for dose in range(design.doses):
                names += [(f"t{unit}", (dose + 1) / design.doses)] * int(rng.integers(low, high + 1))
        n_rows, n_columns = (8, 12) if len(names) + design.controls <= 96 else (16, 24)
        places = [(row, column) for row in range(n_rows) for column in range(n_columns)]
        order = rng.permutation(len(places))
        if design.edge_controls:
            outer = [place for place, (_, column) in enumerate(places) if column in (0, n_columns - 1)]
            order = np.array([*outer[: design.controls], *(place for place in order if place not in outer)])
        contents = [("dmso", 1.0)] * design.controls + names
        for place, (name, dose) in zip(order, contents, strict=False):
            row, column = places[place]
            batch = plate * max(design.batches, 1) // design.plates
            rows.append((f"p{plate}", f"{chr(65 + row)}{column + 1:02d}", row, column, name, dose, f"b{batch}"))
    obs = pd.DataFrame(rows, columns=["plate", "well", "row", "column", "perturbation", "dose", "batch"])
    if not design.batches:
        obs = obs.drop(columns="batch")
    obs["role"] = np.where(obs["perturbation"] == "dmso", "negative_control", "treatment")
    number = obs["perturbation"].str.removeprefix("t").where(obs["role"] == "treatment", "-1").astype(int)
    if design.classes:
        deal = rng.permutation(np.arange(design.units) % design.classes)
        obs["moa"] = [f"m{deal[unit]}" if unit >= 0 else None for unit in number]
    if design.guides > 1:
        obs["gene"] = [f"g{unit // design.guides}" if unit >= 0 else "none" for unit in number]
    obs.index = [f"w{each}" for each in range(len(obs))]
    return obs


def effects_of(design: Design, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    """Return what perturbations do; those of a mechanism, complex or gene do much of it together.

    Complexes and genes are drawn from many, as perturbations are. Mechanisms and classes of patients are what they are:
    they do the same in all screens, and no interval holds that they could be others.
    """
    found = {}
    size = max(design.complex_size, design.guides)
    groups = (np.random.default_rng(0) if design.classes else rng).normal(size=(design.units, D))
    for unit in range(design.units):
        group = unit % design.classes if design.classes else unit // size if size > 1 else unit
        found[f"t{unit}"] = rng.exponential(0.8) * (0.6 * groups[group] + 0.8 * rng.normal(size=D))
    return found


def noise(design: Design, obs: pd.DataFrame, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return noise of wells, plates, batches and positions (wells, d)."""
    shape = (len(obs), D)
    x = rng.standard_t(design.tails, shape) if design.tails else rng.normal(size=shape)
    for column in ("plate", "batch"):
        if column in obs:
            codes = pd.factorize(obs[column])[0]
            x += design.offset * rng.normal(size=(codes.max() + 1, D))[codes]
    for column in ("row", "column"):
        place = obs[column].to_numpy() / obs[column].max() - 0.5
        x += design.gradient * np.outer(place, rng.normal(size=D))
    return x


def tasks_of(design: Design, folder: Path) -> list[Any]:
    """Return what is asked of a design."""
    tasks = []
    for name, options in design.tasks:
        cluster = {"cluster": "gene"} if design.guides > 1 else {}
        tasks.append(make_task(name, **options, **cluster))
    if design.complex_size:
        path = folder / "known.csv"
        pairs = []
        for first in range(0, design.units, design.complex_size):
            pairs += combinations([f"t{unit}" for unit in range(first, first + design.complex_size)], 2)
        pd.DataFrame(pairs, columns=["entity1", "entity2"]).to_csv(path, index=False)
        tasks.append(make_task("relationship-recall", relations=[str(path)], **FEW))
    if design.name == "patients":
        tasks.append(make_task("knn-probe", label="moa", group="perturbation", folds=4))
    return tasks


def _is_false(record: object, *, acts: bool, plates_differ: bool) -> bool:
    """Return whether a record claims what is not so, as the sentences do that are made of it."""
    said = False
    match record:
        case EncoderDifference():  # the two are equally good
            said = record.is_significant and record.better_is_above_chance
        case ConceptDifference():
            said = record.is_significant and record.better_encodes_it
        case Activity():
            said = not acts and record.n_active > 0
        case NuisanceReadout():
            said = not acts and record.is_readable and not plates_differ
        case BaselineDifference():
            said = not acts and record.is_claimed and record.is_significant and record.better_is_above_chance
        case Claim():
            said = not acts and record.is_claimed and record.is_significant
    return said


def _covered(found: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether intervals (value, low, high) hold the mean value."""
    truth = found[:, 0].mean()
    return (found[:, 1] <= truth) & (truth <= found[:, 2])


def _rate(found: Any) -> dict[str, float]:
    found = np.asarray(found, dtype=float)
    if not len(found):
        return {"rate": float("nan"), "n": 0, "se": float("nan")}
    rate, n = float(found.mean()), len(found)
    return {"rate": round(rate, 4), "n": n, "se": round(float(np.sqrt(rate * (1 - rate) / n)), 4)}


def _mean(found: Sequence[float]) -> dict[str, float]:
    return {"mean": round(float(np.mean(found)), 4), "se": round(float(np.std(found) / np.sqrt(len(found))), 4)}


if __name__ == "__main__":
    main()
