"""`glassbox jobs`: lists, shows and changes jobs, and downloads a batch's rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from glassbox.cli import options
from glassbox.cli.commands.classify import FORMATS, fetch, rows_format
from glassbox.cli.display.accuracy import accuracy_text
from glassbox.cli.display.rates import queued
from glassbox.cli.display.watching import watched
from glassbox.cli.messages import without_api_syntax
from glassbox.cli.output import moment, print_facts, print_json, print_line, print_table, printable
from glassbox.cli.session import client_of
from glassbox.files.skip_report import as_line

if TYPE_CHECKING:
    from glassbox.jobs import Job

EXAMPLES = """\b
Examples:
  glassbox jobs list --state running
  glassbox jobs list --kind training --label team:vision
  glassbox jobs watch 01k8z4y6w9m3n5p7q1r2s4t6v8
  glassbox jobs rows 01k8z4y6w9m3n5p7q1r2s4t6v8 -o rows.csv
"""

app = typer.Typer(help=f"List, show, watch, cancel, retry and delete jobs.\n\n{EXAMPLES}", no_args_is_help=True)


@app.command("list")
def list_jobs(
    context: typer.Context,
    kind: Annotated[
        str | None, typer.Option(metavar="training|batch|reproduction|evaluation", help="List only jobs of this kind.")
    ] = None,
    state: Annotated[str | None, typer.Option(help="List only jobs in this state.")] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="List only jobs of this model.", autocompletion=options.model_names),
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="NAME:VALUE", help="List only jobs with this label.", show_default=False)
    ] = None,
    limit: options.Limit = 20,
    as_json: options.Json = False,
) -> None:
    """List the newest jobs."""
    with client_of(context) as client:
        jobs = list(client.jobs.list(cast("Any", kind), cast("Any", state), model, limit, label=label))
    if as_json:
        print_json(jobs)
        return
    print_table(
        ("job", "kind", "state", "model", "progress", "submitted"),
        [
            (job.id, job.kind, job.state, job.request.get("model"), progress(job), moment(job.created_at))
            for job in jobs
        ],
        empty="no jobs; `glassbox train` submits one",
    )


@app.command()
def show(context: typer.Context, job_id: options.JobId, as_json: options.Json = False) -> None:
    """Show a job: its state, progress and result."""
    with client_of(context) as client:
        print_job(client.jobs.get(job_id), as_json=as_json)


@app.command()
def watch(context: typer.Context, job_id: options.JobId, as_json: options.Json = False) -> None:
    """Show a job's progress until it ends."""
    with client_of(context) as client:
        job = watched(client, client.jobs.get(job_id), quiet=as_json)
        print_job(job, as_json=as_json)


@app.command()
def cancel(context: typer.Context, job_id: options.JobId, as_json: options.Json = False) -> None:
    """Cancel a job. Its finished work is kept."""
    with client_of(context) as client:
        job = client.jobs.cancel(job_id)
    print_state(job, f"job {job.id} is {job.state}; `glassbox jobs retry {job.id}` resumes it", as_json=as_json)


@app.command()
def retry(
    context: typer.Context, job_id: options.JobId, detach: options.Detach = False, as_json: options.Json = False
) -> None:
    """Resume a failed or cancelled job and wait for it. A batch reads its failed images again."""
    with client_of(context) as client:
        job = client.jobs.retry(job_id)
        if detach:
            print_state(job, f"job {job.id} is {job.state}", as_json=as_json)
        else:
            print_job(watched(client, job, quiet=as_json), as_json=as_json)


@app.command()
def delete(context: typer.Context, job_id: options.JobId, as_json: options.Json = False) -> None:
    """Delete a finished job and its rows. A version that it trained stays."""
    with client_of(context) as client:
        client.jobs.delete(job_id)
    if as_json:
        print_json({"deleted": job_id})
    else:
        print_line(f"job {job_id} is deleted")


