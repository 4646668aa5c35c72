"""The log: one line per event on standard error, JSON for machines or text for a terminal.

A line of JSON has `time`, `level`, `logger`, `message`, `process`, the fields of `shared/runtime/log_context.py`
(`request_id`, `key`, `job_id`) and those that the caller passes as `extra={"fields": {…}}`. `exception` is the
traceback.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping

from shared.json_types import JsonObject
from shared.runtime import log_context
from shared.runtime.clock import rfc3339
from shared.runtime.settings import Settings

access = logging.getLogger("glassbox.access")

CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
SHORT = {"\r": "\\r", "\n": "\\n", "\t": "\\t"}

_encoder = json.JSONEncoder(ensure_ascii=False, default=str)  # `json.dumps` would create one for each line

HEALTH_CHECKS = {"/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"}
LOWEST_LEVELS = {  # records of these loggers below their level are dropped
    "amqp": logging.INFO,
    "kombu": logging.INFO,
    "urllib3": logging.INFO,
    "celery.app.trace": logging.WARNING,  # the start and end of each task; the runner logs both with the job's id
    "celery.worker.strategy": logging.WARNING,
}


class JsonFormatter(logging.Formatter):
    """A formatter that writes a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without the newline."""
        line: JsonObject = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _without_controls(_encoder.encode(line), "\\u{:04x}")


class TextFormatter(logging.Formatter):
    """A formatter for people: time, level, logger, message, then the fields; a traceback follows on its own lines."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, followed by the indented traceback if the record has one.

        Control characters are escaped, and the lines of a traceback indented, so that texts from outside cannot forge a
        line or command the terminal.
        """
        fields = "".join(f" {name}={_quoted(str(value))}" for name, value in _fields(record).items())
        lines = [f"{_time(record)} {record.levelname:7} {record.name}: {record.getMessage()}{fields}"]
        if record.exc_info:
            lines += [f"  {line}" for line in self.formatException(record.exc_info).split("\n")]
        return "\n".join(_without_controls(line, "\\x{:02x}") for line in lines)


def configure(settings: Settings) -> None:
    """Send this process's whole log to standard error, in the format and at the level of the settings."""
    as_text = settings.log_format == "text" or (settings.log_format == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextFormatter() if as_text else JsonFormatter())
    level = settings.log_level.upper()
    logging.logThreads = logging.logMultiprocessing = False  # no formatter uses these fields
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name, lowest in LOWEST_LEVELS.items():
        logging.getLogger(name).setLevel(max(lowest, logging.getLevelNamesMapping()[level]))


def log_access(
    *,
    method: str,
    path: str,
    status: int,
    size: int | None,
    seconds: float,
    client: str,
    context: Mapping[str, str],
) -> None:
    """Log one line for a finished request, at level debug for a health check, whatever its status."""
    level = logging.DEBUG if path in HEALTH_CHECKS else logging.INFO
    fields = {"status": status, "bytes": size, "seconds": round(seconds, 6), "client": client, **context}
    access.log(level, "%s %s %d", method, path, status, extra={"fields": fields})


def _fields(record: logging.LogRecord) -> JsonObject:
    return {**log_context.current(), **getattr(record, "fields", {})}


def _time(record: logging.LogRecord) -> str:
    return rfc3339(int(record.created * 1000))


def _quoted(value: str) -> str:
    """Return a field's value, in quotation marks if it has spaces, so that it cannot look like further fields."""
    return json.dumps(value, ensure_ascii=False) if " " in value else value


def _without_controls(text: str, form: str) -> str:
    """Escape control characters, line breaks of any kind and marks of writing direction; form: of a code point."""
    return CONTROLS.sub(lambda match: SHORT.get(match[0]) or form.format(ord(match[0])), text)
