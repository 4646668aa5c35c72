"""Example responses for the OpenAPI document: a digit classifier, from its data set to a batch's rows."""

from __future__ import annotations

from pydantic import ConfigDict

from shared.json_types import JsonObject


def shown_as(*examples: JsonObject) -> ConfigDict:
    """Return the configuration of a type that the OpenAPI document shows with these examples."""
    return ConfigDict(json_schema_extra={"examples": list(examples)})


JOB_ID = "01k8z4y6w9m3n5p7q1r2s4t6v8"
UPLOAD_ID = "01k8z4y6w9m3n5p7q1r2s4t6v9"
DATASET_ID = "sha256:5f4d1c9be8ea0f2ea0dd53a4e6a5e2a1c9a0f7d0b3c64d7788a1f0e2b9d3c7a1"
DERIVED_ID = "sha256:0b7e2f9a4c1d83656f1e0d9c8b7a69584736251403f2e1d0cfbeadac9b8a7968"
WEIGHTS_SHA256 = "9b2f6f1e0c7d4a53b8e1d2c3f4a5968776655443322110ffeeddccbbaa998877"

PNG = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAAAAABX3VL4AAAADklEQVR4nGNg+M/wnwEABgAB/4/x/JoAAAAASUVORK5CYII="
)

ACCURACY_INTERVAL = [0.9208, 0.9904]
BASELINES: JsonObject = {"linear": 0.9533, "majority_class": 0.3364}

DATASET: JsonObject = {
    "id": DATASET_ID,
    "name": "digits",
    "source": "upload",
    "image_shape": [8, 8],
    "classes": ["0", "1", "2"],
    "splits": {"train": 430, "test": 107},
    "class_counts": {"train": [142, 146, 142], "test": [36, 36, 35]},
    "bytes": 38920,
    "created_at": "2026-01-31T12:00:00.000Z",
    "chosen": {
        "image_shape": "8 × 8, the size of all images",
        "channels": "1 (grayscale), as no image is in colour",
    },
    "colour_dropped": False,
    "skipped": {"not_an_image": {"count": 2, "names": ["train/0/notes.txt", "train/2/list.txt"]}},
    "duplicates": {
        "images": 0,
        "test_in_train": 0,
        "validation_in_train": 0,
        "test_in_validation": 0,
        "in_several_classes": 0,
    },
    "warnings": [],
    "provenance": None,
}

DERIVED_DATASET: JsonObject = {
    **DATASET,
    "id": DERIVED_ID,
    "source": "derived",
    "splits": {"train": 431, "test": 107},
    "class_counts": {"train": [143, 145, 143], "test": [36, 36, 35]},
    "bytes": 38984,
    "created_at": "2026-01-31T12:30:00.000Z",
    "chosen": {},
    "skipped": {},
    "provenance": {
        "derived_from": DATASET_ID,
        "added": 2,
        "relabelled": 1,
        "removed": 1,
        "new_classes": [],
        "jobs": {JOB_ID: 2},
        "datasets": {},
        "uploaded": 0,
        "by": "ci",
    },
}

BY_REFERENCE: tuple[JsonObject, ...] = (
    {"source": {"url": "file:///imports/images.zip"}},
    {"source": {"url": "s3://scans/2026/"}},
    {"upload": UPLOAD_ID},
)

ARCHIVES_BY_REFERENCE: JsonObject = {
    "archives": [
        {"name": "monday.zip", "upload": UPLOAD_ID},
        {"source": {"url": "file:///imports/tuesday.zip"}},
    ]
}

WITH_A_SINK: JsonObject = {
    "source": {"url": "s3://scans/2026/"},
    "model": "digits@champion",
    "sink": "s3://results/run-1/",
    "sink_format": "parquet",
}

DATASET_CHANGES: JsonObject = {
    "add": [{"job": JOB_ID, "index": 17, "label": "0"}, {"job": JOB_ID, "index": 203, "label": "2"}],
    "relabel": [{"split": "train", "index": 41, "label": "0"}],
    "remove": [{"split": "train", "index": 58}],
}

