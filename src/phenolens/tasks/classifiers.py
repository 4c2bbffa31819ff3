"""Classifiers of probes: each predicts the test rows under all candidate settings at once."""

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
        Class codes; all classes have the same weight.
    penalties
        Inverse penalties in increasing order, so that each fit starts from a smoother one.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(class_weight="balanced", max_iter=_ITERATIONS, tol=1e-3, warm_start=True)
    predicted = []
    # These matrices are small: several threads would spend most of their time waiting for each other.
    with warnings.catch_warnings(), threadpool_limits(1):
        # A weak penalty may not converge; tuning then scores it as it is.
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
        Class codes; all classes have the same weight.
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
    """Return the most frequent class (len(neighbours), n_test) among the k nearest neighbours by cosine.

    Parameters
    ----------
    train_x, test_x
        Standardised vectors.
    train_y
        Class codes.
    neighbours
        The numbers k; a k above the number of training rows takes all of them. Ties go to the class with the nearest
        member.
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
