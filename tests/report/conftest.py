"""A realistic study in small: what the report is tried on."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from phenolens.report import Results, write_report

TESTED = ["hf/recursionpharma/OpenPhenom", "checkpoint:ca-mae-s16-bbbc013@layer=8"]
BASELINES = [
    "untrained/resnet18@channels=concat",
    "untrained/vit_small_patch16@channels=concat",
    "baseline/intensity",
    "baseline/cell-count",
    "baseline/position",
]
SKILL = dict(zip([*TESTED, *BASELINES], [0.22, 0.31, 0.15, 0.17, 0.14, 0.07, 0.02], strict=True))
LEAK = "leaking: 77 of 77 movies stand on both sides of the split"
RECIPE = """name: movement of a phenotype
seed: 7
dataset:
  manifest: manifest.parquet   # <script>alert("recipe")</script>
encoders:
  - hf/recursionpharma/OpenPhenom
  - checkpoint:ca-mae-s16-bbbc013@layer=8
profiling: [none, tvn]
tasks:
  - replicate-retrieval
  - linear-probe: {label: phenotype, split: grouped by movie}
"""


def members(family: str) -> list[str]:
    """The encoders of a family: three seeds of an untrained network, else one."""
    return [f"{family},seed={s}" for s in range(3)] if family.startswith("untrained") else [family]


def png(path: Path, seed: int, side: int = 64) -> None:
    """Write a small grey PNG without any help."""
    y, x = np.mgrid[:side, :side] / side
    rng = np.random.default_rng(seed)
    spots = sum(np.exp(-((x - a) ** 2 + (y - b) ** 2) / 0.004) for a, b in rng.random((9, 2)))
    pixels = np.clip(spots * 200 + rng.normal(12, 5, (side, side)), 0, 255).astype(np.uint8)
    raw = b"".join(b"\0" + row.tobytes() for row in pixels)
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(raw)),
        (b"IEND", b""),
    ]
    body = b"".join(struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def tables(n_units: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Scores, units and comparisons with plausible numbers."""
    rng = np.random.default_rng(3)
    tasks = [
        ("replicate-retrieval", "mean average precision", "perturbation", n_units, 0.03, ""),
        ("relationship-recall:CORUM", "recall at 5 %", "gene pair", 140, 0.10, ""),
        ("linear-probe:phenotype|grouped by movie", "balanced accuracy", "class", 11, 1 / 11, ""),
        ("linear-probe:phenotype|random", "balanced accuracy", "class", 11, 1 / 11, LEAK),
    ]
    scores, units, pairs = [], [], []
    for task, metric, unit, n, chance, caveat in tasks:
        names = [f"{unit} {i:03d}" if unit != "class" else f"phenotype {chr(65 + i)}" for i in range(n)]
        ease = rng.gamma(1.3, 0.8, n)
        for profiling, lift in (("none", 0.8), ("tvn", 1.1)):
            means: dict[str, np.ndarray] = {}
            for family, skill in SKILL.items():
                values = []
                for encoder in members(family):
                    gain = skill * lift + (0.25 if caveat else 0)
                    v = np.clip(chance + gain * ease * rng.normal(1, 0.15, n) + rng.normal(0, 0.02, n), 0, 1)
                    values.append(v)
                    spread = 1.96 * v.std() / np.sqrt(n)
                    base = {"encoder": encoder, "family": family, "profiling": profiling, "task": task}
                    scores.append(
                        {
                            **base,
                            "baseline": family in BASELINES,
                            "metric": metric,
                            "unit": unit,
                            "value": v.mean(),
                        }
                        | {
                            "chance": chance,
                            "low": v.mean() - spread,
                            "high": v.mean() + spread,
                            "detectable": spread,
                            "n_units": n,
                        }
                        | {"higher_is_better": True, "caveat": caveat}
                    )
                    p = np.clip(np.exp(-(v - chance) * 40), 1e-3, 1)
                    for name, value, one in zip(names, v, p, strict=True):
                        stratum = ("strong" if ease[names.index(name)] > 1 else "subtle") if n < 100 else ""
                        units.append({**base, "unit": name, "stratum": stratum, "value": value, "weight": 1.0})
                        units[-1] |= {
                            "chance": chance,
                            "p": one,
                            "p_adjusted": min(1.0, one * 2),
                            "significant": one * 2 <= 0.05,
                        }
                means[family] = np.mean(values, axis=0)
            for tested in TESTED:
                for baseline in BASELINES:
                    d = means[tested] - means[baseline]
                    half = 1.96 * d.std() / np.sqrt(n)
                    pairs.append({"task": task, "profiling": profiling, "encoder": tested, "baseline": baseline})
                    pairs[-1] |= {
                        "difference": d.mean(),
                        "low": d.mean() - half,
                        "high": d.mean() + half,
                        "n_units": n,
                        "detectable": half,
                        "p": 0.01,
                        "p_adjusted": 0.02 if baseline == BASELINES[0] else np.nan,
                        "scaled": 0.3,
                        "seeds_low": 0.1,
                        "seeds_high": 0.2,
                    }
    return pd.DataFrame(scores), pd.DataFrame(units), pd.DataFrame(pairs)