TRAINING_JOB: JsonObject = {
    "id": JOB_ID,
    "kind": "training",
    "state": "succeeded",
    "created_at": "2026-01-31T12:00:05.000Z",
    "started_at": "2026-01-31T12:00:05.120Z",
    "finished_at": "2026-01-31T12:00:09.480Z",
    "attempt": 1,
    "priority": "batch",
    "waiting": None,
    "progress": {"done": 10, "total": 10, "unit": "epochs", "eta_seconds": 0.0},
    "metrics": {
        "epoch": 10,
        "train_loss": 0.0712,
        "train_accuracy": 0.986,
        "test_accuracy": 0.9741,
        "images_per_second": 21400.0,
        "cores": 1.9,
        "memory_bytes": 204472320,
        "load_seconds": 0.05,
        "training_seconds": 2.1,
        "evaluation_seconds": 0.4,
    },
    "request": {"model": "digits", "dataset": "digits", "epochs": 10, "preset": "fast"},
    "result": {
        "model": "digits",
        "version": 3,
        "test_accuracy": 0.9741,
        "weights_sha256": WEIGHTS_SHA256,
        "accuracy_interval": ACCURACY_INTERVAL,
        "baselines": BASELINES,
        "diagnosis": [],
    },
    "error": None,
    "links": {
        "self": f"/v1/jobs/{JOB_ID}",
        "events": f"/v1/jobs/{JOB_ID}/events",
        "version": "/v1/models/digits/versions/3",
    },
    "diagnosis": [],
}

_UNDIAGNOSED: JsonObject = {name: value for name, value in TRAINING_JOB.items() if name != "diagnosis"}

BATCH_JOB: JsonObject = {
    **_UNDIAGNOSED,
    "kind": "batch",
    "state": "running",
    "finished_at": None,
    "progress": {"done": 6144, "total": 10000, "unit": "images", "eta_seconds": 1.9},
    "metrics": {},
    "request": {
        "model": "digits@champion",
        "top_k": 3,
        "invert": "never",
        "error_threshold": 1.0,
        "sink": "s3://results/run-1/",
        "sink_format": "parquet",
    },
    "result": None,
    "links": {
        "self": f"/v1/jobs/{JOB_ID}",
        "events": f"/v1/jobs/{JOB_ID}/events",
        "results": f"/v1/jobs/{JOB_ID}/results",
        "errors": f"/v1/jobs/{JOB_ID}/errors",
    },
}

REPRODUCTION_JOB: JsonObject = {
    **_UNDIAGNOSED,
    "kind": "reproduction",
    "metrics": {"epoch": 10, "train_loss": 0.0712, "train_accuracy": 0.986},
    "request": {"model": "digits@champion"},
    "result": {
        "model": "digits",
        "version": 3,
        "reproduced": True,
        "weights_sha256_expected": WEIGHTS_SHA256,
        "weights_sha256_got": WEIGHTS_SHA256,
        "threads": 1,
        "differing_numbers": 0,
        "first_difference": None,
        "environment": {},
    },
}

EVALUATION_JOB: JsonObject = {
    **_UNDIAGNOSED,
    "kind": "evaluation",
    "priority": "interactive",
    "progress": {"done": 107, "total": 107, "unit": "images", "eta_seconds": 0.0},
    "metrics": {},
    "request": {"model": "digits@champion", "dataset": "digits", "split": "test"},
    "result": {
        "model": "digits",
        "version": 3,
        "dataset": DATASET_ID,
        "split": "test",
        "samples": 107,
        "accuracy": 0.9720,
        "accuracy_interval": ACCURACY_INTERVAL,
        "loss": 0.0912,
        "calibration_error": 0.0159,
        "look_inverted": 0,
    },
    "links": {
        "self": f"/v1/jobs/{JOB_ID}",
        "events": f"/v1/jobs/{JOB_ID}/events",
        "evaluation": f"/v1/jobs/{JOB_ID}/evaluation",
        "predictions": f"/v1/jobs/{JOB_ID}/predictions",
        "version": "/v1/models/digits/versions/3",
    },
}

