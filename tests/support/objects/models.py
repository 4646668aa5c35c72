"""Small trained networks, and model versions made of them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from shared.network import Configuration, Network, Parameters, Training, preset
from shared.network.evaluation.predictions import PredictionColumns
from shared.registry import ModelVersion, Registry
from shared.registry.manifest import VersionDraft
from tests.support.data.npz import easy_images

CLASSES = ("0", "1", "2")
SIDE = 6


def tiny_configuration(**overrides: Any) -> Configuration:
    """Return the configuration of a network that trains in milliseconds."""
    quick = {"hidden": [8], "epochs": 3, "batch_size": 10, "optimizer": {"name": "adam", "learning_rate": 0.02}}
    return preset("fast", **quick | overrides)


@cache
def tiny_network() -> Network:
    """Return the network of the versions that `publish` makes."""
    return Network((SIDE, SIDE), len(CLASSES), tiny_configuration())


@cache
def tiny_parameters() -> Parameters:
    """Return its parameters, trained on `easy_images`; do not change them."""
    images, labels = easy_images(300)
    training = Training(tiny_network(), images, labels)
    for _ in training:
        pass
    return training.parameters


@cache
def colour_network() -> Network:
    """Return a network for the same classes whose images are in colour."""
    return Network((SIDE, SIDE, 3), len(CLASSES), tiny_configuration())


@cache
def colour_parameters() -> Parameters:
    """Return its parameters, not trained; do not change them."""
    return colour_network().initialize(np.random.default_rng(5))


def publish_colour(registry: Registry, model: str = "painted", job: str = "job-colour") -> ModelVersion:
    """Publish the network for images in colour."""
    network = colour_network()
    draft = a_draft(model, job, image_shape=network.image_shape, parameters=network.parameter_count)
    return registry.publish(draft, colour_parameters(), registry._volume.job(job))


def a_draft(model: str = "toy", job: str = "job-1", **fields: Any) -> VersionDraft:
    """Return a draft as a training passes it to the registry."""
    content = {
        "model": model,
        "job": job,
        "dataset": "sha256:" + "0" * 64,
        "configuration": tiny_configuration().to_dict(),
        "seed": 0,
        "blas_threads": 1,
        "image_shape": (SIDE, SIDE),
        "classes": CLASSES,
        "parameters": tiny_network().parameter_count,
        "metrics": {"test_accuracy": 1.0},
    }
    return VersionDraft.model_validate(content | fields)


def publish(
    registry: Registry,
    model: str = "toy",
    job: str = "job-1",
    predictions: PredictionColumns | None = None,
    **fields: Any,
) -> ModelVersion:
    """Publish the tiny network."""
    scratch = registry._volume.job(job)
    return registry.publish(a_draft(model, job, **fields), tiny_parameters(), scratch, predictions=predictions)


def a_prediction_for_each(
    *images: tuple[int, int, float], classes: int = len(CLASSES), dtype: type[np.floating] = np.float32
) -> PredictionColumns:
    """Return predictions: for each image its class, the predicted class and the confidence."""
    columns = PredictionColumns.empty(len(images), classes, dtype)
    for index, (label, predicted, confidence) in enumerate(images):
        columns.label[index], columns.predicted[index], columns.confidence[index] = label, predicted, confidence
    return columns
