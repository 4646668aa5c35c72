"""A version and its evaluation as the client reads them."""

from __future__ import annotations

from typing import Any

from glassbox.http.reading import read
from glassbox.records.evaluations import Evaluation
from glassbox.records.versions import Version

from api.schema.examples import PNG, VERSION


def a_version(**fields: Any) -> Version:
    """`digits@3`, the champion: images of 8×8, three classes."""
    return read(Version, VERSION | fields)


def an_evaluation(labels: tuple[str, ...] = ("0", "1", "2"), **fields: Any) -> Evaluation:
    """Return an evaluation with ten images of each class; one of the ten was predicted as the next class."""
    count = len(labels)
    matrix = [[9 if i == j else int(j == (i + 1) % count) for j in range(count)] for i in range(count)]
    values = {
        "model": "digits",
        "version": 3,
        "dataset": "sha256:" + "0" * 64,
        "samples": 10 * count,
        "loss": 0.25,
        "accuracy": 0.9,
        "top_accuracy": {"1": 0.9, "2": 1.0},
        "classes": [{"label": label, "precision": 0.9, "recall": 0.9, "f1": 0.9, "support": 10} for label in labels],
        "confusion_matrix": matrix,
        "calibration": {
            "expected_error": 0.05,
            "bins": [
                {"above": 0.0, "to": 0.5, "count": 0, "confidence": None, "accuracy": None},
                {"above": 0.5, "to": 1.0, "count": 10 * count, "confidence": 0.85, "accuracy": 0.9},
            ],
        },
        "history": [
            {
                "epoch": epoch,
                "train_loss": 1 / epoch,
                "train_accuracy": 1 - 0.5 / epoch,
                "seconds": 0.1,
                "validation_loss": 1.1 / epoch,
                "validation_accuracy": 1 - 0.6 / epoch,
                "gradient_norm": None,
                "dead_units": [0.0],
            }
            for epoch in range(1, 5)
        ],
        "mistakes": [{"index": 17, "label": labels[0], "predicted": labels[1], "confidence": 0.987, "image": PNG}],
    }
    return read(Evaluation, values | fields)
