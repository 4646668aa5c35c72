from __future__ import annotations

import json

import numpy as np

from shared.network import Evaluation


def test_accuracy_is_the_share_on_the_diagonal() -> None:
    assert Evaluation(samples=8, loss=0.5, confusion=np.array([[3, 1], [1, 3]])).accuracy == 0.75


def test_it_can_be_told_in_json() -> None:
    evaluation = Evaluation(samples=4, loss=0.5, confusion=np.array([[1, 1], [0, 2]]))
    assert json.loads(json.dumps(evaluation.to_dict())) == {
        "samples": 4,
        "loss": 0.5,
        "accuracy": 0.75,
        "confusion": [[1, 1], [0, 2]],
    }
