"""Messages of the server name the options of the command that sent the request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
from flask.testing import FlaskClient
from glassbox import errors
from glassbox.cli.app import app
from glassbox.cli.messages import message, option_of, path_of, remember

from api.app import create_app
from shared.runtime.settings import Settings
from tests.support.servers.scripted import document, scripted

COMMAND: Any = typer.main.get_command(app)


def context_of(*arguments: str) -> Any:
    """The context of a command that is parsed, and not run."""
    names, command = [], COMMAND
    rest = list(arguments)
    while isinstance(getattr(command, "commands", None), dict):
        names.append(rest.pop(0))
        command = command.commands[names[-1]]
    return command.make_context(" ".join(names), rest)


def refused(*fields: dict[str, str], code: str = "validation_failed", detail: str = "as the API says") -> Any:
    return errors.refusal({"status": 422, "code": code, "detail": detail, "errors": list(fields)})


@pytest.fixture
def api(settings: Settings) -> FlaskClient:
    """The API in this process, without limits on requests."""
    return create_app(settings.model_copy(update={"rate_limit": 0.0, "submit_rate_limit": 0.0})).test_client()


TRAIN = ("train", "digits", "-m", "m")
CLASSIFY = ("classify", "images.zip", "-m", "m")
UPLOAD = ("datasets", "upload", "easy.npz")


@pytest.mark.parametrize(
    ("arguments", "field", "option"),
    [
        (TRAIN, "#/epochs", "--epochs"),
        (TRAIN, "#/source/url", "DATASET"),
        (CLASSIFY, "#/source/url", "IMAGES"),
        (UPLOAD, "#/source/url", "FILE"),
        (TRAIN, "#/seed", "--seed"),
        (TRAIN, "#/preset", "--preset"),
        (TRAIN, "#/model", "--model"),
        (TRAIN, "#/dataset", "DATASET"),
        (TRAIN, "#/promote", "--promote"),
        (TRAIN, "#/labels", "--label"),
        (TRAIN, "#/labels/owner~1team", "--label owner/team"),
        (TRAIN, "#/batch_size", "--set batch_size"),
        (TRAIN, "#/hidden/0", "--set hidden"),
        (TRAIN, "#/optimizer", "--set optimizer"),
        (TRAIN, "#/optimizer/learning_rate", "--set optimizer.learning_rate"),
        (TRAIN, "#/webhook", "--set webhook"),
        (TRAIN, "#/a~1b~0c", "--set a/b~c"),
        (TRAIN, "#", ""),
        ((*TRAIN, "--set", "epochs=0"), "#/epochs", "--set epochs"),
        ((*TRAIN, "--set", "labels.a=0"), "#/labels/a", "--set labels.a"),
        ((*TRAIN, "--set", "seed=1"), "#/epochs", "--epochs"),
        (CLASSIFY, "top_k", "--top-k"),
        (CLASSIFY, "invert", "--invert"),
        (CLASSIFY, "error_threshold", "--error-threshold"),
        (CLASSIFY, "model", "--model"),
        (CLASSIFY, "a_parameter_of_a_newer_server", "a_parameter_of_a_newer_server"),
        (UPLOAD, "name", "--name"),
        (UPLOAD, "image_shape", "--image-shape"),
        (UPLOAD, "channels", "--channels"),
        (TRAIN, "image_shape", "--image-shape"),
        (TRAIN, "channels", "--channels"),
        (UPLOAD, "test_fraction", "--test-fraction"),
        (("jobs", "list"), "kind", "--kind"),
        (("jobs", "list"), "limit", "--limit"),
        (("jobs", "rows", "j"), "format", "--format"),
        (("models", "download", "m"), "format", "--format"),
        (("models", "delete", "m"), "force", "--force"),
        (("predict", "a.png", "-m", "m"), "top_k", "--top-k"),
    ],
)
def test_option_of_a_field_is_that_of_the_command(arguments: tuple[str, ...], field: str, option: str) -> None:
    kind = "pointer" if field.startswith("#") else "parameter"
    assert option_of({kind: field}, context_of(*arguments)) == option


def test_option_of_an_image_is_the_file_of_the_last_request() -> None:
    context = context_of("predict", "a.png", "b.png", "c.png", "-m", "m")
    remember(context, [Path("b.png"), Path("c.png")])
    assert option_of({"parameter": "image[1]"}, context) == "c.png"
    assert option_of({"parameter": "image[7]"}, context) == "IMAGE"
    assert option_of({"parameter": "image"}, context) == "IMAGE"


def test_option_of_a_field_without_a_command_is_its_name() -> None:
    assert option_of({"pointer": "#/optimizer/name"}, None) == "optimizer.name"
    assert path_of({}) == []


def test_message_names_each_option_and_where_unknown_settings_are_listed() -> None:
    error = refused(
        {"pointer": "#/epochs", "detail": "must be at least 1; got 0"},
        {"pointer": "#/foo", "detail": "is not a field of this request"},
    )
    assert message(error, context_of(*TRAIN)) == (
        "--epochs: must be at least 1; got 0; --set foo: is not a setting; `glassbox train --help` lists the settings"
    )


def test_message_about_a_known_setting_or_group_gives_no_hint() -> None:
    fields = [{"pointer": pointer, "detail": "is wrong"} for pointer in ("#/optimizer", "#/schedule/warmup")]
    context = context_of(*TRAIN, "--set", "labels.a=1")
    assert message(refused({"pointer": "#/labels/a", "detail": "is wrong"}), context) == "--set labels.a: is wrong"
    assert message(refused(*fields), context_of(*TRAIN)) == "--set optimizer: is wrong; --set schedule.warmup: is wrong"


@pytest.mark.parametrize(
    ("detail", "shown"),
    [
        ("Input should be 'never', 'always' or 'auto'", "must be 'never', 'always' or 'auto'"),
        ("String should have at most 128 characters", "must have at most 128 characters"),
        ("String should match pattern '^[1-9]+$'", "has an invalid form"),
        ("Field required", "is required"),
        ("Input should be a valid string", "must be a text"),
        ("Value error, it is wrong", "it is wrong"),
        ("must be at least 1", "must be at least 1"),
        ("classify them with invert=auto", "classify them with --invert auto"),
    ],
)
def test_message_has_no_phrases_of_json_schema(detail: str, shown: str) -> None:
    assert message(refused({"parameter": "invert", "detail": detail}), context_of(*CLASSIFY)) == f"--invert: {shown}"


def test_message_without_fields_is_the_detail_without_the_syntax_of_urls() -> None:
    context = context_of("datasets", "delete", "easy")
    no_rows = refused(code="not_a_batch", detail="job 01k8 has no rows, its result is in /v1/jobs/01k8")
    assert message(no_rows, context) == "job 01k8 has no rows, its result is in `glassbox jobs show 01k8`"
    assert message(refused(detail="it is in use; ?force=true deletes it"), context).endswith("; --force deletes it")
    assert message(refused(code="key_missing", detail="send the header X"), context) == "the server requires an API key"


@pytest.mark.parametrize(
    "rejected",
    [
        {"epochs": 0},
        {"hidden": [0]},
        {"optimizer": {"name": "adam", "learning_rate": -1}},
        {"schedule": {"warmup": 2}},
        {"augmentation": {"shift": -1}},
        {"no": {"such": "setting"}},
        {"labels": {"a": 1}},
        {"webhook": "ftp://example.org"},
        {"timeout_seconds": 0},
        {"promote": "latest"},
    ],
    ids=lambda rejected: next(iter(rejected)),
)
def test_message_about_a_rejected_training_has_no_pointer(rejected: dict[str, Any], api: FlaskClient) -> None:
    problem = api.post("/v1/training-jobs", json={"model": "m", "dataset": "digits", **rejected}).get_json()

    shown = message(errors.refusal(problem), context_of(*TRAIN))

    assert problem["code"] == "validation_failed"
    assert all(field["pointer"].startswith("#/") for field in problem["errors"])
    assert "#" not in shown
    assert "/" not in shown.partition(":")[0]
    assert shown.startswith("--")
    assert next(iter(rejected)).rstrip("s") in shown


@pytest.mark.parametrize("arguments", [("jobs", "list", "--state", "\udcff"), ("models", "show", "\udcff")])
def test_command_rejects_an_argument_that_is_not_utf_8(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted(document({})) as server, pytest.raises(SystemExit) as ended:
        app(["--url", server.url, *arguments], prog_name="glassbox")

    assert ended.value.code == 2
    assert "is not valid UTF-8" in capsys.readouterr().err


def test_command_prints_its_option_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    fields = [{"parameter": "state", "detail": "Input should be 'queued' or 'running'"}]
    problem = {"status": 422, "code": "validation_failed", "detail": "state: Input should be …", "errors": fields}

    with scripted(document(problem, 422)) as server, pytest.raises(SystemExit) as ended:
        app(["--url", server.url, "jobs", "list", "--state", "none"], prog_name="glassbox")

    assert ended.value.code == 6
    assert capsys.readouterr().err == "glassbox: --state: must be 'queued' or 'running'\n"
