"""The most confident errors of an evaluation as they are stored, each with a thumbnail of its image."""

from __future__ import annotations

from shared.images.thumbnails import data_uri
from shared.network.arrays import Images
from shared.network.assessment.mistakes import most_confident_errors
from shared.network.evaluation.predictions import PredictionColumns
from shared.registry.manifest import StoredMistake

MISTAKES = 24  # that an evaluation shows


def stored_mistakes(predictions: PredictionColumns, images: Images) -> list[StoredMistake]:
    """Return the most confident errors among the predictions for these images."""
    return [
        {
            "index": mistake.index,
            "label": mistake.label,
            "predicted": mistake.predicted,
            "confidence": mistake.confidence,
            "image": data_uri(images[mistake.index]),
        }
        for mistake in most_confident_errors(predictions, MISTAKES)
    ]
