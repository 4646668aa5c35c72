"""The client: a connection to one Glassbox server, with its resources and shortcuts for the main tasks.

from glassbox import Client

client = Client()
client.train("mnist.npz", model="digits", preset="accurate", promote="champion").wait()
client.classify("images.zip", model="digits@champion").wait().save("rows.csv")
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack, cast

from glassbox import datasets as data
from glassbox import settings
from glassbox.datasets import Datasets
from glassbox.errors import WrongArgument
from glassbox.files.archives import opened
from glassbox.files.images import ImageFile, ImagePlace, form, one_image, plain_numbers
from glassbox.files.references import SECONDS, is_url, reference
from glassbox.files.skip_report import merged
from glassbox.http.all_events import AnyEvent, follow_all
from glassbox.http.bodies import Body, FileBody, OnBytes
from glassbox.http.reading import read
from glassbox.http.resumable import Uploads
from glassbox.http.retrying import Retries
from glassbox.http.routes import path_to
from glassbox.http.transport import Transport
from glassbox.jobs import Job, Jobs, Kind
from glassbox.models import Models, Reference
from glassbox.options import BatchOptions, EvaluationOptions, Invert, TrainingOptions
from glassbox.records.explanations import Baseline, Explanation, Lesson, Lessons, Method, Neighbours, Rule, Unit
from glassbox.records.rows import Predictions
from glassbox.records.service import Access, Preset, Readiness, System, TrainingEstimate


class Client:
    """A connection to one server. Use it in a `with` block, or `close` it; several threads may share it.

    url, api_key: by default those of the environment (`GLASSBOX_URL`, `GLASSBOX_API_KEY`), else of the configuration
    file (`glassbox/settings.py`), else port 8000 of this machine. timeout: seconds without data from the server, for
    one request. retries: limits on the retries of requests that are safe to repeat.

    Every method can raise `NotReachable` and, if the server rejects the request, a subclass of `Refused`: see
    `glassbox/errors.py`.
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
        self.uploads = Uploads(self.transport)
        self.datasets = Datasets(self.transport, self.uploads)
        self.jobs = Jobs(self.transport)
        self.models = Models(self.transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.transport.close()

    def train(
        self,
        dataset: Path | str,
        *,
        model: str,
        image_shape: tuple[int, int] | None = None,
        channels: int | None = None,
        on_unreadable: data.OnUnreadable | None = None,
        on_bytes: OnBytes | None = None,
        **options: Unpack[TrainingOptions],
    ) -> Job:
        """Submit a training of a new version of `model`, and return the job without waiting for it.

        dataset: the name or id of a data set, or a file or folder, which is uploaded first: a `Path`, a text with a
        slash, or one with an ending like `.npz` or `.zip`. image_shape, channels, on_unreadable: those of the
        upload, as in `Datasets.upload`. options: the preset, and settings that replace its own.
        """
        if data.is_file(dataset):
            dataset = self.datasets.upload(
                dataset, image_shape=image_shape, channels=channels, on_unreadable=on_unreadable, on_bytes=on_bytes
            ).id
        elif any(option is not None for option in (image_shape, channels, on_unreadable)):
            raise WrongArgument(
                "image_shape, channels and on_unreadable apply to a file or folder that is uploaded;"
                f" {dataset} is a data set on the server, and keeps its shape"
            )
        return self.jobs.job_of(
            self.transport.create(
                path_to("training-jobs"), document={"model": model, "dataset": str(dataset), **options}
            )
        )

    def estimate(self, dataset: str, *, model: str, **options: Unpack[TrainingOptions]) -> TrainingEstimate:
        """Return what a training on a data set of the server needs, with the options of `train`; submits no job."""
        document = {"model": model, "dataset": dataset, **options}
        return read(TrainingEstimate, self.transport.query(path_to("training-jobs", "estimate"), document=document))

    def classify(
        self,
        images: Path | str | Body | Sequence[Path | str],
        *,
        model: str,
        on_bytes: OnBytes | None = None,
        **options: Unpack[BatchOptions],
    ) -> Job:
        """Submit a batch of images for `digits`, `digits@3` or `digits@champion`, and return the job.

        images: an archive, a folder, which is packed as a zip while it is sent, or another `Body`. An archive of 64 MiB
        or more is sent as a resumable upload: if it is interrupted, the same call continues it. A text that begins with
        `https:`, `s3:` or `file:` is a URL that the server reads itself. A list of archives, paths and URLs, is one
        batch: the rows' paths begin with the archive's name.
        """
        params = {"model": model, **options}
        if isinstance(images, list | tuple):
            return self._classify_archives(images, params, on_bytes)
        images = cast("Path | str | Body", images)
        if isinstance(images, str) and is_url(images):
            named = self.transport.create(
                path_to("batch-jobs"), params=params, document=reference(images), read_timeout=SECONDS
            )
            return self.jobs.job_of(named)
        body = opened(images)
        if (sent := self.uploads.of_body(body, on_bytes)) is not None:
            source, upload = sent
            document = {"upload": upload.id}
            job = self.jobs.job_of(
                self.transport.create(
                    path_to("batch-jobs"), params=params, document=document, read_timeout=data.DERIVE_SECONDS
                )
            )
            self.uploads.forget(source, upload)
            return job
        job = self.jobs.job_of(
            self.transport.create(path_to("batch-jobs"), params=params, body=body, on_bytes=on_bytes)
        )
        skipped = getattr(body, "skipped", {})  # of a folder
        return replace(job, skipped=merged(skipped, job.skipped)) if skipped else job

    def _classify_archives(
        self, images: Sequence[Path | str], params: Mapping[str, Any], on_bytes: OnBytes | None
    ) -> Job:
        """Send the archives as resumable uploads, and submit one batch."""
        paths = [None if is_url(each) else Path(each) for each in images]
        if folders := [path for path in paths if path is not None and path.is_dir()]:
            raise WrongArgument(f"{folders[0]} is a folder: classify it alone, or pack it as a zip first")
        for path in paths:
            if path is not None:
                FileBody(path)  # reports each missing file before the first is sent
        archives: list[Mapping[str, Any]] = []
        sent = []
        for each, path in zip(images, paths, strict=True):
            if path is None:
                archives.append(reference(str(each)))
            else:
                upload = self.uploads.send(path, on_bytes=on_bytes)
                sent.append((path, upload))
                archives.append({"upload": upload.id, "name": path.name})
        document = {"archives": archives}
        created = self.transport.create(path_to("batch-jobs"), params=params, document=document, read_timeout=SECONDS)
        job = self.jobs.job_of(created)
        for path, upload in sent:
            self.uploads.forget(path, upload)
        return job

    def reproduce(self, model: str) -> Job:
        """Submit a repetition of a version's training, and return the job; its result says whether the bits agree."""
        return self.jobs.job_of(self.transport.create(f"{Reference.parse(model).route}/reproduce"))

    def evaluate(self, model: str, dataset: str, **options: Unpack[EvaluationOptions]) -> Job:
        """Submit an evaluation of a version on a data set, and return the job; `Job.evaluation` returns the metrics.

        model: `digits`, `digits@3` or `digits@champion`. dataset: the name or id of a data set on the server. options:
        `split` ("test" by default) and those of the job.
        """
        document = {"model": model, "dataset": dataset, **options}
        return self.jobs.job_of(self.transport.create(path_to("evaluation-jobs"), document=document))

    def predict(self, *images: ImageFile, model: str, top_k: int = 1, invert: Invert | None = None) -> Predictions:
        """Classify a few images without a job.

        images: paths of image files, or the bytes of such files. invert: whether to invert light and dark; by default
        the images that look inverted against the training images.
        """
        return self._predict(model, top_k, invert, files=form(images))

    def predict_numbers(
        self, instances: Any, *, model: str, top_k: int = 1, invert: Invert | None = None
    ) -> Predictions:
        """Classify images given as numbers.

        instances: nested lists, or an array (N, H, W) or (N, H·W), for a model in colour (N, H, W, 3) or (N, H·W·3).
        The numbers of all images together range from 0 to 255, or, if they are floats, also from 0 to 1. Integers whose
        largest is 1 are black and white, and the result has a warning. So are booleans, without one. Raises
        `WrongArgument` for NaN and infinite numbers.
        """
        return self._predict(model, top_k, invert, json={"instances": plain_numbers(instances)})

    def explain(
        self,
        image: ImageFile | ImagePlace,
        *,
        model: str,
        method: Method = "integrated_gradients",
        target: str | None = None,
        against: str | None = None,
        steps: int | None = None,
        rule: Rule | None = None,
        baseline: Baseline = "black",
        smooth: int = 0,
        random_weights_seed: int | None = None,
        invert: Invert | None = None,
    ) -> Explanation:
        """Explain the prediction for one image: the activations of every layer, and which pixels mattered.

        image: the path of a file, its bytes, or the place of an image on the server, such as
        `{"dataset": "mnist", "split": "test", "index": 740}`. target: the class to explain, by default the predicted
        one. against: another class, to explain the difference. rule: of the integral, `adaptive` by default.
        smooth: copies with noise to average. random_weights_seed: also compute the attribution for random weights, as
        a control.
        """
        options = {
            "method": method,
            "target": target,
            "against": against,
            "steps": steps,
            "rule": rule,
            "baseline": baseline,
            "smooth": smooth,
            "random_weights_seed": random_weights_seed,
            "invert": invert,
        }
        return read(Explanation, self._about_image("explain", image, model, options))

    def unit(
        self,
        image: ImageFile | ImagePlace,
        *,
        model: str,
        layer: str,
        unit: int,
        place: tuple[int, int] | None = None,
        top: int | None = None,
        invert: Invert | None = None,
    ) -> Unit:
        """Return one unit of a layer: its weights, and the largest terms of its sum for an image.

        image: as for `explain`. layer: `layer1`, `layer2`, …; the last one has a unit for each class. place: row and
        column in a filter's map, by default those of its largest activation. top: the number of terms.
        """
        row, column = place or (None, None)
        options = {"layer": layer, "unit": unit, "row": row, "column": column, "top": top, "invert": invert}
        return read(Unit, self._about_image("explain/unit", image, model, options))

    def neighbours(
        self, image: ImageFile | ImagePlace, *, model: str, count: int = 10, invert: Invert | None = None
    ) -> Neighbours:
        """Return the training images most like an image, by the activations of the last hidden layer.

        image: as for `explain`.
        """
        options = {"count": count, "invert": invert}
        return read(Neighbours, self._about_image("neighbours", image, model, options))

    def lessons(self) -> Lessons:
        """Return the formulas of a training step, with the sources of the functions that compute them."""
        return read(Lessons, self.transport.get(path_to("lessons")))

    def lesson(self, dataset: str, index: int, **options: Any) -> Lesson:
        """Return one training step on an image of a data set, formula by formula.

        options: fields of `POST /v1/lessons/step`, such as `split`, `preset` and `seed`, or `model`, `rate`,
        `update_order`, `check` and `losses`.
        """
        body = {"dataset": dataset, "index": index, **options}
        return read(Lesson, self.transport.query(f"{path_to('lessons')}/step", json=body))

    def events(
        self, kind: Kind | None = None, model: str | None = None, job: str | None = None, after: str | None = None
    ) -> Iterator[AnyEvent]:
        """Return the events of all jobs as they happen, without end: those after the event `after`, else from now on.

        kind, model, job: only events of such jobs.
        """
        return follow_all(self.transport, after, kind=kind, model=model, job=job)

    def ready(self) -> Readiness:
        """Return the state of Redis and the volume and the number of online workers, ready or not."""
        return read(Readiness, self.transport.probe("/readyz"))

    def system(self) -> System:
        """Return the state of the service: its workers and queues, Redis and the volume."""
        return read(System, self.transport.get(path_to("system")))

    def presets(self) -> tuple[Preset, ...]:
        """Return the presets of a training, by name, with their values."""
        return tuple(read(Preset, item) for item in self.transport.pages(path_to("presets")))

    def access(self) -> Access:
        """Return the name and the scopes of this client's API key."""
        return read(Access, self.transport.get(path_to("me")))

    def server_version(self) -> str:
        """Return the server's version of Glassbox."""
        return str(self.transport.get("/openapi.json")["info"]["version"])

    def _predict(self, model: str, top_k: int, invert: Invert | None, **body: Any) -> Predictions:
        params = {"top_k": top_k} | ({} if invert is None else {"invert": invert})
        route = f"{Reference.parse(model).route}/predict"
        return read(Predictions, self.transport.query(route, params=params, **body))

    def _about_image(
        self, operation: str, image: ImageFile | ImagePlace, model: str, options: Mapping[str, Any]
    ) -> Any:
        params = {name: value for name, value in options.items() if value is not None}
        return self.transport.query(f"{Reference.parse(model).route}/{operation}", params=params, **one_image(image))
