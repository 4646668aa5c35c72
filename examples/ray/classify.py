"""Classify images on a Ray cluster with a version of a model, and write the predictions as Parquet files.

    python -m examples.ray.classify digits@champion s3://bucket/images/ s3://bucket/predictions/

Run it in a checkout of Glassbox. This process downloads the version with Glassbox's SDK (`GLASSBOX_URL`,
`GLASSBOX_API_KEY`); Ray sends the folders `shared` and `examples` of the checkout, and the parameters, to the nodes.
The nodes need no Glassbox and no way to it, only the packages of `requirements/ray.in`. See docs/deployment/ray.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray
from numpy.typing import NDArray
from ray.data import ActorPoolStrategy, SaveMode

from examples.ray.classifier import Classifier, Model

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = pa.schema(
    [("path", pa.string()), ("label", pa.string()), ("confidence", pa.float32()), ("error", pa.string())]
)
SUFFIXES = ["png", "jpg", "jpeg", "bmp", "gif", "tif", "tiff", "webp", "avif", "heic", "heif"]


class Classify:
    """The function that Ray Data maps over batches of files. Each actor builds it once."""

    def __init__(self, model: Model, parameters: ray.ObjectRef, inversion: str) -> None:
        self._classifier = Classifier(model, ray.get(parameters), inversion)  # one copy for all actors of a node

    def __call__(self, files: dict[str, NDArray[Any]]) -> pa.Table:
        """Return a row for each file."""
        found = self._classifier.classify(list(files["bytes"]))
        columns = [list(files["path"]), found.labels, found.confidences, found.errors]
        return pa.Table.from_arrays(
            [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
        )


def main() -> None:
    """Classify the images, block by block: neither they nor the predictions have to fit into memory."""
    parser = argparse.ArgumentParser(description="Classify images on a Ray cluster with a version of Glassbox.")
    parser.add_argument("model", help="a version: digits, digits@3 or digits@champion")
    parser.add_argument("source", help="a folder or a prefix of images, local or s3:// or gs://")
    parser.add_argument("target", help="a folder or a prefix for the Parquet files")
    parser.add_argument("--actors", type=int, default=1, help="the fewest processes")
    parser.add_argument("--most-actors", type=int, help="the most processes; by default the fewest")
    parser.add_argument("--invert", choices=["auto", "always", "never"], default="auto")
    options = parser.parse_args()

    from examples.ray.version import downloaded  # noqa: PLC0415 - only this process has the SDK

    model, parameters = downloaded(options.model)
    ray.init(runtime_env={"py_modules": [str(ROOT / "shared"), str(ROOT / "examples")]})
    files = ray.data.read_binary_files(options.source, include_paths=True, file_extensions=SUFFIXES)
    predictions = files.map_batches(
        Classify,
        fn_constructor_args=(model, ray.put(parameters), options.invert),
        batch_size=256,
        batch_format="numpy",
        compute=ActorPoolStrategy(min_size=options.actors, max_size=options.most_actors or options.actors),
        num_cpus=1,
    )
    predictions.write_parquet(options.target, mode=SaveMode.CREATE)  # files of an earlier run would be read with these
    print(f"the predictions of {model.name} are in {options.target}; a row with an `error` has no label")


if __name__ == "__main__":
    main()
