"""The probes' classifiers: each predicts the test rows under every candidate setting at once."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from phenolens.metrics import cosine_similarity

_ITERATIONS = 300


def predict_linear(
    train_x: NDArray[Any], train_y: NDArray[np.intp], test_x: NDArray[Any], penalties: tuple[float, ...]
) -> NDArray[np.intp]:
    """Return the classes (len(penalties), n_test) that logistic regression predicts.

    Parameters
    ----------
    train_x, test_x
        Standardised vectors.
    train_y
        Class codes; each class weighs the same.
    penalties
        Inverse penalties, rising, so that each fit starts where a smoother one ended.
    """
    model = LogisticRegression(class_weight="balanced", max_iter=_ITERATIONS, tol=1e-3, warm_start=True)
    predicted = []
    # These matrices are small: threads would spend several times the work on waiting for one another.
    with warnings.catch_warnings(), threadpool_limits(1):
        # Where so weak a penalty does not converge, tuning sees what it is worth all the same.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for penalty in penalties:
            predicted.append(model.set_params(C=penalty).fit(train_x, train_y).predict(test_x))
    return np.stack(predicted)


def predict_ridge(
    train_x: NDArray[Any], train_y: NDArray[np.intp], test_x: NDArray[Any], penalties: tuple[float, ...]
) -> NDArray[np.intp]:
    """Return the classes (len(penalties), n_test) that ridge regression on one-hot classes predicts.

    Parameters
    ----------
    train_x, test_x
        Standardised vectors.
    train_y
        Class codes; each class weighs the same.
    penalties
        Penalties as multiples of the vectors' mean squared singular value: one decomposition serves all.
    """
    classes = np.arange(int(train_y.max()) + 1)
    counts = np.bincount(train_y, minlength=len(classes))
    weight = np.sqrt(len(train_y) / len(classes) / counts[train_y])[:, None]
    centre = np.average(train_x, axis=0, weights=weight[:, 0] ** 2)
    target = np.where(train_y[:, None] == classes, 1.0, -1.0)
    middle = np.average(target, axis=0, weights=weight[:, 0] ** 2)
    left, values, right = np.linalg.svd(weight * (train_x - centre), full_matrices=False)
    projected, seen = left.T @ (weight * (target - middle)), (test_x - centre) @ right.T
    scale = float(np.mean(values**2)) or 1.0
    shrunk = [values / (values**2 + penalty * scale) for penalty in penalties]
    return np.stack([np.argmax(seen * factor @ projected + middle, axis=1) for factor in shrunk])


def predict_nearest(
    train_x: NDArray[Any], train_y: NDArray[np.intp], test_x: NDArray[Any], neighbours: tuple[int, ...]
) -> NDArray[np.intp]:
    """Return the classes (len(neighbours), n_test) that the most of the k nearest by cosine have.

    Parameters
    ----------
    train_x, test_x
        Standardised vectors.
    train_y
        Class codes.
    neighbours
        The numbers k; a k beyond the training rows takes all of them. Equal votes go to the class whose
        member is nearest.
    """
    most = min(max(neighbours), len(train_x))
    similarity = cosine_similarity(test_x, train_x)
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :most]
    classes = train_y[nearest]
    n_classes = int(train_y.max()) + 1
    votes = np.zeros((len(test_x), n_classes))
    first = np.full((len(test_x), n_classes), most, dtype=float)
    predicted = {}
    rows = np.arange(len(test_x))
    for rank in range(most):
        votes[rows, classes[:, rank]] += 1
        first[rows, classes[:, rank]] = np.minimum(first[rows, classes[:, rank]], rank)
        if rank + 1 in neighbours or rank + 1 == most:
            predicted[rank + 1] = np.argmax(votes - first / (most + 1), axis=1)
    return np.stack([predicted[min(k, most)] for k in neighbours])
