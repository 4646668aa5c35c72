"""The command `glassbox`: its subcommands, their groups, and the options before them."""

from __future__ import annotations

from typing import Annotated

import typer

import glassbox
from glassbox.cli.commands import (
    classify,
    datasets,
    doctor,
    evaluate,
    explain,
    jobs,
    models,
    predict,
    serve,
    train,
    ui,
)
from glassbox.cli.exits import CODES, ReportingGroup
from glassbox.cli.session import Session

EPILOG = "\b\nExit status:\n" + "\n".join(f"{code:>3}  {meaning}" for code, meaning in CODES.items())

app = typer.Typer(
    cls=ReportingGroup,
    help="Train neural networks and classify images with a Glassbox server.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,  # drawing boxes takes longer than the rest of --help
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    context: typer.Context,
    url: Annotated[
        str | None,
        typer.Option(help="URL of the server (default: GLASSBOX_URL, the configuration file, http://127.0.0.1:8000)."),
    ] = None,
    version: Annotated[  # noqa: ARG001 - `show_version` handles it
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            help="Show the version and exit.",
            callback=lambda requested: show_version(requested=requested),
        ),
    ] = False,
) -> None:
    """Keep the server's URL for the command."""
    context.obj = Session(url)


def show_version(*, requested: bool) -> None:
    """Print the client's version and exit."""
    if requested:
        typer.echo(f"glassbox {glassbox.__version__}")
        raise typer.Exit


app.command("train", epilog=train.settings_help())(train.train)
app.command("classify")(classify.classify)
app.command("evaluate")(evaluate.evaluate)
app.command("predict")(predict.predict)
app.command("explain")(explain.explain)
app.add_typer(jobs.app, name="jobs")
app.add_typer(models.app, name="models")
app.add_typer(datasets.app, name="datasets")
app.command("ui")(ui.ui)
app.command("doctor")(doctor.doctor)
app.command("serve")(serve.serve)
