"""What an exported file says of itself, beside its tensors: texts by name, for a reader that has nothing else."""

from __future__ import annotations

import json

from shared.registry import ModelVersion

SCALE = 1 / 255
"""What a grey from 0 to 255 is multiplied by before it enters the network."""


def description(version: ModelVersion) -> dict[str, str]:
    """What the version is, and what it takes and tells apart; what is no text is JSON."""
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
