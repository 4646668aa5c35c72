"""The details of a version that are too large for its manifest: a long history, a large evaluation, predictions.

Manifests are read for lists and predictions, so they stay small: a manifest has at most `SUMMARY` epochs of the
history, and an evaluation of at most `LARGEST` bytes. `history.jsonl` then has the whole history: a line of JSON for
each epoch. All lines have the same length, filled up with spaces, so that a page is read without the lines before.
`evaluation.json` has the evaluation. `predictions.npz` has the prediction for each test image.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from shared.json_types import JsonObject
from shared.network.evaluation.predictions import PredictionColumns
from shared.registry.manifest import StoredFile, VersionDraft
from shared.registry.predictions.stored import PREDICTIONS, encode
from shared.storage import durable

HISTORY, EVALUATION = "history.jsonl", "evaluation.json"
FILES = (HISTORY, EVALUATION, PREDICTIONS)
SUMMARY = 200
"""The most epochs in a manifest, and so in an evaluation."""

LARGEST = 64 * 1024
"""The most bytes of an evaluation in a manifest."""


@dataclass(frozen=True)
class Details:
    """What a manifest has instead of a draft's fields, and the content of the version's further files by name."""

    fields: Mapping[str, Any]
    contents: Mapping[str, bytes]

    @classmethod
    def of(cls, draft: VersionDraft, predictions: PredictionColumns | None = None) -> Details:
        """Take the details out of a draft. predictions: for the test images, if it has an evaluation of them."""
        fields: dict[str, Any] = {"epochs": len(draft.history)}
        contents = {}
        if len(draft.history) > SUMMARY:
            fields["history"] = summary_of(draft.history)
            contents[HISTORY] = encode_history(draft.history)
        evaluation = _encode(draft.evaluation)
        if len(evaluation) > LARGEST:
            fields["evaluation"] = {}
            contents[EVALUATION] = evaluation
        if predictions is not None:
            contents[PREDICTIONS] = encode(predictions)
        return cls(fields, contents)

    @contextmanager
    def written(
        self, scratch: Path, check: Callable[[], None]
    ) -> Iterator[tuple[dict[str, Path], dict[str, StoredFile]]]:
        """Write the files under temporary names in the folder `scratch`: their paths, sizes and digests by name.

        The temporary names are removed at the end.
        """
        paths = {name: durable.temporary_beside(scratch / name) for name in self.contents}
        try:
            for name, path in paths.items():
                with durable.fsynced(path, check) as file:
                    file.write(self.contents[name])
            yield (
                paths,
                {
                    name: StoredFile(bytes=path.stat().st_size, sha256=durable.sha256_of(path))
                    for name, path in paths.items()
                },
            )
        finally:
            for path in paths.values():
                path.unlink(missing_ok=True)


def summary_of(history: Sequence[JsonObject]) -> tuple[JsonObject, ...]:
    """Return all epochs if they are few; of more, `SUMMARY` at equal distances, the first and the last among them."""
    if len(history) <= SUMMARY:
        return tuple(history)
    last = len(history) - 1
    return tuple(history[index * last // (SUMMARY - 1)] for index in range(SUMMARY))


def encode_history(history: Sequence[JsonObject]) -> bytes:
    """Return the content of `history.jsonl`."""
    lines = [_encode(record) for record in history]
    width = max(map(len, lines), default=0)
    return b"".join(line.ljust(width) + b"\n" for line in lines)


def read_history(path: Path, first: int, count: int) -> list[JsonObject]:
    """Return the records of at most `count` epochs from epoch `first`, which counts from 1."""
    with path.open("rb") as file:
        length = len(file.readline())
        file.seek((first - 1) * length)
        return [cast("JsonObject", json.loads(line)) for line in file.read(count * length).splitlines()]


def _encode(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
