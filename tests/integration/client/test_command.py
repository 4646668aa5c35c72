"""The command `glassbox` as a process on a real service: in a pipe, on a terminal, and after errors."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from pyarrow import parquet

from api.auth.keys import KeysFile, Scope, new_key
from tests.support.data.images import png
from tests.support.data.npz import easy_arrays, easy_images, npz
from tests.support.network import closed_port
from tests.support.programs.command import Command, command_line
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.stack import Stack, running_stack
from tests.support.waiting import eventually

LONG = ("--epochs", "100000", "--set", "batch_size=1", "--set", "hidden=[256,128]")  # takes longer than a test waits
KEYS_DATABASE = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder: a data set, and images as a folder and as a zip."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "easy.npz").write_bytes(npz(easy_arrays(seed=31)))
    (folder / "images" / "more").mkdir(parents=True)
    images, labels = easy_images(20, seed=32)
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            name = f"{'more/' if number % 2 else ''}{number:02d}-{label}.png"
            (folder / "images" / name).write_bytes(png(image))
        for path in sorted((folder / "images").rglob("*.png")):
            archive.write(path, path.relative_to(folder / "images"))
    return folder


@pytest.fixture
def glassbox(stack: Stack, folder: Path) -> Command:
    return Command(f"http://127.0.0.1:{stack.port}", folder, {})


@pytest.fixture(scope="module")
def model(stack: Stack, folder: Path) -> str:
    """A model that classifies the images correctly, trained by the command."""
    done = Command(f"http://127.0.0.1:{stack.port}", folder, {})(
        "train", "easy.npz", "--model", "by-command", "--epochs", "20", "--promote", "champion"
    )
    assert done.status == 0, done.err
    return "by-command"


@pytest.fixture(scope="module")
def guarded(
    redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Command, dict[Scope, str]]]:
    """A service that requires API keys, and a key of each scope."""
    folder = tmp_path_factory.mktemp("guarded")
    made = {scope: new_key(f"a-{scope}-key", frozenset({scope})) for scope in Scope}
    KeysFile(folder / "keys").write([line for _, line in made.values()])
    with running_stack(folder, redis_server.url(KEYS_DATABASE), GLASSBOX_API_KEYS_FILE=str(folder / "keys")) as stack:
        command = Command(f"http://127.0.0.1:{stack.port}", folder, {})
        yield command, {scope: key for scope, (key, _) in made.items()}


class TestInAPipe:
    def test_train_prints_a_plain_line_for_each_epoch(self, glassbox: Command) -> None:
        done = glassbox("train", "easy.npz", "--model", "piped", "--epochs", "3", "--seed", "7")
        assert done.status == 0
        assert done.out.startswith("piped@1: test accuracy ")
        assert "\x1b" not in done.out + done.err
        assert [line.split(",")[0] for line in done.err.splitlines() if "epoch" in line] == [
            f"glassbox: epoch {number}/3" for number in (1, 2, 3)
        ]

    def test_train_without_settings_compares_candidates_and_shows_them(self, glassbox: Command) -> None:
        (glassbox.folder / "many.npz").write_bytes(npz(easy_arrays(train=400, test=60, seed=32)))
        done = glassbox("train", "many.npz", "--model", "chosen")
        assert done.status == 0, done.err
        assert done.out.startswith("chosen@1: test accuracy 100.00%")
        assert "note: comparing" in done.err
        assert "note: the winner is " in done.err

        shown = glassbox("models", "show", "chosen").out
        assert "Selection: " in shown
        assert [line.split("\t")[0] for line in shown.splitlines()].count("winner") == 1
        selection = glassbox("models", "show", "chosen", "--json").json["selection"]
        assert 3 * selection["cost"] <= selection["candidates"][selection["winner"]]["cost"]

    def test_train_prints_the_uncertainty_the_baselines_and_the_warnings(self, glassbox: Command) -> None:
        nothing = ("--set", "optimizer.name=sgd", "--set", "optimizer.learning_rate=1e-9")
        done = glassbox("train", "easy.npz", "--model", "underfitted", "--epochs", "1", *nothing)
        assert done.status == 0
        shares = re.sub(r"[\d.]+%", "%", re.sub(r"[\d.]+–", "", done.out))
        assert shares.startswith("underfitted@1: test accuracy % (%), linear model %, most frequent class % (after ")
        warnings = [line for line in done.err.splitlines() if line.startswith("warning: ")]
        assert any("of its training images correctly" in line for line in warnings)
        shown = glassbox("models", "show", "underfitted").out
        assert "(underfits)" in shown
        assert "underfits" in glassbox("models", "compare", "underfitted", "underfitted").out
        job = glassbox("jobs", "list", "--model", "underfitted", "--json").json[0]
        watched = glassbox("jobs", "watch", job["id"])
        assert all(f"warning        {line.removeprefix('warning: ')}" in watched.out for line in warnings)
        assert "note:" not in watched.err

    def test_a_folder_and_a_zip_of_it_give_the_same_rows(self, glassbox: Command, model: str, folder: Path) -> None:
        for source in ("images", "images.zip"):
            done = glassbox("classify", source, "--model", f"{model}@champion", "-o", f"{source}.csv")
            assert done.status == 0, done.err
            assert "20 of 20 images" in done.out
        rows = (folder / "images.csv").read_text()
        assert rows == (folder / "images.zip.csv").read_text()
        lines = [line.split(",") for line in rows.splitlines()[1:]]
        assert all(path.endswith(f"-{label}.png") for path, label, _ in lines)

    def test_classify_sorts_images_into_folders_by_label(self, glassbox: Command, model: str, folder: Path) -> None:
        done = glassbox("classify", "images", "--model", model, "--sort-into", "sorted", "--link")
        assert done.status == 0, done.err
        found = sorted((folder / "sorted").rglob("*.png"))
        assert len(found) == 20
        assert all(path.stem.endswith(f"-{path.parent.name}") and path.is_symlink() for path in found)
        labels = len({path.parent for path in found})
        assert f"20 images linked into sorted: {labels} labels" in done.out
        sure = glassbox("classify", "images.zip", "--model", model, "--sort-into", "sure", "--min-confidence", "1")
        assert re.search(r"^20 images copied into sure: \d+ labels?, \d+ below 1 in _unsure$", sure.out, re.MULTILINE)
        assert "--sort-into" in glassbox("classify", "images", "--model", model, "--link").err

    def test_classify_names_a_folder_to_which_the_server_writes(
        self, glassbox: Command, model: str, stack: Stack
    ) -> None:
        sink = stack.volume.root.parent / "exports" / "by-command"
        parts = ("--sink", f"file://{sink}", "--sink-format", "parquet")
        done = glassbox("classify", "images.zip", "--model", model, *parts)
        assert done.status == 0, done.err
        assert f"1 part in file://{sink}" in done.out
        assert parquet.read_table(sink / "results").num_rows == 20
        assert "name another folder" in glassbox("classify", "images.zip", "--model", model, *parts).err
        assert "--sink URL" in glassbox("classify", "images.zip", "--model", model, *parts[2:]).err

    def test_classify_prints_only_rows_if_the_output_is_standard_output(self, glassbox: Command, model: str) -> None:
        done = glassbox("classify", "images.zip", "--model", model, "-o", "-", "--format", "jsonl", "--top-k", "2")
        rows = [json.loads(line) for line in done.out.splitlines()]
        assert len(rows) == 20
        assert all(len(row["top"]) == 2 for row in rows)

    def test_rows_end_without_a_message_if_the_reader_closes_the_pipe(self, glassbox: Command, model: str) -> None:
        job = glassbox("classify", "images.zip", "--model", model, "--detach").out.strip()
        assert glassbox("jobs", "watch", job).status == 0
        with glassbox.start("jobs", "rows", job) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            assert process.stderr.read() == ""

    def test_ctrl_c_detaches_and_prints_how_to_watch_the_job_again(self, glassbox: Command) -> None:
        process = glassbox.start("train", "easy.npz", "--model", "detached", *LONG)
        assert process.stderr is not None
        line = ""
        while "running" not in line:
            line = process.stderr.readline()
        job = line.removeprefix("glassbox: job ").partition(":")[0]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 130
        assert f"glassbox jobs watch {job}" in errors
        assert glassbox("jobs", "show", job, "--json").json["state"] == "running"
        assert glassbox("jobs", "cancel", job).status == 0
        eventually(lambda: glassbox("jobs", "show", job, "--json").json["state"] == "cancelled")

    def test_tables_are_plain_columns(self, glassbox: Command, model: str) -> None:
        lines = [line.split("\t") for line in glassbox("models", "list").out.splitlines()]
        assert lines[0] == ["model", "versions", "aliases", "test accuracy", "newest"]
        assert model in [line[0] for line in lines]


class TestForPrograms:
    def test_json_is_an_option_of_each_list_and_each_record(self, glassbox: Command, model: str) -> None:
        version = glassbox("models", "show", f"{model}@champion", "--json").json
        assert version["model"] == model
        assert version["aliases"] == ["champion"]
        assert model in [each["name"] for each in glassbox("models", "list", "--json").json]
        assert glassbox("models", "list", model, "--json").json[-1]["version"] == 1
        dataset = glassbox("datasets", "show", "easy", "--json").json
        listed = glassbox("datasets", "list", "--json").json
        assert dataset["id"] in [each["id"] for each in listed]
        assert {"digits", "mnist", "fashion-mnist"} <= {each["name"] for each in listed}
        jobs = glassbox("jobs", "list", "--model", model, "--kind", "training", "--json").json
        assert [job["result"]["version"] for job in jobs] == [1]
        assert [check["ok"] for check in glassbox("doctor", "--json").json] == [True] * 8

    def test_the_address_of_a_page_of_the_dashboard_is_printed(self, glassbox: Command, model: str) -> None:
        address = glassbox("ui", "--model", model, "--print").out.strip()
        assert address.endswith(f"/ui/models/{model}")
        assert httpx.get(address).headers["Content-Type"].startswith("text/html")
        assert glassbox("ui", "--model", model, "--job", "1").status == 2

    def test_a_job_as_json_has_no_other_output(self, glassbox: Command, model: str) -> None:
        done = glassbox("classify", "images.zip", "--model", model, "-o", "rows.npz", "--json")
        assert done.err == ""
        assert done.json["result"]["succeeded"] == 20

    def test_an_error_is_json_too(self, glassbox: Command) -> None:
        done = glassbox("jobs", "show", "nobody", "--json")
        assert done.status == 5
        assert json.loads(done.err)["error"]["code"] == "job_not_found"


class TestOnATerminal:
    def test_a_bar_shows_epochs_loss_accuracy_rate_and_the_remaining_time(self, glassbox: Command) -> None:
        with glassbox.on_terminal("train", "digits", "--model", "shown", "--epochs", "200") as terminal:
            assert terminal.ended() == 0
            shown = terminal.shown
        assert "/200" in shown
        for figure in ("loss ", "accuracy ", "epochs/s", "s left"):
            assert figure in shown
        assert "shown@1: test accuracy" in shown

    def test_ctrl_c_offers_to_keep_watching_and_to_cancel(self, glassbox: Command) -> None:
        with glassbox.on_terminal("train", "easy.npz", "--model", "asked", *LONG) as terminal:
            terminal.shows("running")
            terminal.types("\x03")
            terminal.shows("[w]atching?")
            terminal.types("w\n")
            terminal.shows("running")
            terminal.types("\x03")
            terminal.shows("[w]atching?")
            terminal.types("c\n")
            assert terminal.ended() == 130
            assert "is being cancelled" in terminal.shown
        (job,) = glassbox("jobs", "list", "--model", "asked", "--json").json
        eventually(lambda: glassbox("jobs", "show", job["id"], "--json").json["state"] == "cancelled")

    def test_ctrl_c_twice_detaches(self, glassbox: Command) -> None:
        with glassbox.on_terminal("train", "easy.npz", "--model", "twice", *LONG) as terminal:
            terminal.shows("running")
            terminal.types("\x03")
            terminal.shows("[w]atching?")
            terminal.types("\x03")
            assert terminal.ended() == 130
            assert "continues on the server" in terminal.shown
        (job,) = glassbox("jobs", "list", "--model", "twice", "--json").json
        assert job["state"] == "running"
        glassbox("jobs", "cancel", job["id"])


class TestManaging:
    def test_versions_are_promoted_compared_downloaded_and_deleted(self, glassbox: Command, folder: Path) -> None:
        for epochs in ("1", "2"):
            assert glassbox("train", "easy.npz", "-m", "managed", "--epochs", epochs, "--json").status == 0
        assert glassbox("models", "promote", "managed@1").out == "managed@champion is version 1\n"
        compared = glassbox("models", "compare", "managed@champion", "managed").out
        assert "epochs\t1\t2\n" in compared
        assert re.search(r"right where managed@1 is wrong\t\t\d+\n", compared)
        assert re.search(r"p value \(McNemar\)\t\t[\d.e-]+\n", compared)
        assert glassbox("models", "download", "managed@champion").out == "managed-1.npz\n"
        with np.load(folder / "managed-1.npz") as weights:
            assert "layer1.weights" in weights
        rejected = glassbox("models", "delete", "managed@1")
        assert rejected.status == 6
        assert glassbox("models", "delete", "managed@1", "--force").status == 0
        assert glassbox("models", "show", "managed@1").status == 5

    def test_a_version_is_evaluated_on_a_data_set(self, glassbox: Command, model: str) -> None:
        shown = glassbox("evaluate", f"{model}@champion", "easy", "--label", "team=a")
        assert re.search(rf"version +{model}@1\n", shown.out), shown.err
        assert "Confusion matrix: 30 test images" in shown.out
        job = json.loads(glassbox("evaluate", model, "easy", "--split", "train", "--json").out)
        assert (job["kind"], job["result"]["samples"], job["evaluation"]["split"]) == ("evaluation", 60, "train")
        assert f"{job['result']['accuracy']:.2%}" in glassbox("jobs", "show", job["id"]).out
        refused = glassbox("evaluate", model, "digits")
        assert "DATASET: the images of the data set are 8 × 8" in refused.err
        assert "--image-shape 6x6 and --channels 1" in refused.err

    def test_a_job_is_cancelled_retried_and_deleted(self, glassbox: Command) -> None:
        job = glassbox("train", "easy.npz", "-m", "retried", "--epochs", "30000", "--detach").out.strip()
        assert glassbox("jobs", "cancel", job).status == 0
        assert glassbox("jobs", "watch", job).status == 1
        assert glassbox("jobs", "retry", job, "--detach").status == 0
        glassbox("jobs", "cancel", job)
        eventually(lambda: glassbox("jobs", "show", job, "--json").json["state"] == "cancelled")
        assert glassbox("jobs", "delete", job).status == 0
        assert glassbox("jobs", "show", job).status == 5

    def test_data_sets_are_uploaded_from_folders_shown_and_deleted(self, glassbox: Command, folder: Path) -> None:
        images, labels = easy_images(30, seed=33)
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            path = folder / "classes" / str(label) / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(image))
        made = glassbox("datasets", "upload", "classes", "--name", "classes", "--image-shape", "8x8", "--json").json
        assert made["image_shape"] == [8, 8]
        assert made["classes"] == ["0", "1", "2"]
        assert glassbox("datasets", "delete", "classes").status == 0
        assert glassbox("datasets", "show", "classes").status == 5

    def test_files_that_are_not_sent_or_not_used_are_said_in_one_line(
        self, glassbox: Command, folder: Path, model: str
    ) -> None:
        images, labels = easy_images(40, seed=5)
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            path = (
                folder
                / "people"
                / ("val" if number > 30 else "Training")
                / str(label)
                / f"{number}{number % 2 * '.jfif'}"
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(image))
        (folder / "people" / "Training" / "0" / "copy.png").write_bytes(png(images[0]))
        (folder / "people" / "Training" / "1" / "phone.jxl").write_bytes(b"\xff\x0a\0\0")
        (folder / "people" / "val" / "2" / "list.txt").write_text("text")

        done = glassbox("datasets", "upload", "people", "--on-unreadable", "skip")

        assert done.status == 0, done.err
        assert re.search(r"^skipped +2 files: 1 \.jxl \(unsupported\), 1 \.txt$", done.out, re.MULTILINE), done.out
        assert re.search(r"^copies +1 of 41 images are exact duplicates of others$", done.out, re.MULTILINE), done.out
        assert re.search(r"^images +29 train, 9 validation, 3 test$", done.out, re.MULTILINE), done.out
        assert "warning: the data set has 41 images, 3 of them for testing" in done.err
        classified = glassbox("classify", "people", "-m", model)
        assert "skipped 1 file: 1 .txt" in classified.err
        assert "41 of 42 images classified" in classified.out

    def test_training_on_a_folder_says_what_was_chosen_from_its_images(self, glassbox: Command, folder: Path) -> None:
        for number in range(12):
            path = folder / "mixed" / "ab"[number % 2] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(np.full((9 + number, 20, 3), (200, 10 * number, 0), np.uint8)))
        short = ("--preset", "fast", "--epochs", "1")
        done = glassbox("train", "mixed/", "-m", "mixed", *short)
        assert done.status == 0, done.err
        assert "mixed: 2 classes, 10 train images (5 a class), 2 test images (1 a class)\n" in done.err
        assert "image shape: 12 × 12, chosen for 12 images of 9 × 20 to 20 × 20 pixels" in done.err
        assert "channels: 3 (red, green and blue)" in done.err
        assert "colour was dropped" not in done.err
        gray = glassbox("train", "mixed/", "-m", "mixed", *short, "--image-shape", "8x6", "--channels", "1")
        assert "colour was dropped" in gray.err
        assert glassbox("datasets", "show", "mixed", "--json").json["image_shape"] == [8, 6]
        refused = glassbox("train", "mixed", "-m", "mixed", *short, "--channels", "3")
        assert refused.status == 2
        assert "--channels" in refused.err

    def test_dark_images_on_light_are_inverted_or_a_warning_gives_their_number(
        self, glassbox: Command, model: str, folder: Path
    ) -> None:
        images, labels = easy_arrays()["x_test"], easy_arrays()["y_test"]
        contents = {
            f"inverted/{label}-{n}.png": png(255 - image)
            for n, (image, label) in enumerate(zip(images, labels, strict=True))
        }
        (folder / "inverted").mkdir()
        for name, content in contents.items():
            (folder / name).write_bytes(content)

        done = glassbox("classify", "inverted", "--model", model, "-o", "inverted.csv")
        assert f"{len(labels)} of {len(labels)} images classified" in done.out
        assert f"{len(labels)} of them inverted" in done.out
        rows = [line.split(",") for line in (folder / "inverted.csv").read_text().splitlines()[1:]]
        assert all(path.startswith(f"{label}-") for path, label, _ in rows)
        assert "warning: " not in done.err

        warning = (
            f"warning: {len(labels)} of {len(labels)} images look inverted against the training images of {model}@1"
        )
        done = glassbox("classify", "inverted", "--model", model, "--invert", "never")
        assert warning in done.err
        assert "Classify them with --invert auto" in done.err
        first = next(iter(contents))
        done = glassbox("predict", first, "--model", model, "--invert", "never")
        assert "warning: 1 of 1 images look inverted" in done.err
        assert glassbox("predict", first, "--model", model, "--json").json["predictions"][0]["label"] == str(labels[0])

    def test_a_few_images_are_predicted_at_once(self, glassbox: Command, model: str) -> None:
        done = glassbox("predict", "images/00-0.png", "images/more/01-1.png", "--model", model, "--json")
        assert [each["label"] for each in done.json["predictions"]] == ["0", "1"]

    def test_images_that_cannot_be_read_are_listed(self, glassbox: Command, model: str, folder: Path) -> None:
        with zipfile.ZipFile(folder / "some.zip", "w") as archive:
            archive.writestr("good.png", (folder / "images" / "00-0.png").read_bytes())
            archive.writestr("bad.png", b"no image")
        done = glassbox("classify", "some.zip", "--model", model)
        assert done.status == 0
        assert "1 could not be read" in done.out
        (job, *_) = glassbox("jobs", "list", "--state", "completed_with_errors", "--json").json
        assert [error["path"] for error in glassbox("jobs", "errors", job["id"], "--json").json] == ["bad.png"]


class TestBadInput:
    """An error is one line with the cause and the remedy, has an exit status, and leaves no partial file."""

    def test_a_server_that_is_down_is_reported(self, glassbox: Command) -> None:
        for command in (
            ["jobs", "list"],
            ["train", "easy.npz", "-m", "m"],
            ["models", "download", "m@1", "-o", "w.npz"],
        ):
            done = glassbox(*command, GLASSBOX_URL=f"http://127.0.0.1:{closed_port()}")
            assert done.status == 3
            assert "does not answer" in done.line
            assert "--url" in done.line

    def test_an_invalid_url_is_reported(self, glassbox: Command) -> None:
        done = glassbox("jobs", "list", GLASSBOX_URL="somewhere")
        assert done.status == 2
        assert "is not the URL of a server" in done.line

    @pytest.mark.usefixtures("model")
    @pytest.mark.parametrize(
        ("arguments", "status", "expected"),
        [
            (["classify", "images.zip", "-m", "nobody"], 5, "`glassbox models list` shows"),
            (["classify", "easy.npz.csv", "-m", "by-command"], 8, "there is no file"),
            (["classify", "text.txt", "-m", "by-command"], 6, "not a supported archive"),
            (["classify", "empty", "-m", "by-command"], 8, "there are no images"),
            (["classify", "images.zip", "-m", "by-command", "-o", "none/rows.csv"], 8, "no folder none"),
            (["classify", "images.zip", "-m", "by-command", "-o", "rows.what"], 2, "set the format with --format"),
            (["train", "text.txt", "-m", "m"], 6, "npz"),
            (["train", "missing.npz", "-m", "m"], 8, "there is no file missing.npz"),
            (["train", "nothing-of-the-kind", "-m", "m"], 5, "`glassbox datasets list` shows"),
            (["train", "easy.npz", "-m", "m", "--set", "hidden=[0]"], 6, "--set hidden: must be at least 1"),
            (["train", "easy.npz", "-m", "m", "--label", f"a={'x' * 2000}"], 6, "--label a: must have at most 1024"),
            (["train", "easy.npz", "-m", "m", "--set", "foo=1"], 6, "`glassbox train --help` lists the settings"),
            (["classify", "images.zip", "-m", "by-command", "--invert", "maybe"], 6, "--invert: must be never, always"),
            (["datasets", "upload", "easy.npz", "--test-fraction", "3"], 6, "--test-fraction: must be less than 1"),
            (["models", "show", "by-command@77"], 5, "no version"),
            (["models", "show", "a/b"], 2, "is not a version"),
            (["predict", "text.txt", "-m", "by-command"], 6, "image"),
            (["jobs", "show", "nobody"], 5, "`glassbox jobs list` shows"),
        ],
    )
    def test_a_wrong_request_is_reported(
        self, arguments: list[str], status: int, expected: str, glassbox: Command, folder: Path
    ) -> None:
        (folder / "text.txt").write_text("neither an archive nor an image")
        (folder / "empty").mkdir(exist_ok=True)
        done = glassbox(*arguments)
        # `train` first says what it has uploaded.
        error = done.err.splitlines()[-1] if arguments[0] == "train" else done.line
        assert expected in error
        assert done.status == status
        assert done.out == ""

    def test_a_full_disk_during_a_download_leaves_no_file(self, glassbox: Command, model: str, folder: Path) -> None:
        job = glassbox("classify", "images", "--model", model, "--json").json["id"]
        before = sorted(folder.iterdir())
        for arguments in (["models", "download", model, "-o", "full.npz"], ["jobs", "rows", job, "-o", "full.csv"]):
            little = ["prlimit", "--fsize=10", *command_line(*arguments)]
            run = subprocess.run(
                little, capture_output=True, text=True, cwd=folder, env=glassbox._environment({}), check=False
            )
            assert run.returncode == 8
            assert "there is no space for" in run.stderr
            assert len(run.stderr.splitlines()) == 1
        assert sorted(folder.iterdir()) == before

    def test_a_full_device_is_reported(self, glassbox: Command, model: str) -> None:
        done = glassbox("models", "download", model, "-o", "/dev/full")
        assert done.status == 8
        assert "no space" in done.line

    def test_a_configuration_file_with_a_key_that_others_can_read_is_rejected(
        self, glassbox: Command, tmp_path: Path
    ) -> None:
        (tmp_path / "config.toml").write_text('api_key = "secret"\n')
        (tmp_path / "config.toml").chmod(0o644)
        done = glassbox("jobs", "list", GLASSBOX_CONFIG=str(tmp_path / "config.toml"))
        assert done.status == 2
        assert "chmod 600" in done.line


class TestKeys:
    def test_a_missing_key_and_a_wrong_key_are_reported(
        self, guarded: tuple[Command, dict[Scope, str]], folder: Path
    ) -> None:
        glassbox, _ = guarded
        for key in ("", "wrong"):
            done = glassbox("jobs", "list", GLASSBOX_API_KEY=key)
            assert done.status == 4
            assert "GLASSBOX_API_KEY" in done.line
            done = glassbox("train", folder / "easy.npz", "-m", "m", GLASSBOX_API_KEY=key)
            assert done.status == 4

    def test_a_key_without_the_scope_is_reported(self, guarded: tuple[Command, dict[Scope, str]], folder: Path) -> None:
        glassbox, keys = guarded
        done = glassbox("train", folder / "easy.npz", "-m", "m", GLASSBOX_API_KEY=keys[Scope.READ])
        assert done.status == 4
        assert "needs the scope submit" in done.line

    def test_the_rejection_of_a_large_upload_is_reported(
        self, guarded: tuple[Command, dict[Scope, str]], tmp_path: Path
    ) -> None:
        glassbox, keys = guarded
        with (tmp_path / "large.npz").open("wb") as file:
            file.truncate(200 << 20)
        done = glassbox("train", tmp_path / "large.npz", "-m", "m", GLASSBOX_API_KEY=keys[Scope.READ])
        assert done.status == 4
        assert "needs the scope submit" in done.line

    @pytest.mark.parametrize(
        ("scope", "scopes"),
        [(Scope.READ, "read"), (Scope.SUBMIT, "read, submit"), (Scope.MANAGE, "read, submit, manage")],
    )
    def test_the_doctor_prints_a_keys_scopes(
        self, scope: Scope, scopes: str, guarded: tuple[Command, dict[Scope, str]]
    ) -> None:
        glassbox, keys = guarded
        done = glassbox("doctor", GLASSBOX_API_KEY=keys[scope])
        assert done.status == 0
        assert done.out.splitlines()[-1] == f"ok   key: has the scopes {scopes}"

    def test_the_doctor_prints_a_remedy_for_a_wrong_key(self, guarded: tuple[Command, dict[Scope, str]]) -> None:
        glassbox, _ = guarded
        done = glassbox("doctor", GLASSBOX_API_KEY="wrong")
        assert done.status == 4
        assert "BAD  key" in done.out
        assert "→ set GLASSBOX_API_KEY" in done.out


class TestCompletion:
    def test_the_shell_completes_models_and_aliases_and_shows_no_error(self, glassbox: Command, model: str) -> None:
        def completed(words: str, **environment: str) -> str:
            shell = {"_GLASSBOX_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": "3", **environment}
            return glassbox(**shell).out.strip()

        assert completed("glassbox models show by-c") == model
        assert f"{model}@champion" in completed(f"glassbox models show {model}@")
        assert completed("glassbox models show by-c", GLASSBOX_URL=f"http://127.0.0.1:{closed_port()}") == ""


def test_the_doctor_prints_a_remedy_for_a_server_that_is_down(glassbox: Command) -> None:
    done = glassbox("doctor", GLASSBOX_URL=f"http://127.0.0.1:{closed_port()}")
    assert done.status == 3
    assert "BAD  server" in done.out
    assert "glassbox serve" in done.out
    assert os.linesep not in done.err
