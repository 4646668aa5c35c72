"""The option `invert` of predictions and batches."""

from __future__ import annotations

from api.requests.validation import RequestModel
from shared.jobs.specifications import Invert
from shared.registry import ModelVersion

INVERT = (
    "whether to invert light and dark; `auto` inverts the images that look inverted against the training images. The"
    " default is `never` for versions that do not describe their training images"
)


def chosen_invert(invert: Invert, options: RequestModel, version: ModelVersion) -> Invert:
    """Return `invert` if the request has this option, else the default for the version.

    Versions of older releases do not describe their training images, and their default stays `never`.
    """
    return "never" if version.brightness is None and "invert" not in options.model_fields_set else invert
