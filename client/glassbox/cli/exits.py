"""How the command ends: one line that says what happened and what to do, and an exit status that means something."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from typer import Exit
from typer.core import TyperGroup

from glassbox import errors
from glassbox.cli.messages import CONTEXT, message

if TYPE_CHECKING:
    import typer

CODES = {
    0: "done",
    1: "a job ended without success, or something was found wrong",
    2: "wrong usage",
    3: "the server does not answer",
    4: "no key, or one that may not do this",
    5: "no such job, model or data set",
    6: "the server refused it as it is",
    7: "the server cannot do it now",
    8: "a file here cannot be read or written",
    130: "interrupted",
}

JOB_FAILED, USAGE, UNREACHABLE, UNAUTHORIZED, NOT_FOUND, REFUSED, NOT_NOW, FILE, INTERRUPTED = list(CODES)[1:]
BROKEN_PIPE = 141  # what a shell says of a program that nobody reads any more


class Careful(TyperGroup):
    """The commands, whose errors end in a line and a status, never in a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except errors.GlassboxError as error:
            report(error, ctx.meta.get(CONTEXT))
            raise Exit(status_of(error)) from None
        except KeyboardInterrupt:
            say("interrupted")
            raise Exit(INTERRUPTED) from None
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it ends
            raise Exit(BROKEN_PIPE) from None


def status_of(error: errors.GlassboxError) -> int:
    """The exit status that stands for an error."""
    from glassbox.jobs import JobFailed  # noqa: PLC0415 - `glassbox --help` needs no client

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
    told = message(error, context) if isinstance(error, errors.Refused) else str(error)
    if "--json" in sys.argv:
        document = {"status": status_of(error), "code": getattr(error, "code", None), "detail": told}
        print(json.dumps({"error": document}), file=sys.stderr)
        return
    remedy = _remedy(error)
    say(f"{told}; {remedy}" if remedy else told)


def say(line: str) -> None:
    """A line on standard error, with our name."""
    print("glassbox: " + " ".join(line.split()), file=sys.stderr)


def _remedy(error: errors.GlassboxError) -> str:
    """What to do, where the error does not say it itself."""
    from glassbox.jobs import JobFailed  # noqa: PLC0415 - see above

    match error:
        case errors.NotReachable():
            return "start it, or name another with --url or GLASSBOX_URL (`glassbox doctor` looks closer)"
        case errors.Unauthenticated():
            return "set GLASSBOX_API_KEY, or api_key in the file of settings"
        case errors.Forbidden():
            return "ask the server's operator for another key"
        case errors.NotFound(code="model_not_found"):
            return "`glassbox models list` shows which there are"
        case errors.NotFound(code="version_not_found" | "version_deleted"):
            return "`glassbox models list NAME` shows which there are"
        case errors.NotFound(code="dataset_not_found"):
            return "`glassbox datasets list` shows which there are"
        case errors.NotFound(code="job_not_found"):
            return "`glassbox jobs list` shows which there are"
        case errors.ServerFault():
            return f"tell the server's operator, with the request {error.request_id}"
        case JobFailed(job=job) if job.error is not None:
            return f"`glassbox jobs retry {job.id}` lets it go on once the cause is gone"
        case errors.TooMany() | errors.Unavailable():
            return "try again later"
    return ""
