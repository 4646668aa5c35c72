"""The client: a connection to one Glassbox server, with what one does most and with what there is.

from glassbox import Client

client = Client()
client.train("mnist.npz", model="digits", preset="accurate", promote="champion").wait()
client.classify("images.zip", model="digits@champion").wait().save("rows.csv")
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

from glassbox import datasets as data
from glassbox import settings
from glassbox.datasets import Datasets
from glassbox.files.archives import opened
from glassbox.files.pictures import Picture, form
from glassbox.http.bodies import Body, OnBytes
from glassbox.http.reading import read
from glassbox.http.retrying import Retries
from glassbox.http.routes import path_to
from glassbox.http.transport import Transport
from glassbox.jobs import Job, Jobs
from glassbox.models import Models, Reference
from glassbox.options import BatchOptions, Invert, TrainingOptions
from glassbox.records.rows import Predictions
from glassbox.records.service import Readiness


class Client:
    """A connection to one server. Use it in a `with` block, or `close` it; several threads may share it.

    url, api_key: by default those of the environment (`GLASSBOX_URL`, `GLASSBOX_API_KEY`), else of the file of settings
    (`glassbox/settings.py`), else this machine's port 8000. timeout: seconds without a sign of the server, for one
    request. retries: how often what may be sent again is.

    Every method can raise `NotReachable` and, where the server refuses, a kind of `Refused`: see `glassbox/errors.py`.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = 60.0,
        retries: Retries | None = None,
    ) -> None:
        found = settings.settings(url, api_key)
        self.url = found.url
        self.transport = Transport(found.url, found.api_key, timeout, retries)
        self.datasets = Datasets(self.transport)
        self.jobs = Jobs(self.transport)
        self.models = Models(self.transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self.transport.close()

    def train(
        self, dataset: Path | str, *, model: str, on_bytes: OnBytes | None = None, **options: Unpack[TrainingOptions]
    ) -> Job:
        """Train a new version of `model`; gives the job at once.

        dataset: the name or id of a data set, or a file or folder, which is uploaded first: a `Path`, a text with a
        slash, or one with an ending like `.npz` or `.zip`. options: the preset, and what should differ from it.
        """
        if data.is_file(dataset):
            dataset = self.datasets.upload(dataset, on_bytes=on_bytes).id
        return self.jobs.made(
            self.transport.create(
                path_to("training-jobs"), document={"model": model, "dataset": str(dataset), **options}
            )
        )

    def classify(
        self, images: Path | str | Body, *, model: str, on_bytes: OnBytes | None = None, **options: Unpack[BatchOptions]
    ) -> Job:
        """Classify an archive of images, or a folder of them, with `digits`, `digits@3` or `digits@champion`.

        Gives the job at once. A folder is sent as a zip that is made on the way; `glassbox/http/bodies.py` has what
        else can be sent.
        """
        body = opened(images)
        params = {"model": model, **options}
        return self.jobs.made(self.transport.create(path_to("batch-jobs"), params=params, body=body, on_bytes=on_bytes))

    def reproduce(self, model: str) -> Job:
        """Have a version, `digits@3`, trained again; gives the job at once. Its result says whether the bits agree."""
        return self.jobs.made(self.transport.create(f"{Reference.parse(model).route}/reproduce"))

    def predict(self, *images: Picture, model: str, top_k: int = 1, invert: Invert = "never") -> Predictions:
        """What a version says of a few images, at once. An image is a file's path, or such a file's bytes."""
        return self._predict(model, top_k, invert, files=form(images))

    def predict_numbers(self, instances: Any, *, model: str, top_k: int = 1, invert: Invert = "never") -> Predictions:
        """The same for images as numbers: lists of greys from 0 to 255, or an array of NumPy (N, H, W) or (N, H·W)."""
        plain = instances.tolist() if hasattr(instances, "tolist") else instances
        return self._predict(model, top_k, invert, json={"instances": plain})

    def ready(self) -> Readiness:
        """Whether Redis and the volume answer, and how many workers are online; also where they do not."""
        return read(Readiness, self.transport.probe("/readyz"))

    def server_version(self) -> str:
        """Which Glassbox the server is."""
        return str(self.transport.get("/openapi.json")["info"]["version"])

    def _predict(self, model: str, top_k: int, invert: Invert, **body: Any) -> Predictions:
        params = {"top_k": top_k, "invert": invert}
        route = f"{Reference.parse(model).route}/predict"
        return read(Predictions, self.transport.ask(route, params=params, **body))
