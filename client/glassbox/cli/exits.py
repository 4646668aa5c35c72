"""The end of a command: an exit status for each kind of error, and one line with the cause and the remedy."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer import Exit
from typer.core import TyperGroup

from glassbox import errors
from glassbox.cli.messages import CONTEXT, message
from glassbox.cli.output import print_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    import typer

CODES = {
    0: "success",
    1: "a job failed or was cancelled, or a check failed",
    2: "wrong usage",
    3: "the server does not answer",
    4: "the API key is missing, unknown, or lacks a scope",
    5: "the job, model, version or data set does not exist",
    6: "the server rejected the request",
    7: "the server cannot do it now",
    8: "a local file cannot be read or written",
    130: "interrupted",
}

JOB_FAILED, USAGE, UNREACHABLE, UNAUTHORIZED, NOT_FOUND, REFUSED, NOT_NOW, FILE, INTERRUPTED = list(CODES)[1:]
BROKEN_PIPE = 141  # 128 + SIGPIPE, as a shell reports it


class ReportingGroup(TyperGroup):
    """A group of commands that reports an error as one line and an exit status, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; report its errors."""
        try:
            return super().invoke(ctx)
        except errors.GlassboxError as error:
            report(error, ctx.meta.get(CONTEXT))
            raise Exit(status_of(error)) from None
        except UnicodeEncodeError as error:
            if error.encoding != "utf-8":  # an output, and not an argument
                raise
            say(f"an argument is not valid UTF-8: {error.object!r}")
            raise Exit(USAGE) from None
        except KeyboardInterrupt:
            say("interrupted")
            raise Exit(INTERRUPTED) from None
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python's last flush fails
            raise Exit(BROKEN_PIPE) from None


def status_of(error: errors.GlassboxError) -> int:
    """Return the exit status of an error."""
    from glassbox.jobs import JobFailed  # noqa: PLC0415 - see the package's docstring

    match error:
        case JobFailed():
            return JOB_FAILED
        case errors.WrongArgument() | errors.SettingsError():
            return USAGE
        case errors.NotReachable() | errors.UnexpectedAnswer():
            return UNREACHABLE
        case errors.Unauthenticated() | errors.Forbidden():
            return UNAUTHORIZED
        case errors.NotFound():
            return NOT_FOUND
        case errors.LocalFileError() | errors.DownloadDamaged():
            return FILE
        case errors.StillRunning():
            return NOT_NOW
        case errors.Refused():
            transient = errors.TooMany | errors.Unavailable | errors.StorageFull | errors.ServerFault
            return NOT_NOW if isinstance(error, transient) else REFUSED
    return JOB_FAILED


def report(error: errors.GlassboxError, context: typer.Context | None = None) -> None:
    """Print on standard error what happened and what to do; as JSON if the command has the option `--json`.

    context: that of the command, whose options take the place of the request's fields.
    """
    detail = message(error, context) if isinstance(error, errors.Refused) else str(error)
    if "--json" in sys.argv:
        document = {"status": status_of(error), "code": getattr(error, "code", None), "detail": detail}
        print(json.dumps({"error": document}), file=sys.stderr)
        return
    remedy = _remedy(error, {} if context is None else context.params)
    say(f"{detail}; {remedy}" if remedy else detail)


def say(line: str) -> None:
    """Print a line on standard error, after the command's name."""
    print_line("glassbox: " + " ".join(line.split()), err=True)


def _remedy(error: errors.GlassboxError, arguments: Mapping[str, Any]) -> str:
    """Return what to do, or an empty text if the error's own message says it."""
    from glassbox.jobs import JobFailed  # noqa: PLC0415 - see the package's docstring

    match error:
        case errors.NotReachable():
            return "start it, or set --url or GLASSBOX_URL to another one (`glassbox doctor` checks more)"
        case errors.Unauthenticated():
            return "set GLASSBOX_API_KEY, or api_key in the configuration file"
        case errors.Forbidden(code="source_not_allowed") | errors.Unavailable(code="source_unavailable"):
            return ""  # the detail says it
        case errors.Forbidden():
            return "request another key from the server's operator"
        case errors.NotFound(code="model_not_found"):
            return "`glassbox models list` shows the models"
        case errors.NotFound(code="version_not_found" | "version_deleted"):
            return "`glassbox models list MODEL` shows the versions"
        case errors.NotFound(code="dataset_not_found"):
            name = arguments.get("dataset")
            if isinstance(name, str) and Path(name).is_dir():
                return f"to upload the folder {name} that is here, write {name}/"
            return "`glassbox datasets list` shows the data sets"
        case errors.NotFound(code="job_not_found"):
            return "`glassbox jobs list` shows the jobs"
        case errors.ServerFault():
            return f"report it to the server's operator, with the request id {error.request_id}"
        case JobFailed(job=job) if job.error is not None:
            return f"`glassbox jobs retry {job.id}` resumes it after the cause is removed"
        case errors.TooMany() | errors.Unavailable():
            return "try again later"
    return ""
