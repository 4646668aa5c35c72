"""The client's options are those of the API's requests, and the command shows them."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, get_args, get_type_hints

import click
import pytest
import typer
from glassbox import options
from glassbox.cli.app import app
from glassbox.cli.commands.train import OWN_OPTIONS, settings_help

from api.resources.trainings.training_jobs import request_for
from shared.network.configuration import Configuration
from shared.network.selection.presets import DEFAULT_PRESET, PRESET
from shared.network.settings.fields import Integer, fields_of
from tests.support.make_client_options import FILE, options_source
from tests.unit.api.test_training_fields import Extended

TRAIN: Any = typer.main.get_command(app).commands["train"]  # type: ignore[attr-defined]
PARAMETERS: dict[str, Any] = {parameter.name: parameter for parameter in TRAIN.params}


def shown_help() -> str:
    with click.Context(TRAIN, info_name="train", terminal_width=200) as context:
        return str(TRAIN.get_help(context))


def test_the_file_is_what_make_options_writes() -> None:
    assert FILE.read_text() == options_source()


def test_a_new_setting_of_the_network_becomes_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    written: Any = ModuleType("options_of_the_extended_network")
    monkeypatch.setitem(sys.modules, written.__name__, written)  # the module in which annotations are resolved
    exec(options_source(request_for(Extended)), written.__dict__)  # noqa: S102 - source that is generated here

    types = get_type_hints(written.TrainingOptions)
    assert types.keys() - get_type_hints(options.TrainingOptions).keys() == {"sharpness"}
    assert types["sharpness"] is float
    added = set(settings_help(written.TRAINING).splitlines()) - set(settings_help().splitlines())
    assert [" ".join(line.split()) for line in added] == ["sharpness Sharpness of the network: at least 0, less than 3"]


def test_help_of_train_lists_each_setting_with_its_description() -> None:
    lines = {line.split()[0]: line for line in shown_help().partition("Settings for --set")[2].splitlines()[1:]}
    for name, option in options.TRAINING.items():
        if name not in OWN_OPTIONS:
            assert option.description[:40] in lines[name]


@pytest.mark.parametrize("name", ["epochs", "seed"])
def test_an_option_of_train_has_the_networks_bounds_and_description(name: str) -> None:
    field = fields_of(Configuration)[name]
    assert isinstance(field, Integer)
    assert PARAMETERS[name].help == f"{field.description}."
    assert (PARAMETERS[name].type.min, PARAMETERS[name].type.max) == (field.minimum, field.maximum)


def test_the_option_preset_has_the_networks_presets_and_default() -> None:
    assert PARAMETERS["preset"].help == f"{PRESET.description} (default: {DEFAULT_PRESET})."
    assert PARAMETERS["preset"].metavar == "|".join(PRESET.names)
    assert get_args(options.Preset) == PRESET.names


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("hidden", list[int]),
        ("epochs", int),
        ("dropout", float),
        ("optimizer", dict[str, Any]),
        ("gradient_clip", float | None),
        ("labels", dict[str, str]),
    ],
)
def test_an_option_has_the_type_of_the_request(name: str, kind: Any) -> None:
    assert get_type_hints(options.TrainingOptions)[name] == kind
