"""The commands as one: `glassbox`, its groups, and the options before them."""

from __future__ import annotations

from typing import Annotated

import typer

import glassbox
from glassbox.cli.commands import classify, datasets, doctor, jobs, models, predict, serve, train
from glassbox.cli.exits import CODES, Careful
from glassbox.cli.session import Session

EPILOG = "\b\nExit status:\n" + "\n".join(f"{code:>3}  {meaning}" for code, meaning in CODES.items())

app = typer.Typer(
    cls=Careful,
    help="Train networks and classify images with a Glassbox server.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,  # to draw boxes takes longer than all the rest of --help
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    context: typer.Context,
    url: Annotated[
        str | None, typer.Option(help="The server; else GLASSBOX_URL, else the file of settings, else this machine.")
    ] = None,
    version: Annotated[  # noqa: ARG001 - `show_version` has seen it
        bool, typer.Option("--version", is_eager=True, callback=lambda wanted: show_version(wanted=wanted))
    ] = False,
) -> None:
    """Remember which server is meant."""
    context.obj = Session(url)


def show_version(*, wanted: bool) -> None:
    """Say which client this is, and end."""
    if wanted:
        typer.echo(f"glassbox {glassbox.__version__}")
        raise typer.Exit


app.command("train", epilog=train.settings_help())(train.train)
app.command("classify")(classify.classify)
app.command("predict")(predict.predict)
app.add_typer(jobs.app, name="jobs")
app.add_typer(models.app, name="models")
app.add_typer(datasets.app, name="datasets")
app.command("doctor")(doctor.doctor)
app.command("serve")(serve.serve)
