"""scikit-learn's own checks of an estimator, as far as they can be asked of one that takes text.

The checks hand over numbers. Here each number becomes a molecule, so that they run.
"""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from bench.api.classifier import LongTailClassifier

# Checks that make no sense for text, and why.
_NOT_FOR_TEXT = {
    "check_estimators_nan_inf": "NaN is an empty text, refused as a SMILES that cannot be read, "
    "and infinity is no text: no message speaks of NaN or infinity",
    "check_fit2d_predict1d": "one dimension is a column of molecules, and not a row to reshape: "
    "of several columns it is refused for their number, of one it is right",
}


class MoleculesOfNumbers(LongTailClassifier):
    """Every number is an alcohol or amine; what is no number stays as it is."""

    def fit(self, X, y):  # noqa: N803
        return super().fit(_molecules(X), y)

    def predict(self, X):  # noqa: N803
        return super().predict(_molecules(X))

    def predict_proba(self, X):  # noqa: N803
        return super().predict_proba(_molecules(X))

    def decision_function(self, X):  # noqa: N803
        return super().decision_function(_molecules(X))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = False  # else checks that take two columns get one
        tags.classifier_tags.poor_score = True  # after one epoch
        return tags


def _molecules(x):
    if np.asarray(x).dtype.kind == "c":
        return x
    try:
        values = np.asarray(x, dtype=float)
    except (TypeError, ValueError):
        return x
    if values.ndim != 2 or not np.isfinite(values).all():
        return x
    carbons = 1 + (np.abs(values) * 7).astype(int) % 12
    ends = np.where(values < 0, "N", "O")
    named = np.vectorize(lambda n, e: "C" * n + e, otypes=[object])(carbons, ends)
    if not hasattr(x, "columns"):
        return named
    import pandas as pd

    return pd.DataFrame(named, columns=x.columns)


@pytest.fixture(autouse=True)
def _quiet():
    with np.errstate(all="ignore"):
        yield


@parametrize_with_checks(
    [MoleculesOfNumbers(epochs=1, batch_size=64)],
    expected_failed_checks=lambda _: _NOT_FOR_TEXT,
)
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)
