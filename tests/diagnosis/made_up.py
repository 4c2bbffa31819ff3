"""Scores of given values, and evaluations made of them or of given vectors."""

import pandas as pd

from phenolens.embedding import encoder_info
from phenolens.encoders import describe_encoder
from phenolens.evaluation import EncoderScore, Estimate, Evaluation, Profiles, Settings
from phenolens.tasks import Score, make_task


def scored(encoder, score, task, *, profiling="raw", low=0.0, high=1.0):
    """A score of an encoder, with limits as they are given."""
    estimate = Estimate(score.value, low, high, score.n_units)
    return EncoderScore(describe_encoder(encoder), task, profiling, score, estimate)


def evaluation_of(*scores, embeddings=None, seed=0):
    """An evaluation of these scores."""
    infos = {each.info.id: each.info for each in scores}
    return Evaluation(list(scores), [], Profiles(embeddings or {}, infos, seed=seed), Settings(seed=seed))


def profiles_of(embeddings, *, batch_by=None, seed=0):
    """Profiles of vectors, their encoders told by name."""
    infos = {name: encoder_info(vectors, name) for name, vectors in embeddings.items()}
    return Profiles(embeddings, infos, batch_by, seed)


def evaluation_on(embeddings, *, profilings=("raw",), task=None, seed=0):
    """An evaluation of vectors, for what needs no scores: after each profiling one of a single unit."""
    profiles = profiles_of(embeddings, seed=seed)
    info = next(iter(profiles.infos.values()))
    score = Score("made up", "unit", pd.DataFrame({"unit": ["u"], "stratum": "", "value": 1.0, "weight": 1.0}))
    task = task or make_task("replicate-retrieval")
    scores = [EncoderScore(info, task, profiling, score, Estimate(score.value)) for profiling in profilings]
    return Evaluation(scores, [], profiles, Settings(tuple(profilings), seed=seed))