def evidence() -> dict[str, object]:
    """What a card rests on, of two families, one of which has a twin."""
    question = {"task": "replicate-retrieval", "profiling": "tvn"}
    mine = {"family": TESTED[1], "baseline": BASELINES[0], **question}
    levels, factors = ["density", "texture"], ["count", "mesh"]
    known = [
        {"family": family, "level": level, "best": factor, "r": skill, "p": 0.01, "p_adjusted": 0.02, "rows": 384}
        | {"known": skill > 0.3, "mean_r": skill, "low": skill - 0.1, "high": skill + 0.1}
        | dict.fromkeys(("twin", "gain", "gain_low", "gain_high"), 0.2 if family == TESTED[1] else np.nan)
        for family, skill in ((BASELINES[0], 0.2), (TESTED[1], 0.4))
        for level, factor in zip(levels, factors, strict=True)
    ]
    shape = {"n_features": 384, "effective_dimensions": 12.3, "top_share": 0.4, "mean_cosine": 0.9, "hubness": 1.2}
    shape |= {"ties": 0.0, "zero": 0, "dead": 3, "not_finite": 0}
    return {
        "degeneracy": [
            {"encoder": TESTED[1], "duplicates": 0, "finding": "", **shape},
            {"encoder": TESTED[0], "duplicates": 200, "finding": "collapsed: 200 of 300 rows repeat", **shape},
        ],
        "levels": known,
        "factors": [],
        "variance": [
            {"family": TESTED[1], "block": "treatment", "alone": 0.123, "beyond": 0.1, "first": 0.5, "large": 0.4}
        ],
        "shortcuts": [
            mine
            | {"shortcut": "cell count", "way": "matched", "fit": "", "before": 0.5, "value": 0.35, "n_units": 17}
            | {"retention": 0.62, "low": 0.5, "high": 0.7}
        ],
        "similarities": [
            {"family": TESTED[1], "shortcut": "cell count", "follows": 0.31, "low": 0.2, "high": 0.4, "rows": 300}
            | {"biology": 0.12, "biology_low": 0.05, "biology_high": 0.2, "alone": 0.15}
        ],
        "metrics": [
            question
            | {"chance": 0.1, "ceiling": 0.8, "ceiling_is": "replicates", "best_baseline": BASELINES[0]}
            | {"best_baseline_value": 0.45, "headroom": 0.5, "finest": 0.25, "sensitivity": 0.93, "grade": "tells"}
            | {"stability": 0.61, "tau_low": 0.4, "tau_high": 0.8, "protocols": 2, "why": "so"}
        ],
        "nuisances": [
            {"family": TESTED[1], "profiling": "tvn", "nuisance": "plate", "robustness_chance": 0.24, "lisi": 0.7}
            | {f"{what}_{limit}": 0.3 for what in ("biology", "nuisance", "robustness") for limit in ("low", "high")}
            | {"biology_score": 0.33, "nuisance_score": 0.22, "robustness": np.nan}
        ],
        "strata": [
            mine
            | {"by": "strength", "stratum": "strong", "value": 0.71, "baseline_value": 0.52, "n_units": 33}
            | {"difference": 0.19, "low": 0.1, "high": 0.28}
        ],
        "efficiency": [
            mine
            | {"data": "replicates", "amount": 4, "value": 0.64, "low": 0.6, "high": 0.7, "chance": 0.1}
            | {"difference": 0.17, "difference_low": 0.1, "difference_high": 0.2}
        ],
        "sweep": [
            {
                "network": TESTED[1],
                "chosen": f"{TESTED[1]}@layer=3",
                "share": 0.9,
                "value": 0.66,
                "last": 0.6,
                **question,
            }
            | {"low": 0.6, "high": 0.7, "difference": 0.06, "difference_low": 0.01, "difference_high": 0.1}
            | {"optimism": 0.012}
        ],
        "interventions": [
            mine
            | {"intervention": "blur:2", "before": 0.5, "value": 0.26, "n_units": 24}
            | {"retention": 0.413, "low": 0.3, "high": 0.5, "shift": 0.77},
            mine
            | {"intervention": "flip", "before": 0.5, "value": 0.5, "n_units": 24}
            | dict.fromkeys(("retention", "low", "high"), np.nan)
            | {"shift": 0.01},
        ],
        "truth": True,
        "not_asked": {"shape": "nothing is left of it"},
    }


