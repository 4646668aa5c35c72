"""The settings from the environment."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.runtime.settings import GiB, MiB, SecretError, Settings, SettingsError, limit_blas_threads, load_settings
from tests.support.programs.processes import ROOT


def test_default_limits_are_those_of_the_contract(limits: Settings) -> None:
    assert limits.max_body_bytes == 2 * GiB
    assert limits.max_json_bytes == 1 * MiB
    assert limits.max_form_parts == 16
    assert limits.max_archive_entries == 100_000_000
    assert limits.max_expanded_bytes == 1024 * GiB
    assert limits.max_dataset_files == 2_000_000
    assert limits.max_dataset_bytes == 8 * GiB
    assert limits.max_entry_bytes == 20 * MiB
    assert limits.max_compression_ratio == 100
    assert limits.max_name_bytes == 255
    assert limits.max_names_bytes == 16 * GiB
    assert limits.max_zstd_window_bytes == 32 * MiB
    assert limits.max_image_pixels == 16_000_000


def test_the_service_listens_on_loopback_by_default(limits: Settings) -> None:
    assert (limits.bind, limits.port) == ("127.0.0.1", 8000)
    assert limits.volume == Path("var/volume")


def test_each_setting_is_an_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLASSBOX_REDIS_URL", "redis://elsewhere/3")
    monkeypatch.setenv("GLASSBOX_VOLUME", "/srv/glassbox")
    monkeypatch.setenv("GLASSBOX_MAX_BODY_BYTES", "1000")

    settings = Settings()

    assert settings.redis_url == "redis://elsewhere/3"
    assert settings.volume == Path("/srv/glassbox")
    assert settings.max_body_bytes == 1000


@pytest.mark.parametrize(
    "name", ["PORT", "API_KEYS_FILE", "DATASETS", "TRACES", "WEBHOOK_URL", "CLASSIFIER_MEMORY_BYTES"]
)
def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch, limits: Settings, name: str) -> None:
    monkeypatch.setenv(f"GLASSBOX_{name}", "")

    assert getattr(Settings(), name.lower()) == getattr(limits, name.lower())


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "70000"), ("LEASE_SECONDS", "0"), ("MAX_BODY_BYTES", "-1"), ("API_THREADS", "many")]
)
def test_an_invalid_setting_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"GLASSBOX_{name}", value)

    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_the_error_has_each_refused_variable_with_its_value_and_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"API_THREADS": "many", "LEASE_SECONDS": "0", "LOG_FORMAT": "xml", "TRACES": "perhaps"}.items():
        monkeypatch.setenv(f"GLASSBOX_{name}", value)

    with pytest.raises(SettingsError) as caught:
        load_settings()

    assert str(caught.value).splitlines() == [
        "GLASSBOX_API_THREADS is 'many'; it must be a valid integer",
        "GLASSBOX_LEASE_SECONDS is '0'; it must be greater than 0",
        "GLASSBOX_LOG_FORMAT is 'xml'; it must be 'auto', 'json' or 'text'",
        "GLASSBOX_TRACES is 'perhaps'; it must be true or false",
    ]


@pytest.mark.parametrize(
    "origin",
    [
        *("app.example", "https://app.example/", "https://a.example, b.example", "https://*.example.com", "*.example"),
        *("https://app.example?", "https://a#b", "https://user@app.example", "https://a\\.example", "https://*"),
    ],
)
def test_an_origin_that_no_browser_sends_is_rejected(monkeypatch: pytest.MonkeyPatch, origin: str) -> None:
    monkeypatch.setenv("GLASSBOX_CORS_ORIGINS", origin)

    with pytest.raises(
        SettingsError, match=f"GLASSBOX_CORS_ORIGINS is {re.escape(repr(origin))}; it must be \\* or origins"
    ):
        load_settings()


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("receiver.example/hook", "the URL must begin with https:// or http://"),
        ("http://10.0.0.1/hook", "the URL is an internal address"),
    ],
)
def test_an_unusable_webhook_url_is_rejected_without_its_text(
    monkeypatch: pytest.MonkeyPatch, url: str, problem: str
) -> None:
    monkeypatch.setenv("GLASSBOX_WEBHOOK_URL", url)

    with pytest.raises(SettingsError, match=f"GLASSBOX_WEBHOOK_URL is refused; {problem}") as caught:
        load_settings()

    assert "/hook" not in str(caught.value)


def test_an_internal_webhook_url_is_accepted_with_webhook_allow_private(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLASSBOX_WEBHOOK_URL", "http://10.0.0.1/hook")
    monkeypatch.setenv("GLASSBOX_WEBHOOK_ALLOW_PRIVATE", "true")

    assert load_settings().webhook_url == "http://10.0.0.1/hook"


def test_valid_settings_are_loaded(limits: Settings) -> None:
    assert load_settings() == limits


def test_cores_are_those_of_the_process_affinity(limits: Settings) -> None:
    all_cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(all_cores)})
    try:
        assert limits.cores == 1
    finally:
        os.sched_setaffinity(0, all_cores)


def test_workers_on_one_machine_share_its_cores(limits: Settings) -> None:
    alone, shared = limits.cores, limits.model_copy(update={"replicas": 2})
    assert shared.cores == max(1, alone // 2)
    assert limits.model_copy(update={"replicas": 1000}).processes("inference") == 1


class TestPasswords:
    @pytest.mark.parametrize(
        ("url", "address"),
        [
            ("redis://glassbox@redis:6379/0", "redis://glassbox:p%2Fw%40@redis:6379/0"),
            ("rediss://redis/1", "rediss://:p%2Fw%40@redis/1"),
            ("redis://glassbox:old@redis/0", "redis://glassbox:p%2Fw%40@redis/0"),
            ("unix://glassbox@/run/redis.sock?db=2", "unix://glassbox:p%2Fw%40@/run/redis.sock?db=2"),
        ],
    )
    def test_a_password_comes_from_a_file(self, limits: Settings, tmp_path: Path, url: str, address: str) -> None:
        (tmp_path / "password").write_text("p/w@\n")

        settings = limits.model_copy(update={"redis_url": url, "redis_password_file": tmp_path / "password"})

        assert settings.redis_address == address
        assert "p/w" not in repr(settings)

    def test_the_address_without_a_password_file_is_the_url(self, limits: Settings) -> None:
        assert limits.redis_address == limits.redis_url

    def test_a_missing_password_file_raises_an_error_with_its_name(self, limits: Settings, tmp_path: Path) -> None:
        settings = limits.model_copy(update={"redis_password_file": tmp_path / "none"})

        with pytest.raises(SecretError, match=r"none cannot be read: No such file"):
            _ = settings.redis_address

    def test_the_error_under_compose_says_how_to_make_the_password(self, limits: Settings, tmp_path: Path) -> None:
        settings = limits.model_copy(update={"redis_password_file": tmp_path / "none", "deployment": "compose"})

        with pytest.raises(SecretError, match=r"none cannot be read: .*`docker compose run --rm --no-deps secrets"):
            _ = settings.redis_address

    def test_an_empty_password_file_raises_an_error(self, limits: Settings, tmp_path: Path) -> None:
        (tmp_path / "password").write_text("\n")
        settings = limits.model_copy(update={"redis_password_file": tmp_path / "password"})

        with pytest.raises(SecretError, match="is empty"):
            _ = settings.redis_address


def test_blas_threads_are_limited_for_every_library(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    for name in names:
        monkeypatch.setenv(name, "7")

    limit_blas_threads(2)

    assert [os.environ[name] for name in names] == ["2"] * 3


@pytest.mark.parametrize("module", ["shared.runtime.settings", "shared.jobs.task_queue", "shared.jobs", "worker.app"])
def test_modules_that_a_worker_imports_before_it_sets_the_threads_do_not_import_numpy(module: str) -> None:
    script = f"import sys, {module}; sys.exit('numpy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0


def test_an_empty_revision_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLASSBOX_REVISION", "")
    assert Settings().revision is None
    monkeypatch.setenv("GLASSBOX_REVISION", "0123abc")
    assert Settings().revision == "0123abc"
