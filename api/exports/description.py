"""Metadata of an exported file: strings by name, so that the file can be used without the API."""

from __future__ import annotations

import json

from shared.registry import ModelVersion

SCALE = 1 / 255
"""Factor that scales a value from 0 to 255 to the input from 0 to 1."""


def description(version: ModelVersion) -> dict[str, str]:
    """Return the metadata of a version. Values other than strings are JSON."""
    return {
        "model": version.model,
        "version": str(version.version),
        "classes": json.dumps(version.classes),
        "image_shape": json.dumps(version.image_shape),
        "scale": repr(SCALE),
        "configuration": json.dumps(version.configuration, sort_keys=True),
        "dataset": version.dataset,
        "weights_sha256": version.weights.sha256,
    }
