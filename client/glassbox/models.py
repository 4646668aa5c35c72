"""`client.models`: models, their versions and aliases; a version's evaluation, report and weights.

A version is `digits` (the newest), `digits@3`, or an alias, `digits@champion`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from glassbox.errors import Damaged, NotFound, UnexpectedAnswer, WrongArgument
from glassbox.http import downloads
from glassbox.http.bodies import OnBytes
from glassbox.http.predictions import compared_images, comparison, predicted_images
from glassbox.http.reading import read
from glassbox.http.routes import path_to
from glassbox.http.transport import Transport
from glassbox.records.evaluations import Evaluation
from glassbox.records.predictions import Cell, ComparedImage, Comparison, PredictedImage, PredictionOrder
from glassbox.records.versions import Alias, Model, Version

if TYPE_CHECKING:
    from glassbox.report.tensors import Tensor

WeightsFormat = Literal["npz", "safetensors", "onnx"]
WEIGHTS_FORMATS: dict[str, WeightsFormat] = {".npz": "npz", ".safetensors": "safetensors", ".onnx": "onnx"}

FIRST_LAYER = "layer1.weights"


@dataclass(frozen=True)
class Reference:
    """A reference to a version: its model and number or alias."""

    model: str
    version: str = "latest"

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Return the parts of `digits@champion`; without an `@`, the newest version. Raises `WrongArgument`."""
        model, at, version = text.partition("@")
        if not model or "/" in text or (at and not version):
            raise WrongArgument(f"{text!r} is not a version: must be like digits, digits@3 or digits@champion")
        return cls(model, version or "latest")

    @property
    def name(self) -> str:
        """The reference with its version, such as `digits@latest`."""
        return f"{self.model}@{self.version}"

    @property
    def route(self) -> str:
        """The version's path on the server."""
        return path_to("models", self.model, "versions", self.version)


class Models:
    """The server's models."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, limit: int | None = None) -> Iterator[Model]:
        """Return the models by name, at most `limit`."""
        return (read(Model, item) for item in self._transport.pages(path_to("models"), size=limit))

    def get(self, name: str) -> Model:
        """Return a model."""
        return read(Model, self._transport.get(path_to("models", name)))

    def versions(self, name: str, limit: int | None = None) -> Iterator[Version]:
        """Return a model's versions, newest first, at most `limit`."""
        return (read(Version, item) for item in self._transport.pages(path_to("models", name, "versions"), size=limit))

    def version(self, reference: str) -> Version:
        """Return a version."""
        return read(Version, self._transport.get(Reference.parse(reference).route))

    def evaluation(self, reference: str) -> Evaluation:
        """Return a version's metrics on its data set's test images, and the history of its training."""
        return read(Evaluation, self._transport.get(f"{Reference.parse(reference).route}/evaluation"))

    def predictions(
        self,
        reference: str,
        *,
        label: str | None = None,
        predicted: str | None = None,
        wrong: bool | None = None,
        above: float | None = None,
        below: float | None = None,
        order: PredictionOrder = "index",
        limit: int | None = None,
    ) -> Iterator[PredictedImage]:
        """Return a version's predictions for the test images that match, page by page, at most `limit`.

        label, predicted: names of classes; together, a cell of the confusion matrix. wrong: whether they differ.
        above, below: the confidence is at least `above` and less than `below`.
        """
        query = {"label": label, "predicted": predicted, "wrong": wrong, "above": above, "below": below, "order": order}
        return predicted_images(self._transport, Reference.parse(reference).route, limit, query)

    def compare(self, reference: str, other: str) -> Comparison:
        """Compare two versions that were trained on the same data set, on its test images."""
        return comparison(self._transport, Reference.parse(reference).route, Reference.parse(other).name)

    def compared_images(
        self,
        reference: str,
        other: str,
        cell: Cell | None = None,
        *,
        label: str | None = None,
        predicted: str | None = None,
        order: PredictionOrder = "index",
        limit: int | None = None,
    ) -> Iterator[ComparedImage]:
        """Return the test images that both, one or none of two versions classify correctly, at most `limit`.

        label, predicted: the image's class and that of the first version. order: by the confidence of the first
        version, or by index.
        """
        query = {"cell": cell, "label": label, "predicted": predicted, "order": order}
        route = Reference.parse(reference).route
        return compared_images(self._transport, route, Reference.parse(other).name, limit, query)

    def download(
        self,
        reference: str,
        path: Path | str | None = None,
        on_bytes: OnBytes | None = None,
        format: WeightsFormat | None = None,  # noqa: A002 - the API's word
    ) -> Path:
        """Download a version's weights and verify their SHA-256; return the file's path.

        path: by default `digits-3.npz` in the current folder. format: by default that of the path's ending, else npz.
        """
        form = format or WEIGHTS_FORMATS.get(Path(path or "").suffix.lower(), "npz")
        version = self.version(reference)
        target = Path(path) if path else Path(version.file_name(form))
        route = f"{Reference(version.model, str(version.version)).route}/weights"  # not the alias, which may move
        sha256 = version.weights.sha256 if form == "npz" else downloads.FROM_ETAG
        return downloads.download(
            self._transport, route, target, params={"format": form}, sha256=sha256, on_bytes=on_bytes
        )

    def report(self, reference: str) -> str:
        """Return a version's report as one HTML page, without external resources."""
        return report_of(self, reference)

    def aliases(self, name: str) -> Iterator[Alias]:
        """Return a model's aliases, by name."""
        return (read(Alias, item) for item in self._transport.pages(path_to("models", name, "aliases")))

    def promote(self, reference: str, alias: str = "champion") -> Alias:
        """Point an alias to a version; a missing alias is created."""
        version = self.version(reference)
        route = path_to("models", version.model, "aliases", alias)
        return read(Alias, self._transport.change("PUT", route, json={"version": version.version}))

    def remove_alias(self, name: str, alias: str) -> None:
        """Remove an alias; the version stays."""
        self._transport.change("DELETE", path_to("models", name, "aliases", alias))

    def delete(self, reference: str, *, force: bool = False) -> None:
        """Delete a version, `digits@3`, or a model, `digits`. force: also if aliases point to it."""
        if "@" in reference:
            route = Reference.parse(reference).route
        else:
            route = path_to("models", Reference.parse(reference).model)
        self._transport.change("DELETE", route, params={"force": force})


def report_of(models: Models, reference: str) -> str:
    """Return a version's report. A missing evaluation or weights are omitted."""
    from glassbox.report.page import page  # noqa: PLC0415 - needed only for a report

    version = models.version(reference)
    return page(version, evaluation_of(models, version.name), _first_layer(models, version))


def evaluation_of(models: Models, reference: str) -> Evaluation | None:
    """Return a version's evaluation, or None if it was published without one."""
    try:
        return models.evaluation(reference)
    except NotFound as error:
        if error.code != "evaluation_not_found":
            raise
        return None


def _first_layer(models: Models, version: Version) -> Tensor | None:
    """Return the weights of the first layer, or None if they are damaged."""
    from glassbox.report.first_layer import matches  # noqa: PLC0415 - needed only for a report
    from glassbox.report.tensors import read_tensor  # noqa: PLC0415

    with TemporaryDirectory() as folder:
        try:
            path = models.download(version.name, Path(folder) / "weights.safetensors")
        except Damaged:
            return None
        weights = read_tensor(path, FIRST_LAYER)
    if not matches(weights, version.input.image_shape):
        raise UnexpectedAnswer(
            f"{FIRST_LAYER} of {version.name} has the shape {weights.shape}, which does not match its images"
            f" {version.input.image_shape}"
        )
    return weights
