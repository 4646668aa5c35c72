"""The search for near pairs: one at a time in a process, in a thread of its own; its result is kept on the volume.

The result is beside the manifest, in the data set's folder, which is deleted, saved and restored as a whole.
"""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread

from pydantic import ValidationError

from shared.datasets.manifest import Manifest
from shared.datasets.similarity.near_pairs import FORMAT, NearPairs, near_pairs
from shared.datasets.store import DatasetStore
from shared.errors import NotFound, StorageFull, Unavailable
from shared.storage import durable
from shared.storage.volume import Volume

WAIT_SECONDS = 5.0
RETRY_SECONDS = 5


@dataclass(frozen=True)
class Search:
    """The search in a data set, by its digest."""

    digest: str
    found: Future[NearPairs]


class NearPairSearch:
    """Returns the near pairs of data sets: from the volume, or from a search that it starts."""

    def __init__(self, store: DatasetStore, volume: Volume) -> None:
        self._store = store
        self._volume = volume
        self._lock = Lock()
        self._newest: Search | None = None

    def of(self, reference: str) -> tuple[Manifest, NearPairs]:
        """Return the manifest and the near pairs of a data set.

        Raises `NotFound`, `Damaged`, or `Unavailable` if the search takes longer than the caller waits, or if another
        one is running; the search continues.
        """
        manifest = self._store.get(reference)
        stored = _read(self._path(manifest))
        if stored is not None:
            return manifest, stored
        search = self._begin(manifest)
        if search.digest != manifest.digest:
            raise _busy("near pairs of another data set are searched; send the request again afterwards")
        try:
            return manifest, search.found.result(WAIT_SECONDS)
        except TimeoutError:
            raise _busy("the near pairs are being searched; send the request again to get them") from None

    def _begin(self, manifest: Manifest) -> Search:
        """Return the running search, or the newest one if it was in this data set, or start one in it."""
        with self._lock:
            newest = self._newest
            if newest is not None:
                is_running = not newest.found.done()
                if is_running or (newest.digest == manifest.digest and newest.found.exception() is None):
                    return newest
            search = self._newest = Search(manifest.digest, Future())
        Thread(target=self._search, args=(manifest, search.found), name="near-pairs", daemon=True).start()
        return search

    def _search(self, manifest: Manifest, found: Future[NearPairs]) -> None:
        try:
            _, arrays = self._store.load(manifest.id, anew=False)
            pairs = near_pairs(arrays.splits, manifest.image_shape)
            path = self._path(manifest)
            path.unlink(missing_ok=True)  # that of another version of the code
            with suppress(StorageFull):  # a later search computes it again
                durable.add(path, [durable.encode_json(pairs.model_dump(mode="json"))])
        except FileNotFoundError:
            detail = f"the data set {manifest.id} was deleted while its near pairs were searched"
            found.set_exception(NotFound("dataset_not_found", detail))
        except BaseException as error:  # the requests that wait raise it
            found.set_exception(error)
        else:
            found.set_result(pairs)

    def _path(self, manifest: Manifest) -> Path:
        return self._volume.dataset(manifest.digest) / "near-pairs.json"


def _read(path: Path) -> NearPairs | None:
    """Return the pairs in a file; None if there is none that this version of the code can read."""
    try:
        pairs = NearPairs.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return pairs if pairs.format == FORMAT else None


def _busy(detail: str) -> Unavailable:
    return Unavailable("near_pairs_busy", detail, RETRY_SECONDS)
