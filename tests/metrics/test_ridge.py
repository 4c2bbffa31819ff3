import numpy as np
from numpy.testing import assert_allclose
from sklearn.linear_model import Ridge

from phenolens.metrics import ridge_by_target, ridge_path

PENALTIES = (10.0, 0.1, 1e-4)


def test_the_path_equals_scikit_learn():
    rng = np.random.default_rng(2)
    x, y, new = rng.normal(size=(40, 6)), rng.normal(size=(40, 2)), rng.normal(size=(5, 6))
    weights = rng.random(40) + 0.5
    found = ridge_path(x, y, new, PENALTIES, weights)
    centred = np.sqrt(weights)[:, None] * (x - np.average(x, axis=0, weights=weights))
    scale = np.mean(np.linalg.svd(centred, compute_uv=False) ** 2)
    for number, penalty in enumerate(PENALTIES):
        expected = Ridge(penalty * scale).fit(x, y, sample_weight=weights).predict(new)
        assert_allclose(found[number], expected, atol=1e-8)


def test_each_target_gets_the_penalty_of_least_generalised_error():
    rng = np.random.default_rng(3)
    x, new = rng.normal(size=(30, 20)), rng.normal(size=(7, 20))
    plain = x @ rng.normal(size=20) + 0.01 * rng.normal(size=30)
    y = np.column_stack([plain, rng.normal(size=30), 0.2 * plain + rng.normal(size=30)])
    found = ridge_by_target(x, y, new, PENALTIES)
    scale = np.mean(np.linalg.svd(x, compute_uv=False) ** 2)
    chosen = []
    for target in range(3):
        errors = []
        for penalty in PENALTIES:
            hat = x @ np.linalg.solve(x.T @ x + penalty * scale * np.eye(20), x.T)
            left = (np.eye(30) - hat) @ y[:, target]
            errors.append((left**2).sum() / (30 - np.trace(hat)) ** 2)
        best = PENALTIES[int(np.argmin(errors))]
        chosen.append(best)
        assert_allclose(
            found[:, target], Ridge(best * scale, fit_intercept=False).fit(x, y[:, target]).predict(new), atol=1e-8
        )
    assert len(set(chosen)) > 1  # a clear target and noise do not want the same
