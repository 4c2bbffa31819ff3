"""The probes' classifiers: each predicts the test rows under every candidate setting at once."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from phenolens.metrics import cosine_similarity, ridge_path

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
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

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
        Penalties, as in `ridge_path`.
    """
    classes = np.arange(int(train_y.max()) + 1)
    weights = len(train_y) / len(classes) / np.bincount(train_y, minlength=len(classes))[train_y]
    target = np.where(train_y[:, None] == classes, 1.0, -1.0)
    return ridge_path(train_x, target, test_x, penalties, weights).argmax(axis=2)


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
