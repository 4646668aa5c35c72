"""The classifier of the example for Ray classifies as a batch of the service does."""

from __future__ import annotations

import numpy as np
import pytest

from examples.ray.classifier import Classifier, Model
from shared.images.inversion import measured
from shared.registry import Registry
from shared.runtime.settings import Settings
from tests.support.data.archives import zip_of
from tests.support.data.images import png
from tests.support.data.npz import easy_images
from tests.support.objects.batches import Batches
from tests.support.objects.bench import WorkBench
from tests.support.objects.models import CLASSES, SIDE, publish, tiny_configuration, tiny_parameters

IMAGES = np.concatenate([easy_images(1300, seed=4)[0], 255 - easy_images(40, seed=5)[0]])
BRIGHTNESS = measured(easy_images(300)[0])
MODEL = Model("toy@1", (SIDE, SIDE), CLASSES, tiny_configuration().to_dict(), BRIGHTNESS.model_dump())
FILES = {f"{number:04d}.png": png(image) for number, image in enumerate(IMAGES)} | {"0007.png": b"text"}


@pytest.fixture
def batches(settings: Settings, registry: Registry) -> Batches:
    publish(registry, brightness=BRIGHTNESS)
    return Batches(WorkBench(settings))


@pytest.mark.parametrize("inversion", ["auto", "never"])
def test_labels_confidences_and_errors_are_those_of_a_batch(batches: Batches, inversion: str) -> None:
    job = batches.run(zip_of(FILES), invert=inversion, compares_with_training=True)

    found = Classifier(MODEL, tiny_parameters(), inversion).classify(list(FILES.values()))

    rows = {row["path"]: row for row in batches.rows(job)}
    [error] = batches.errors(job)
    for path, label, confidence, reason in zip(FILES, found.labels, found.confidences, found.errors, strict=True):
        if path == error["path"]:
            assert (label, confidence, reason) == (None, None, f"{error['code']}: {error['detail']}")
        else:
            assert (label, f"{confidence:.7g}", reason) == (
                rows[path]["label"],
                f"{rows[path]['confidence']:.7g}",
                None,
            )


def test_a_second_call_does_not_depend_on_the_first(batches: Batches) -> None:
    contents = list(FILES.values())
    classifier = Classifier(MODEL, tiny_parameters())

    assert classifier.classify(contents[:9]) == classifier.classify(contents[:9])
    assert classifier.classify([]).labels == []
