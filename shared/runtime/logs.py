"""The log: one line per event on standard error, JSON for machines or text for a terminal.

A line of JSON has `time`, `level`, `logger`, `message`, `process`, the fields of `shared/runtime/log_context.py`
(`request_id`, `key`, `job_id`) and those that the caller passes as `extra={"fields": {…}}`. `exception` is the
traceback.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping

from shared.json_types import JsonObject
from shared.runtime import log_context
from shared.runtime.clock import rfc3339
from shared.runtime.settings import Settings

access = logging.getLogger("glassbox.access")

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
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """A formatter for people: time, level, logger, message, then the fields; a traceback follows on its own lines."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, followed by the traceback if the record has one."""
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        text = f"{_time(record)} {record.levelname:7} {record.name}: {_escape_newlines(record.getMessage())}{fields}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def configure(settings: Settings) -> None:
    """Send this process's whole log to standard error, in the format and at the level of the settings."""
    as_text = settings.log_format == "text" or (settings.log_format == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextFormatter() if as_text else JsonFormatter())
    level = settings.log_level.upper()
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


def _escape_newlines(text: str) -> str:
    """Escape line breaks, so that input from outside cannot forge a log line."""
    return text.replace("\r", "\\r").replace("\n", "\\n")