EVENT: JsonObject = {
    "id": "1769860809480-0",
    "type": "state",
    "time": "2026-01-31T12:00:09.480Z",
    "data": {"state": "succeeded"},
}

ANY_EVENT: JsonObject = {
    "id": "1769860805120-0",
    "type": "state",
    "time": "2026-01-31T12:00:05.120Z",
    "job": JOB_ID,
    "kind": "training",
    "model": "digits",
    "data": {"state": "running", "attempt": 1},
}

EPOCH: JsonObject = {
    "epoch": 1,
    "train_loss": 0.41,
    "train_accuracy": 0.88,
    "validation_loss": 0.36,
    "validation_accuracy": 0.9,
    "gradient_norm": 0.73,
    "layer_gradient_norms": [0.5216, 0.3642, 0.3481],
    "predicted_classes": 10,
    "dead_units": [0.0, 0.016],
    "learning_rate": 0.031,
    "seconds": 0.3,
}

WEIGHT_HISTOGRAMS: JsonObject = {
    "epochs": 4,
    "tensors": [
        {
            "tensor": "layer1.weights",
            "shape": [784, 128],
            "minimum": -0.31,
            "maximum": 0.29,
            "mean": -0.0021,
            "deviation": 0.062,
            "not_finite": 0,
            "counts": [12, 4310, 51207, 42112, 2700, 11],
        }
    ],
}

CHECKPOINT_TENSOR: JsonObject = {
    "epochs": 4,
    "steps": 1876,
    "tensor": "layer2.biases",
    "shape": [3],
    "values": [0.013, -0.02, 0.0041],
}

ROW: JsonObject = {
    "path": "mnist-test/00000.png",
    "label": "7",
    "confidence": 0.9991,
    "top": [{"label": "7", "probability": 0.9991}, {"label": "9", "probability": 0.0006}],
}

ROW_ERROR: JsonObject = {"path": "mnist-test/notes.txt", "code": "not_an_image", "detail": "the file is not an image"}

VERSION: JsonObject = {
    "model": "digits",
    "version": 3,
    "aliases": ["champion"],
    "created_at": "2026-01-31T12:00:09.450Z",
    "job": JOB_ID,
    "dataset": DATASET_ID,
    "configuration": {"hidden": [128, 64], "activation": "relu", "epochs": 10, "batch_size": 128, "seed": 0},
    "seed": 0,
    "blas_threads": 1,
    "environment": {
        "python": "3.13.1",
        "numpy": "2.4.6",
        "blas": "openblas 0.3.31 Haswell",
        "cpu": "Intel(R) Xeon(R) CPU E5-2680 v4",
    },
    "input": {
        "image_shape": [8, 8],
        "standardization": {"mean": [0.306], "deviation": [0.376]},
        "brightness": {
            "images": 1437,
            "mean": 77.9,
            "border_mean": 40.1,
            "border_deviation": 14.2,
            "dark_borders": 0.98,
            "bright_borders": 0.0,
        },
    },
    "classes": ["0", "1", "2"],
    "parameters": 16771,
    "metrics": {"test_accuracy": 0.9741, "test_loss": 0.0912, "test_calibration_error": 0.0159},
    "accuracy_interval": ACCURACY_INTERVAL,
    "baselines": BASELINES,
    "diagnosis": [],
    "weights": {"bytes": 68294, "sha256": WEIGHTS_SHA256},
    "selection": {
        "candidates": [
            {"settings": {"optimizer.learning_rate": 0.003}, "parameters": 16771, "cost": 1296028800},
            {"settings": {"optimizer.learning_rate": 0.001}, "parameters": 16771, "cost": 1296028800},
        ],
        "validation_images": 86,
        "budget": 432009600,
        "cost": 418340992,
        "rungs": [
            {
                "entries": 2,
                "images": 140,
                "trials": [
                    {
                        "candidate": 0,
                        "epochs": 29,
                        "steps": 145,
                        "cost": 209170496,
                        "validation_loss": 0.124,
                        "standard_error": 0.021,
                        "validation_accuracy": 0.977,
                    },
                    {
                        "candidate": 1,
                        "epochs": 29,
                        "steps": 145,
                        "cost": 209170496,
                        "validation_loss": 0.187,
                        "standard_error": 0.026,
                        "validation_accuracy": 0.965,
                    },
                ],
            }
        ],
        "winner": 0,
    },
    "damaged": False,
    "links": {
        "weights": "/v1/models/digits/versions/3/weights",
        "evaluation": "/v1/models/digits/versions/3/evaluation",
        "predictions": "/v1/models/digits/versions/3/predictions",
        "predict": "/v1/models/digits/versions/3/predict",
        "reproduce": "/v1/models/digits/versions/3/reproduce",
    },
}