def write_embeddings(folder: Path, n: int, families: list[str]) -> None:
    """Write one small .h5ad per family, with the metadata a manifest has."""
    rng = np.random.default_rng(5)
    (folder / "embeddings").mkdir(parents=True)
    kind = rng.integers(0, 12, n)
    obs = pd.DataFrame(
        {
            "site_id": [f"P{i % 3}-{i:04d}" for i in range(n)],
            "perturbation": ["DMSO" if k == 0 else f"compound {k:02d}" for k in kind],
            "role": ["negative_control" if k == 0 else "treatment" for k in kind],
            "plate": [f"P{i % 3}" for i in range(n)],
            "well": [f"{'ABCDEFGH'[i % 8]}{i % 12 + 1:02d}" for i in range(n)],
            "dose": np.where(kind == 0, np.nan, 10.0 ** rng.integers(-2, 2, n)),
            "cell_count": rng.normal(120, 30, n).round(1),
        },
        index=[str(i) for i in range(n)],
    )
    centres = rng.normal(0, 1, (12, 16))
    for i, family in enumerate(families):
        skill = SKILL[family]
        x = centres[kind] * skill * 12 + rng.normal(0, 1, (n, 16)) + rng.normal(0, 1, (3, 16))[np.arange(n) % 3]
        store = anndata.AnnData(X=x.astype(np.float32), obs=obs.copy())
        store.uns["phenolens"] = {"encoder": members(family)[0]}
        store.write_h5ad(folder / "embeddings" / f"encoder-{i}.h5ad")


@pytest.fixture(scope="session")
def make_results() -> Callable[..., Results]:
    """Build the results of a study; any field can be replaced."""

    def make(n_units: int = 24, **changes: object) -> Results:
        scores, units, comparisons = tables(n_units)
        encoders = [
            {"name": e, "family": f, "baseline": f in BASELINES, "dim": 384, "weights_hash": "9f2c" * 16}
            | {"sites_per_second": None if f in BASELINES else 41.5}
            for f in SKILL
            for e in members(f)
        ]
        verdict = {"task": "replicate-retrieval", "profiling": "tvn", "encoder": TESTED[1]}
        fields: dict[str, object] = {
            "name": "Movement of a phenotype",
            "dataset": {
                "manifest": "manifest.parquet",
                "manifest_hash": "ab12" * 16,
                "n_sites": 12345,
                "n_wells": 2057,
                "n_plates": 6,
                "channels": ["DNA", "ER", "RNA", "AGP", "Mito"],
                "n_perturbations": n_units,
                "n_negative_controls": 384,
                "groups": {"movies": 77},
            },
            "encoders": encoders,
            "panel_missing": [
                {"name": "untrained/convnext_tiny@channels=concat", "reason": "too slow here", "by_recipe": True},
                {"name": "well-position", "reason": "the manifest has no column 'well'", "by_recipe": False},
            ],
            "scores": scores,
            "units": units,
            "comparisons": comparisons,
            "verdicts": [
                {
                    **verdict,
                    "kind": "gain",
                    "claim": f"{TESTED[1]} retrieves replicates better than every baseline in the panel.",
                    "effect": 0.142,
                    "low": 0.097,
                    "high": 0.19,
                    "baseline": BASELINES[1],
                },
                {
                    **verdict,
                    "kind": "activity",
                    "claim": "18 of 24 perturbations are told from the controls.",
                    "effect": 0.75,
                    "low": 0.58,
                    "high": 0.92,
                    "baseline": "",
                },
                {
                    **verdict,
                    "task": "linear-probe:phenotype|random",
                    "kind": "leak",
                    "claim": "The random split leaks: accuracy falls from 0.68 to 0.41 once movies are kept whole.",
                    "effect": 0.27,
                    "low": 0.21,
                    "high": 0.33,
                    "baseline": "",
                },
            ],
            "skipped": [
                {
                    "task": "concept-probe:spacing",
                    "profiling": p,
                    "encoder": e,
                    "reason": "no instance masks are given",
                }
                for p in ("none", "tvn")
                for e in TESTED
            ],
            "quarantine": [{"site_id": f"P4-{i:04d}", "reason": "the ER image is constant"} for i in range(26)],
            "examples": [
                {"caption": f"{name}, DNA channel", "file": f"examples/{i}.png"}
                for i, name in enumerate(["DMSO", "compound 03", "compound 07"])
            ],
            "provenance": {
                "versions": {"phenolens": "0.1.0", "torch": "2.10.0", "numpy": "2.3.1"},
                "recipe": RECIPE,
                "seed": 7,
                "precision": "float32",
                "device": "cpu",
                "created": "2026-10-01T09:00:00Z",
            },
            "evidence": evidence(),
        }
        return Results(**(fields | changes))  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory, make_results: Callable[..., Results]) -> Path:
    """A folder with results, embeddings, images and the report."""
    folder = tmp_path_factory.mktemp("study")
    make_results().save(folder)
    (folder / "examples").mkdir()
    for i in range(3):
        png(folder / "examples" / f"{i}.png", i)
    write_embeddings(folder, 60, [TESTED[1], BASELINES[0]])
    write_report(folder)
    return folder
