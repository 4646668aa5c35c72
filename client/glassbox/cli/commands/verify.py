"""`glassbox models verify`: trains a version again and compares the weights bit for bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from glassbox.cli import options
from glassbox.cli.display.watching import watched
from glassbox.cli.exits import JOB_FAILED
from glassbox.cli.output import print_json, print_line
from glassbox.cli.session import client_of

if TYPE_CHECKING:
    from glassbox.jobs import ReproductionResult


def verify(
    context: typer.Context,
    reference: options.Reference,
    detach: options.Detach = False,
    as_json: options.Json = False,
) -> None:
    """Train a version again and compare the bits. Exit status 0 if they agree, 1 if not."""
    from glassbox.jobs import ReproductionResult  # noqa: PLC0415 - see the package's docstring

    with client_of(context) as client:
        job = client.reproduce(reference)
        if not detach:
            job = watched(client, job, quiet=as_json)
    if as_json:
        print_json(job)
    elif detach:
        typer.echo(job.id)
    if isinstance(job.result, ReproductionResult):
        if not as_json:
            for line in summary(job.result):
                print_line(line)
        if not job.result.reproduced:
            raise typer.Exit(JOB_FAILED)


def summary(result: ReproductionResult) -> list[str]:
    """Return lines about the result; after a difference, also its first number and the likely causes."""
    name = f"{result.model}@{result.version}"
    threads = f"{result.threads} BLAS thread{'' if result.threads == 1 else 's'}"
    if result.reproduced:
        return [f"{name} is reproduced bit for bit, with {threads}: SHA-256 {result.weights_sha256_got}"]
    lines = [f"{name} is NOT reproduced, with {threads}: {result.differing_numbers:,} numbers differ"]
    first = result.first_difference
    if first is not None and first.index is not None:
        index = ", ".join(map(str, first.index))
        lines.append(f"first difference: {first.parameter}[{index}] is {first.got!r}, was {first.expected!r}")
    elif first is not None:
        lines.append(f"first difference: {first.parameter} has another shape")
    for what, change in result.environment.items():
        lines.append(f"{what} has changed since the training: {change.then or 'not recorded'} → {change.now}")
    if not result.environment:
        lines.append("Python, NumPy, BLAS and processor have not changed: compare the manifest and the data")
    return lines