MODEL: JsonObject = {
    "name": "digits",
    "versions": 3,
    "aliases": {"champion": 3},
    "latest": VERSION,
    "links": {"versions": "/v1/models/digits/versions"},
}

PRESET: JsonObject = {
    "name": "fast",
    "description": "Two dense layers, trained for a few epochs: seconds for tens of thousands of small images.",
    "configuration": {
        "hidden": [128, 64],
        "activation": "relu",
        "initializer": "he",
        "optimizer": {"name": "nesterov", "learning_rate": 0.05, "momentum": 0.9},
        "schedule": {"name": "cosine", "warmup": 0.2, "final": 0.0},
        "update_order": "together",
        "epochs": 8,
        "batch_size": 128,
        "seed": 0,
        "dtype": "float32",
        "standardize": True,
    },
}

SERVICE: JsonObject = {
    "name": "Glassbox",
    "version": "0.1.0",
    "links": {"documentation": "/docs", "openapi": "/openapi.json", "jobs": "/v1/jobs", "models": "/v1/models"},
}

SYSTEM: JsonObject = {
    "version": "0.1.0",
    "revision": None,
    "redis": {"fault": None, "memory_used": 2_310_144, "memory_limit": 268_435_456},
    "volume": {
        "fault": None,
        "free": 41_231_810_560,
        "total": 52_710_309_888,
        "free_inodes": 3_100_220,
        "inodes": 3_276_800,
    },
    "jobs": {
        "queued": 2,
        "running": 2,
        "cancelling": 0,
        "succeeded": 117,
        "completed_with_errors": 3,
        "failed": 1,
        "cancelled": 4,
    },
    "queues": [
        {"queue": "training", "jobs": 2, "oldest_seconds": 12.8, "processes": 1, "busy": 1, "free": 0},
        {"queue": "inference", "jobs": 0, "oldest_seconds": 0.0, "processes": 4, "busy": 1, "free": 3},
    ],
    "workers": [
        {"host": "3f0c", "queue": "training", "workers": 1, "processes": 1, "busy": 1, "free": 0},
        {"host": "9a41", "queue": "inference", "workers": 1, "processes": 4, "busy": 1, "free": 3},
    ],
    "webhook_dispatchers": 1,
}

ACCESS: JsonObject = {"key_required": True, "key": "ci", "scopes": ["read", "submit"]}
ACCESS_WITHOUT_KEYS: JsonObject = {"key_required": False, "key": None, "scopes": ["read", "submit", "manage"]}

TRAINING_REQUEST: JsonObject = {"model": "digits", "dataset": "digits", "preset": "fast", "epochs": 10, "seed": 0}

TRAINING_ESTIMATE: JsonObject = {
    "configuration": PRESET["configuration"],
    "candidates": 1,
    "parameters": 50890,
    "memory_bytes": 204472320,
    "memory_limit_bytes": 2147483648,
    "operations": 45705600000,
    "seconds": [0.57, 1.14],
    "method": "the multiply-adds of all epochs, counted from the shapes, at 40 to 80 billion a second …",
}

UPLOAD: JsonObject = {
    "id": UPLOAD_ID,
    "offset": 1_073_741_824,
    "length": 21_474_836_480,
    "complete": False,
    "partial": False,
    "metadata": {"filename": "scans.zip"},
    "created_at": "2026-01-31T12:00:00.000Z",
    "expires_at": "2026-02-03T12:04:31.000Z",
}
