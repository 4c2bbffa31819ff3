"""A study of which it is known what every encoder holds, written down record by record: made in a second."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from anndata import AnnData
from PIL import Image

from phenolens.diagnosis.evidence import Evidence
from phenolens.diagnosis.records import (
    AfterIntervention,
    BaselineDifference,
    BiologyBesideNuisance,
    ConceptScore,
    LessDataScore,
    MetricRange,
    NuisanceReadout,
    StratumGain,
    WithoutShortcut,
)
from phenolens.diagnosis.rules import judge
from phenolens.embedding import write_embeddings
from phenolens.encoders import as_file_name
from phenolens.evaluation import Estimate
from phenolens.report import Results
from phenolens.report.examples import ACROSS, SHEET, SITES, TILE
from phenolens.simulation import LEVELS

TASKS = ("replicate-retrieval:controls", "replicate-retrieval:others", "relationship-recall:relations")
PROFILINGS = ("raw", "tvn")
BASELINES = {"classical-features": 0.5, "untrained/resnet18@mixing=joint": 0.4, "cell-count": 0.35, "metadata": 0.25}
CHANCE = 0.2


@dataclass(frozen=True)
class Made:
    """What is true of an encoder: its score, by which shortcut, which concepts, and whose neighbours it finds."""

    score: float
    beats: bool = False
    shortcut: str = ""
    concepts: tuple[str, ...] = ()
    side: str = "neither"


LONG = "timm/vit_small@weights=/projects/imaging/2026-03-14/cell_painting/run_17_vit_small_seed0/weights.safetensors"
FOUR = {
    LONG: Made(0.75, beats=True, concepts=("texture", "shape"), side="biology"),
    "counts": Made(0.45, shortcut="cell count", concepts=("density",), side="biology"),
    "checkpoint:/projects/imaging/2026-03-14/run_18/last.ckpt": Made(CHANCE, concepts=("acquisition",), side="batch"),
    "noise": Made(CHANCE),
}


def estimate(value, width=0.05, p=0.5):
    return Estimate(value, value - width, value + width, 24, p, p)


def records_of(name, made, *, is_first=False):
    """Return what a diagnosis would find of one encoder."""
    found = []
    above = made.score > CHANCE + 0.05
    for task in TASKS:
        for profiling in PROFILINGS:
            for baseline, value in BASELINES.items():
                gain = made.score - value
                references = {
                    "classical-features": "best baseline",
                    "untrained/resnet18@mixing=joint": "best untrained network",
                }
                found.append(
                    BaselineDifference(
                        estimate(gain, p=0.001 if made.beats or not above else 0.4),
                        task=task,
                        profiling=profiling,
                        encoder=name,
                        baseline=baseline,
                        untrained=baseline.startswith("untrained"),
                        reference=references.get(baseline, ""),
                        encoder_above_chance=above,
                    )
                )
            if is_first:
                found.append(
                    MetricRange(
                        task,
                        profiling,
                        CHANCE,
                        1.0,
                        "maximum",
                        "classical-features",
                        0.5,
                        LONG,
                        0.75,
                        0.7,
                        0.6,
                        0.25,
                        0.9,
                        "tells",
                        estimate(0.8),
                        4,
                        "perturbation",
                        24,
                        24,
                    )
                )
            for shortcut in ("cell count", "intensity", "position", "plate"):
                left = 1.0 if shortcut != made.shortcut else 0.15
                known = estimate(left, 0.04, 0.001 if left < 1 else 0.9) if above else Estimate()
                found.append(
                    WithoutShortcut(
                        known,
                        task,
                        profiling,
                        name,
                        True,
                        made.score,
                        left * made.score,
                        CHANCE,
                        shortcut,
                        "regressed out",
                        "controls",
                        True,
                    )
                )
            left = estimate(0.4, 0.1, 0.001) if above else Estimate()
            found.append(AfterIntervention(left, task, profiling, name, True, made.score, 0.3, CHANCE, "blur:4", 0.5))
            for stratum, share in (("1 uM", 0.5), ("3 uM", 0.8), ("10 uM", 1.0)):
                value = CHANCE + share * (made.score - CHANCE)
                found.append(
                    StratumGain(
                        name,
                        "classical-features",
                        task,
                        profiling,
                        "dose",
                        stratum,
                        value,
                        0.5 * share,
                        CHANCE,
                        estimate(value - 0.5 * share),
                    )
                )
            found += [
                LessDataScore(
                    name, "classical-features", task, profiling, "replicates", n, estimate(made.score), CHANCE
                )
                for n in (2, 4, 8)
            ]
    for concept in LEVELS:
        encoded = concept in made.concepts
        r = 0.7 if encoded else 0.02
        found.append(
            ConceptScore(
                estimate(r, p=0.001 if encoded else 0.8),
                name,
                concept,
                True,
                concept,
                r,
                counterpart_r=0.1,
                gain=estimate(r - 0.1),
                encoding="encoded" if encoded else "not detected",
            )
        )
    robustness = {"biology": 0.7, "batch": 0.02, "neither": 0.1}[made.side]
    for profiling in PROFILINGS:
        found.append(
            BiologyBesideNuisance(
                name,
                profiling,
                True,
                "perturbation",
                "plate",
                estimate(0.4),
                0.1,
                0.1,
                estimate(0.5),
                0.1,
                0.1,
                estimate(robustness, 0.03),
                0.1,
                0.5,
                10,
                96,
            )
        )
        readable = 0.9 if made.side == "batch" else 0.25
        found.append(
            NuisanceReadout(
                "leakage:plate", profiling, name, "the plate", "balanced accuracy", estimate(readable, 0.06), 0.25
            )
        )
    return found


def score_rows(name, value, *, baseline):
    rows = []
    for task in TASKS:
        for profiling in PROFILINGS:
            rows.append(
                {
                    "encoder": name,
                    "encoder_id": name,
                    "baseline": baseline,
                    "profiling": profiling,
                    "task": task,
                    "metric": "mAP",
                    "unit": "perturbation",
                    "value": value,
                    "chance": CHANCE,
                    "normalised": (value - CHANCE) / (1 - CHANCE),
                    "low": value - 0.05,
                    "high": value + 0.05,
                    "minimum_detectable": 0.05,
                    "n_units": 24,
                    "higher_is_better": True,
                    "leak": "",
                    "notes": ["the layout is the same on each plate"],
                }
            )
    return rows


def unit_rows(name, value, n_units):
    rows = []
    for task in TASKS:
        for profiling in PROFILINGS:
            for unit in range(n_units):
                rows.append(
                    {
                        "encoder": name,
                        "encoder_id": name,
                        "profiling": profiling,
                        "task": task,
                        "unit": f"drug {unit}",
                        "stratum": "",
                        "value": value,
                        "weight": 1.0,
                        "chance": CHANCE,
                        "p": 0.01,
                        "p_adjusted": 0.02,
                        "significant": unit % 2 == 0,
                    }
                )
    return rows


def write_study(folder, encoders=FOUR, *, n_sites=96, dim=8, n_thumbnails=60, n_units=8, word=""):
    """Write results, embeddings and thumbnails of a study, and return the results; `word` is part of all metadata."""
    records, scores, units = [], [], []
    for name, made in encoders.items():
        records += records_of(name, made, is_first=not records)
        scores += score_rows(name, made.score, baseline=False)
        units += unit_rows(name, made.score, n_units)
    for name, value in BASELINES.items():
        scores += score_rows(name, value, baseline=True)
        units += unit_rows(name, value, n_units)
    evidence = Evidence(tuple(records))
    results = Results(
        name="four encoders of which all is known",
        dataset={
            "manifest": "manifest.csv",
            "n_sites": n_sites,
            "n_wells": n_sites,
            "n_plates": 4,
            "n_perturbations": n_units,
        },
        encoders=[
            {
                "id": name,
                "encoder": name,
                "baseline": name in BASELINES,
                "dim": dim,
                "weights_hash": "",
                "sites_per_second": 1.0,
            }
            for name in (*encoders, *BASELINES)
        ],
        panel_missing=[],
        scores=pd.DataFrame(scores),
        units=pd.DataFrame(units),
        verdicts=judge(evidence),
        skipped=[],
        quarantine=[],
        examples=[],
        provenance={"versions": {"phenolens": "1"}, "recipe": f"encoders: [{LONG}]", "seed": 0},
        evidence=evidence,
    )
    results.save(folder)
    write_vectors(folder, encoders, n_sites, dim, n_units, word)
    write_tiles(folder, [f"site{i}{word}" for i in range(min(n_sites, n_thumbnails))])
    return results


def write_vectors(folder, encoders, n_sites, dim, n_units, word):
    rng = np.random.default_rng(0)
    places = np.arange(n_sites)
    per_plate = -(-n_sites // 4)
    obs = pd.DataFrame(
        {
            "site_id": [f"site{i}{word}" for i in places],
            "perturbation": [f"drug {i % n_units}{word}" for i in places],
            "plate": [f"plate {i // per_plate}{word}" for i in places],
            "well": [f"{chr(65 + i % per_plate // 24 % 26)}{i % per_plate % 24 + 1:02d}" for i in places],
            "dose": 10.0 ** rng.integers(0, 4, n_sites),
        },
        index=[f"site{i}" for i in places],
    )
    (folder / "embeddings").mkdir(exist_ok=True)
    for name in encoders:
        vectors = rng.normal(size=(n_sites, dim)).astype(np.float32)
        write_embeddings(AnnData(vectors, obs=obs), folder / "embeddings" / f"{as_file_name(name)}.h5ad")


def write_tiles(folder, sites):
    rng = np.random.default_rng(0)
    rows = -(-len(sites) // ACROSS)
    noise = rng.integers(0, 255, (rows * TILE, ACROSS * TILE, 3), dtype=np.uint8)
    (folder / SHEET).parent.mkdir(exist_ok=True)
    Image.fromarray(noise).save(folder / SHEET, quality=82)
    pd.DataFrame({"site_id": sites}).to_csv(folder / SITES, index=False)
