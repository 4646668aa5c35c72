"""The log's lines: JSON for machines, text for a terminal, and their context."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from contextvars import copy_context
from typing import Any

import pytest

from shared.runtime import log_context, logs
from shared.runtime.logs import JsonFormatter, TextFormatter
from tests.support.programs.processes import ROOT


def record(message: str, *arguments: object, **more: Any) -> logging.LogRecord:
    return logging.getLogger("some.module").makeRecord(
        "some.module", logging.WARNING, "file", 1, message, arguments, more.pop("exc_info", None), extra=more
    )


def error() -> Any:
    try:
        int("what is wrong")
    except ValueError:
        return sys.exc_info()


HOSTILE = [
    "/a\r\n2026-01-01T00:00:00Z INFO forged",
    "\x1b]0;forged\x07\x1b[2J",
    "\x9b2Jforged",
    "\u202eforged",
    "a\x85forged\u2028forged\x0bforged\x7f\0",
]


class TestJson:
    def test_a_json_record_is_one_line(self) -> None:
        line = JsonFormatter().format(record("it is\n%s", "so", exc_info=error()))

        assert "\n" not in line
        read = json.loads(line)
        assert (read["level"], read["logger"], read["message"]) == ("warning", "some.module", "it is\nso")
        assert read["time"].endswith("Z")
        assert "ValueError: invalid literal" in read["exception"]

    def test_a_json_record_has_the_context_and_the_callers_fields(self) -> None:
        with log_context.bound(request_id="r-1", key=None, job_id="j-1"):
            read = json.loads(JsonFormatter().format(record("done", fields={"status": 200})))

        assert (read["request_id"], read["job_id"], read["status"]) == ("r-1", "j-1", 200)
        assert "key" not in read


class TestText:
    def test_a_text_record_has_level_logger_message_and_context(self) -> None:
        with log_context.bound(request_id="r-1"):
            line = TextFormatter().format(record("it is %s", "so"))

        assert line.endswith("WARNING some.module: it is so request_id=r-1")

    def test_line_breaks_in_input_are_escaped(self) -> None:
        assert "\n" not in TextFormatter().format(record("path %s", "/a\r\n2026 INFO forged"))

    @pytest.mark.parametrize("text", HOSTILE)
    @pytest.mark.parametrize("place", ["message", "field", "context"])
    @pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()], ids=["text", "json"])
    def test_input_cannot_forge_a_line_or_command_a_terminal(
        self, formatter: logging.Formatter, place: str, text: str
    ) -> None:
        entry = record("path %s", text if place == "message" else "/a")
        if place == "field":
            entry.fields = {"client": text}
        with log_context.bound(**({"request_id": text} if place == "context" else {})):
            line = formatter.format(entry)

        assert len(line.splitlines()) == 1
        assert line.isprintable()
        assert "forged" in line

    def test_a_value_with_spaces_cannot_look_like_further_fields(self) -> None:
        with log_context.bound(request_id="a status=200"):
            assert ' request_id="a status=200"' in TextFormatter().format(record("ended"))

    def test_a_traceback_is_shown(self) -> None:
        assert "ValueError: invalid literal" in TextFormatter().format(record("failed", exc_info=error()))

    @pytest.mark.parametrize("text", HOSTILE)
    def test_the_text_of_an_exception_cannot_forge_a_line_or_command_a_terminal(self, text: str) -> None:
        entry = record("failed", exc_info=(ValueError, ValueError(text), None))

        first, *traceback = TextFormatter().format(entry).split("\n")

        assert first.endswith("failed")
        assert all(line.startswith("  ") and line.isprintable() for line in traceback)


class TestContext:
    def test_a_block_restores_the_earlier_context(self) -> None:
        def work() -> None:
            log_context.bind(request_id="r-1")
            with log_context.bound(job_id="j-1"):
                assert log_context.current() == {"request_id": "r-1", "job_id": "j-1"}
            assert log_context.current() == {"request_id": "r-1"}
            log_context.clear()
            assert log_context.current() == {}

        copy_context().run(work)


@pytest.mark.parametrize(("log_format", "is_json"), [("auto", True), ("json", True), ("text", False)])
def test_a_program_logs_in_the_configured_format_and_to_a_file_in_json(log_format: str, is_json: bool) -> None:
    script = (
        f"import logging; from shared.runtime import logs; from shared.runtime.settings import Settings;"
        f"logs.configure(Settings(log_format='{log_format}')); logging.getLogger('a').info('hello'); "
        "logging.debug('no')"
    )

    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stderr.startswith("{") == is_json
    assert "hello" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("status", [200, 503])
def test_a_health_check_is_logged_at_debug_whatever_its_status(caplog: pytest.LogCaptureFixture, status: int) -> None:
    with caplog.at_level(logging.DEBUG):
        for path in ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", "/v1/models", "/readyz/else"):
            logs.log_access(method="GET", path=path, status=status, size=2, seconds=0.1, client="::1", context={})

    levels = {record.getMessage().split()[1]: record.levelname for record in caplog.records}
    assert [path for path, level in levels.items() if level == "INFO"] == ["/v1/models", "/readyz/else"]
    assert len(levels) == 6
