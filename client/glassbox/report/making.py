"""What a report is made of, fetched from the server."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from glassbox.errors import Damaged, NotFound, UnexpectedAnswer
from glassbox.report.page import page
from glassbox.report.tensors import Tensor, read_tensor

if TYPE_CHECKING:
    from glassbox.evaluations import Evaluation
    from glassbox.models import Models
    from glassbox.versions import Version

FIRST_LAYER = "layer1.weights"


def report_of(models: Models, reference: str) -> str:
    """The page about a version. What the server does not have of it is left out."""
    version = models.version(reference)
    return page(version, evaluation_of(models, version.name), _first_layer(models, version))


def evaluation_of(models: Models, reference: str) -> Evaluation | None:
    """How good a version is, None where it was published without an evaluation."""
    try:
        return models.evaluation(reference)
    except NotFound as error:
        if error.code != "evaluation_not_found":
            raise
        return None


def _first_layer(models: Models, version: Version) -> Tensor | None:
    """The weights (pixels, units) of the first layer, None where they are damaged."""
    with TemporaryDirectory() as folder:
        try:
            path = models.download(version.name, Path(folder) / "weights.safetensors")
        except Damaged:
            return None
        weights = read_tensor(path, FIRST_LAYER)
    if len(weights.shape) != 2 or weights.shape[0] != math.prod(version.input.image_shape):
        raise UnexpectedAnswer(f"{FIRST_LAYER} of {version.name} does not fit its images: {weights.shape}")
    return weights
