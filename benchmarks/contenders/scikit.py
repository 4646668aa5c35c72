"""scikit-learn's MLPClassifier, one `partial_fit` per run."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.neural_network import MLPClassifier

from benchmarks.contenders.workload import Workload, rows_and_labels


class ScikitLearn:
    """The classifier without momentum and without weight decay, so that it does the same work."""

    def __init__(self, workload: Workload) -> None:
        self._X, self._y = rows_and_labels()
        self._samples = workload.steps * workload.batch_size
        self._start = 0
        self._classifier = MLPClassifier(
            workload.widths[1:-1],
            activation="logistic" if workload.activation == "sigmoid" else "relu",
            solver=workload.optimizer,
            alpha=0,
            batch_size=workload.batch_size,
            learning_rate_init=workload.rate,
            momentum=0,
            nesterovs_momentum=False,
            random_state=0,
        )
        self._classes = np.arange(workload.widths[-1])

    def run(self) -> None:
        """Train on the next images; the classifier shuffles them and cuts them into mini-batches."""
        if self._start + self._samples > len(self._X):
            self._start = 0
        part = slice(self._start, self._start + self._samples)
        self._start = part.stop
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._classifier.partial_fit(self._X[part], self._y[part], classes=self._classes)
