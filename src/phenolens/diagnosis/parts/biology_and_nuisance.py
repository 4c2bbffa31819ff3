"""How well rows find others of their biology, beside others of the same plate, batch, slide or patient."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phenolens.core.errors import ProfilingError, TaskNotApplicable
from phenolens.core.random import spawn
from phenolens.diagnosis.confounding import (
    ACCEPTED,
    BIOLOGY,
    BIOLOGY_ONLY,
    MIXING,
    NUISANCE,
    NUISANCE_ONLY,
    Pairing,
    find_biology,
    pair_rows,
)
from phenolens.diagnosis.evidence import Found
from phenolens.diagnosis.records import NAN, BiologyBesideNuisance
from phenolens.evaluation import Estimate, Evaluation, Skipped, shared_names
from phenolens.metrics import (
    batch_silhouette,
    cluster_bootstrap,
    kbet,
    label_average_precision,
    lisi,
    nearest_neighbours,
    neighbour_purity,
    percentile_interval,
    stratified_mean,
)
from phenolens.profiling import Level

_PART = "nuisance"
_NEIGHBOURS = 20
_ACCEPTED = 0.05  # least p of kBET at which the neighbours of a row are mixed


def compare_nuisance(evaluation: Evaluation) -> Found:
    """Score biology and nuisance on the same rows, after the same post-processing.

    Biology is the perturbation and dose of a treated well, or else the label of a tile or cell. Nuisances are patient,
    slide, plate, batch and source, where they vary; one that groups rows as an earlier one does is left out. Wells are
    averages over their sites, so that the site is none. All encoders are scored on the rows that all of them have.
    Profilers are fitted on all controls, which are not ranked.

    Of more than 2,000 rows, whole units drawn at random are scored, and of a unit with more than 100 rows (more, where
    there are few units) only so many: five encoders of 20,000 wells and 384 dimensions take some 15 s on a core.

    Returns
    -------
    One `BiologyBesideNuisance` record per encoder, profiling and nuisance, each from the means of rows over seeds.

    Mean average precision is that with which rows find others of their biology, or of their nuisance, before all other
    rows. Robustness is `robustness_index` of as many nearest neighbours as a row has others of its biology, in the
    median and at most 20; it is NaN where biology and nuisance are wholly confounded, and its chance is far from one
    half. Mixing is the local inverse Simpson index of the 20 nearest neighbours, of which there can be as many as there
    are nuisances, or neighbours if these are fewer. Accepted is the share of rows whose 20 nearest neighbours have the
    nuisances of all rows (`kbet`, p of at least 0.05). The batch silhouette (`batch_silhouette`) is that of nuisances
    within the same biology; NaN where no biology has two rows of one nuisance and one of another.

    Every unit counts the same: a perturbation and dose, or, where biology is a label, a value of the first nuisance.
    Limits are those of 95 % cluster-bootstrap intervals over units, NaN with fewer than two. Over perturbations they
    say how scores vary with other perturbations on the same plates, not with other plates.

    Notes
    -----
    Source: Kömen et al., PathoROB (2025), for the robustness index.
    """
    profiles, seed = evaluation.profiles, evaluation.settings.seed
    try:
        sites = next(iter(profiles.embeddings.values())).obs
        level: Level = "well" if find_biology(sites).name == "perturbation" else "site"
        averaged = [profiles.averaged(encoder, level) for encoder in profiles.embeddings]
        shared = shared_names([each.obs_names for each in averaged])
        rows, pairings, unpaired = pair_rows(averaged[0].obs.loc[shared], seed)
    except (ProfilingError, TaskNotApplicable) as error:
        return Found(skipped=(Skipped(_PART, str(error)),))
    skipped = [Skipped(_PART, reason, what=nuisance) for nuisance, reason in unpaired.items()]
    if not pairings:
        return Found(skipped=tuple(skipped))
    tested = {info.name for info in profiles.infos.values() if info.is_tested}
    records = []
    for profiling in evaluation.answered_profilings:
        available, unavailable = profiles.available(profiles.embeddings, profiling, level, _PART)
        skipped += unavailable
        by_encoder: dict[str, list[list[NDArray[np.float64]]]] = {}
        silhouettes: dict[str, list[list[float]]] = {}
        for encoder, vectors in available.items():
            name, x = profiles.infos[encoder].name, np.asarray(vectors[rows].X)
            by_encoder.setdefault(name, []).append(_score_rows(x, pairings))
            silhouettes.setdefault(name, []).append([_batch_silhouette(x, pairing) for pairing in pairings])
        for number, pairing in enumerate(pairings):
            for encoder, seeds in by_encoder.items():
                values = np.mean([scores[number] for scores in seeds], axis=0)
                silhouette = float(np.mean([of_seed[number] for of_seed in silhouettes[encoder]]))
                # Every encoder meets the same draws.
                rng = spawn(seed, "nuisance", profiling, pairing.nuisance)
                records.append(_summarise(encoder, profiling, encoder in tested, values, silhouette, pairing, rng))
    return Found(tuple(records), tuple(skipped))


def _score_rows(x: NDArray[Any], pairings: Sequence[Pairing]) -> list[NDArray[np.float64]]:
    """Return for each pairing the scores (scored, 6) of the rows of vectors (n, d); columns as in `confounding`."""
    biology_of = pairings[0].biology_of
    near, distance = nearest_neighbours(x, min(_NEIGHBOURS, len(x) - 1))
    precision = label_average_precision(x, biology_of)
    found = []
    for pairing in pairings:
        nearest = near[:, : pairing.others]
        both = neighbour_purity(nearest, pairing.both_of)
        scores = np.empty((len(x), 6))
        scores[:, BIOLOGY] = precision
        scores[:, NUISANCE] = label_average_precision(x, pairing.nuisance_of)
        scores[:, BIOLOGY_ONLY] = neighbour_purity(nearest, biology_of) - both
        scores[:, NUISANCE_ONLY] = neighbour_purity(nearest, pairing.nuisance_of) - both
        most = min(pairing.nuisance_of.max() + 1, near.shape[1])
        scores[:, MIXING] = lisi(near, distance, pairing.nuisance_of) / most
        scores[:, ACCEPTED] = kbet(near, pairing.nuisance_of) >= _ACCEPTED
        found.append(scores[pairing.is_scored])
    return found


def _batch_silhouette(x: NDArray[Any], pairing: Pairing) -> float:
    """Return the mixing of nuisances within the same biology; NaN where no biology can be scored."""
    within = batch_silhouette(x, pairing.biology_of, pairing.nuisance_of)
    return float(np.mean(list(within.values()))) if within else NAN


def _summarise(
    encoder: str,
    profiling: str,
    under_test: bool,
    values: NDArray[np.float64],
    silhouette: float,
    pairing: Pairing,
    rng: np.random.Generator,
) -> BiologyBesideNuisance:
    """Return means and limits of the scores (scored, 6) of rows."""
    units, weights = pairing.unit_of[pairing.is_scored], pairing.weights
    n_units = len(np.unique(units))
    mean = stratified_mean(values, weights)
    chance = stratified_mean(pairing.chance, weights)
    crossed = stratified_mean(pairing.crossed, weights)
    draws = np.full((1, len(mean)), np.nan)
    if n_units > 1:
        draws = cluster_bootstrap(values, units, weights=weights, rng=rng)
    robustness = Estimate(n_units=n_units)
    robustness_chance = float(_robustness(chance))
    if 0 < robustness_chance < 1:
        robustness = Estimate(float(_robustness(mean)), *percentile_interval(_robustness(draws)), n_units)
    return BiologyBesideNuisance(
        encoder,
        profiling,
        under_test,
        pairing.biology,
        pairing.nuisance,
        biology_score=Estimate(float(mean[BIOLOGY]), *percentile_interval(draws[:, BIOLOGY]), n_units),
        biology_chance=float(chance[BIOLOGY]),
        biology_by_nuisance=float(crossed[BIOLOGY]),
        nuisance_score=Estimate(float(mean[NUISANCE]), *percentile_interval(draws[:, NUISANCE]), n_units),
        nuisance_chance=float(chance[NUISANCE]),
        nuisance_by_biology=float(crossed[NUISANCE]),
        robustness=robustness,
        robustness_chance=robustness_chance,
        mixing=float(mean[MIXING]),
        neighbours=min(pairing.others, _NEIGHBOURS),
        n_rows=len(values),
        caveat=pairing.caveat,
        accepted=float(mean[ACCEPTED]),
        batch_silhouette=NAN if np.isnan(silhouette) else silhouette,
    )


def _robustness(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return, of neighbours that share biology or nuisance alone, the share that shares biology; NaN if none does."""
    alone = means[..., BIOLOGY_ONLY]
    total = alone + means[..., NUISANCE_ONLY]
    return np.divide(alone, total, out=np.full_like(total, np.nan), where=total > 0)
