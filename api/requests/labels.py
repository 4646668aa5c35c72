"""The labels of a job: texts by name, in requests and in filters of lists."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from api.requests.field_errors import summary
from shared.errors import FieldError, Invalid
from shared.jobs.index import label_text
from shared.jobs.record import compact_json
from shared.runtime.settings import Settings
from shared.runtime.sizes import in_words

MAX_NAME, MAX_VALUE = 128, 1024  # characters

LabelName = Annotated[str, StringConstraints(max_length=MAX_NAME)]
LabelValue = Annotated[str, StringConstraints(max_length=MAX_VALUE)]
LabelText = Annotated[str, StringConstraints(max_length=len(label_text("n" * MAX_NAME, "v" * MAX_VALUE)))]


def check_labels(labels: dict[str, str], settings: Settings) -> None:
    """Raise `Invalid` if the labels together are too large for a job's record."""
    size, most = len(compact_json(labels).encode()), settings.max_labels_bytes
    if size > most:
        reason = (
            f"must have at most {in_words(most)} together, as JSON (GLASSBOX_MAX_LABELS_BYTES); got {in_words(size)}"
        )
        fields = [FieldError(reason, pointer="#/labels")]
        raise Invalid("validation_failed", summary(fields), fields)