@app.command()
def rows(
    context: typer.Context,
    job_id: options.JobId,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="File for the rows; - is standard output.")
    ] = "-",
    format_: Annotated[
        str | None,
        typer.Option("--format", metavar=FORMATS, help="Format (default: by the file's ending)."),
    ] = None,
    label: Annotated[str | None, typer.Option(help="Only rows with this label.")] = None,
    above: Annotated[float | None, typer.Option(help="Only rows with at least this confidence.")] = None,
    below: Annotated[float | None, typer.Option(help="Only rows with less than this confidence.")] = None,
    path: Annotated[str | None, typer.Option(help="Only rows whose path contains this text.")] = None,
    as_json: options.Json = False,
) -> None:
    """Download a batch's rows, all or those of a filter, also while it runs."""
    from glassbox.records.rows import RowFilter  # noqa: PLC0415 - a command starts faster without it

    form = rows_format(output, format_, default="jsonl" if as_json else "csv")
    with client_of(context) as client:
        fetch(client, client.jobs.get(job_id), output, form, RowFilter(label, above, below, path))


@app.command()
def errors(context: typer.Context, job_id: options.JobId, as_json: options.Json = False) -> None:
    """List the images of a batch that could not be read."""
    with client_of(context) as client:
        found = list(client.jobs.errors(job_id))
    if as_json:
        print_json(found)
        return
    print_table(
        ("image", "code", "error"),
        [(error.path, error.code, error.detail) for error in found],
        empty="no errors: every image could be read",
    )


def print_state(job: Job, line: str, *, as_json: bool) -> None:
    """Print the job as JSON, or a line about it."""
    if as_json:
        print_json(job)
    else:
        print_line(line)


def print_job(job: Job, *, as_json: bool) -> None:
    """Print a job's facts, or its JSON."""
    if as_json:
        print_json(job)
        return
    result: Any = job.result
    facts = [
        ("job", job.id),
        ("kind", job.kind),
        ("state", job.state),
        ("waiting", job.waiting and f"{job.waiting.detail} ({job.waiting.code})"),
        ("error", job.error and f"{job.error.detail} ({job.error.code})"),
        ("progress", progress(job)),
        ("submitted", moment(job.created_at)),
        ("started", moment(job.started_at)),
        ("finished", moment(job.finished_at)),
        ("attempt", job.attempt),
        ("request", ", ".join(f"{name}={value}" for name, value in job.request.items())),
        ("result", result and f"{result.model}@{result.version}"),
    ]
    if result and job.kind == "training":
        facts.append(("test accuracy", accuracy_text(result.test_accuracy, result.accuracy_interval, result.baselines)))
        facts.append(("usage", usage(job.metrics)))
    elif result and job.kind == "reproduction":
        facts.append(("reproduced", "bit for bit" if result.reproduced else "NO, the bits differ"))
    elif result and job.kind == "evaluation":
        measured = accuracy_text(result.accuracy, result.accuracy_interval)
        facts += [
            ("data set", result.dataset),
            ("accuracy", f"{measured} of {result.samples:,} {result.split} images"),
        ]
    elif result:
        facts += [("images", f"{result.succeeded:,} classified, {result.failed:,} could not be read")]
    skipped = result.skipped if result and job.kind == "batch" else job.skipped
    facts.append(("skipped", printable(as_line(skipped)).removeprefix("skipped ") or None))
    facts += [("warning", without_api_syntax(warning)) for warning in job.warnings]
    print_facts(facts)


def usage(metrics: dict[str, Any]) -> str | None:
    """Return what a training took, such as `21,400 images/s on 1.9 cores, 310 MB; 2.1 s of training, …`, if known."""
    if "load_seconds" not in metrics:  # of an older server
        return None
    phases = {"of loading": "load", "of training": "training", "of evaluation": "evaluation"}
    took = ", ".join(f"{metrics[f'{phase}_seconds']:,.1f} s {words}" for words, phase in phases.items())
    speed = f"{metrics['images_per_second']:,.0f} images/s on {metrics['cores']:,.1f} cores"
    return f"{speed}, {metrics['memory_bytes'] / 1e6:,.0f} MB; {took}"


def progress(job: Job) -> str:
    """Return a job's progress, such as `3/20 epochs`, or its place in the queue."""
    if job.progress.place:
        return queued(job.progress.place, job.progress.starts_in_seconds)
    return f"{job.progress.done:,}/{job.progress.total:,} {job.progress.unit}"
