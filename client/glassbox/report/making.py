"""What a report is made of, fetched from the server."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from glassbox.errors import Damaged, NotFound
from glassbox.report.page import page
from glassbox.report.tensors import Tensor, read_tensor

if TYPE_CHECKING:
    from glassbox.evaluations import Evaluation
    from glassbox.models import Models

FIRST_LAYER = "layer1.weights"


def report_of(models: Models, reference: str) -> str:
    """The page about a version. What the server does not have of it is left out."""
    version = models.version(reference)
    return page(version, evaluation_of(models, version.name), _first_layer(models, version.name))


def evaluation_of(models: Models, reference: str) -> Evaluation | None:
    """How good a version is, None where it was published without an evaluation."""
    try:
        return models.evaluation(reference)
    except NotFound as error:
        if error.code != "evaluation_not_found":
            raise
        return None


def _first_layer(models: Models, reference: str) -> Tensor | None:
    """The weights (pixels, units) of the first layer, None where they are damaged."""
    with TemporaryDirectory() as folder:
        try:
            return read_tensor(models.download(reference, Path(folder) / "weights.safetensors"), FIRST_LAYER)
        except Damaged:
            return None
