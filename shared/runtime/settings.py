"""The settings: the one place that reads the environment (variables `GLASSBOX_…`)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.addresses import problem_of
from shared.runtime.cores import usable_cores

MiB = 1024 * 1024
GiB = 1024 * MiB
SECRET = {"redis_url", "webhook_secrets", "webhook_url"}  # settings that may hold a secret; error messages omit it
ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^/\s]+")


class SecretError(Exception):
    """A file that a setting names does not hold its secret."""


class SettingsError(Exception):
    """Variables have values that the settings refuse; the message has a line for each."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__("\n".join(variables.values()))
        self.variables = variables  # by name, what is wrong


class Settings(BaseSettings):
    """Each field is the environment variable `GLASSBOX_<FIELD>`; durations are seconds, sizes are bytes.

    What may be None is so if the variable says `none`. An empty variable counts as unset.
    """

    model_config = SettingsConfigDict(
        env_prefix="GLASSBOX_", frozen=True, env_parse_none_str="none", env_ignore_empty=True
    )

    redis_url: str = "redis://127.0.0.1:6379/0"
    redis_password_file: Path | None = Field(None, description="the password of redis_url's user, kept out of the URL")
    redis_timeout: PositiveFloat = 2.0
    volume: Path = Path("var/volume")
    datasets: Path | None = Field(None, description="a folder with local copies of the built-in data sets")

    bind: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    published_on: str | None = Field(None, description="the address at which a container's port is published")
    domain: str | None = Field(None, description="the public names, by commas, that others reach the service at")
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="addresses, networks or names, by commas, of the proxies that say in X-Forwarded-For who asks"
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="web pages from these origins may use the API, separated by commas; * for any"
    )
    api_keys_file: Path | None = Field(None, description="who may use the API: lines name:scopes:sha256")
    api_processes: PositiveInt = 2
    api_threads: PositiveInt = Field(64, description="of one API process: as many slow clients do not keep it busy")
    client_timeout: PositiveFloat = Field(30.0, description="after which a client that sends or takes nothing is left")
    max_event_streams: PositiveInt = Field(64, description="open at once in one API process, each with a thread more")
    event_ping_seconds: PositiveFloat = Field(15.0, description="how often a silent event stream shows that it lives")
    worker_processes: PositiveInt | None = Field(None, description="of one worker; by default its share of the cores")
    blas_threads: PositiveInt | None = Field(None, description="of one worker process; by default its share")
    presence_file: Path | None = Field(None, description="a worker's file for its container's health check")
    replicas: PositiveInt = Field(1, description="workers of this kind on this machine, who share its cores")

    lease_seconds: PositiveFloat = 30.0
    heartbeat_seconds: PositiveFloat = 10.0
    upkeep_seconds: PositiveFloat = 5.0
    resend_seconds: PositiveFloat = 60.0
    stall_seconds: PositiveFloat = 600.0
    checkpoint_seconds: PositiveFloat = Field(60.0, description="the longest time between two checkpoints")
    checkpoint_pause_seconds: NonNegativeFloat = Field(1.0, description="the shortest, for very short epochs")
    retention_seconds: PositiveFloat = 30 * 24 * 3600.0
    max_crashes: PositiveInt = 3
    max_tries: PositiveInt = 3
    shard_images: PositiveInt = Field(4096, description="of one shard of a batch, at the most")
    shard_bytes: PositiveInt = Field(64 * MiB, description="of one shard's images, unpacked, unless it is one image")
    classifier_memory_bytes: PositiveInt | None = Field(1 * GiB, description="what one classifier process may allocate")

    webhook_secrets_file: Path | None = Field(
        None, description="the secrets to sign with, whsec_…, one a line; made on first use; by default on the volume"
    )
    webhook_secrets: SecretStr | None = Field(
        None, description="deprecated, use webhook_secrets_file: the secrets themselves, separated by spaces"
    )
    webhook_allow_private: bool = Field(False, description="let webhooks reach private networks and this machine")
    webhook_url: str | None = Field(None, description="receives the end of each job that names no webhook of its own")
    webhook_tries: PositiveInt = 10
    webhook_retry_seconds: PositiveFloat = Field(5.0, description="before the second try; three times that before each")
    webhook_timeout: PositiveFloat = Field(15.0, description="for one try, from connecting to the answer's status")

    online_models: PositiveInt = Field(8, description="that an API process holds in memory to answer at once")
    max_online_bytes: PositiveInt = Field(20 * MiB, description="of a request for predictions, unpacked")
    max_online_json_bytes: PositiveInt = Field(
        8 * MiB, description="of the JSON in it, which takes a multiple of memory"
    )
    max_online_images: PositiveInt = Field(64, description="encoded ones in such a request; more belong in a batch")

    rate_limit: NonNegativeFloat = Field(5000.0, description="requests a second of one key or address; 0: any number")
    rate_burst: PositiveInt = Field(10_000, description="requests at once, after a time of fewer")
    submit_rate_limit: NonNegativeFloat = Field(100.0, description="of those that submit, change or delete; 0: any")
    submit_rate_burst: PositiveInt = 1000
    max_queued_jobs: NonNegativeInt = Field(1000, description="of each kind; 0: any number")

    idempotency_seconds: PositiveFloat = Field(24 * 3600.0, description="how long an Idempotency-Key's answer is kept")
    idempotency_lease_seconds: PositiveFloat = Field(
        300.0, description="after which time without a sign of life a request's Idempotency-Key may be used again"
    )

    deployment: Literal["embedded", "compose"] = Field(
        "embedded", description="how the service runs: error messages name the commands of it"
    )

    log_format: Literal["auto", "json", "text"] = Field("auto", description="auto: text on a terminal, JSON elsewhere")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    revision: str | None = Field(None, description="the commit of these sources; the images have it from their build")
    traces: bool = Field(False, description="send OpenTelemetry traces, as the variables OTEL_… say")

    max_body_bytes: PositiveInt = 2 * GiB
    max_json_bytes: PositiveInt = 1 * MiB
    max_form_parts: PositiveInt = 16
    max_archive_entries: PositiveInt = 2_000_000
    max_expanded_bytes: PositiveInt = 8 * GiB
    max_entry_bytes: PositiveInt = 20 * MiB
    max_name_bytes: PositiveInt = 255
    max_names_bytes: PositiveInt = Field(128 * MiB, description="of all names in an archive, which are held in memory")
    max_compression_ratio: PositiveInt = 100
    max_zstd_window_bytes: int = Field(32 * MiB, ge=1024, lt=4 * GiB)
    max_image_pixels: PositiveInt = 16_000_000
    max_classes: PositiveInt = 1000
    max_parameters: PositiveInt = 50_000_000

    @field_validator("cors_origins", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, text: object) -> object:
        return tuple(part.strip() for part in text.split(",") if part.strip()) if isinstance(text, str) else text

    @field_validator("cors_origins", mode="before")  # runs before `_split`, so that an error has the variable's value
    @classmethod
    def _check_origins(cls, text: object) -> object:
        if isinstance(text, str) and not all(
            ORIGIN.fullmatch(part.strip()) for part in text.split(",") if part.strip()
        ):
            raise ValueError("it must be * or origins such as https://app.example, without a path, separated by commas")
        return text

    @field_validator("webhook_url")
    @classmethod
    def _check_webhook_url(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url and (problem := problem_of(url, allow_private=bool(info.data.get("webhook_allow_private")))):
            raise ValueError(f"the URL {problem}")
        return url

    @property
    def redis_address(self) -> str:
        """The URL of Redis with the password in it: for connecting, never for showing. Raises `SecretError`."""
        if self.redis_password_file is None:
            return self.redis_url
        url = urlsplit(self.redis_url)
        name, host = url.username or "", url.netloc.rpartition("@")[2]
        try:
            password = quote(_secret_in(self.redis_password_file), safe="")
        except SecretError as error:
            remedy = " Make it: `docker compose run --rm --no-deps secrets && docker compose up --wait`"
            raise SecretError(f"{error}.{remedy}" if self.deployment == "compose" else str(error)) from error
        return urlunsplit(url._replace(netloc=f"{name}:{password}@{host}"))

    @property
    def cores(self) -> int:
        """The cores that this process may use: its share of them, where workers of its kind share a machine."""
        return max(1, usable_cores() // self.replicas)

    @property
    def is_local(self) -> bool:
        """Whether only this host reaches the API: it binds, or its container's port is published on, loopback.

        A service with a public domain is for others, whatever address its port is published on.
        """
        return not self.domain and is_loopback(self.published_on or self.bind)

    def processes(self, queue: str) -> int:
        """How many processes a worker has that listens to this queue."""
        return self.worker_processes or (1 if queue == "training" else self.cores)


def load_settings() -> Settings:
    """The settings of the environment; raises `SettingsError`, with what is wrong with each variable."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(dict(_wrong_variables(error))) from None


def _wrong_variables(error: ValidationError) -> Iterator[tuple[str, str]]:
    """Each variable that is refused, and a sentence with its value, unless that is a secret."""
    for detail in error.errors(include_url=False):
        field = str(detail["loc"][0])
        name = f"GLASSBOX_{field.upper()}"
        value = "refused" if field in SECRET else repr(str(detail["input"]))
        reason = detail["msg"].removeprefix("Value error, ").replace("Input should be", "it must be")
        reason = reason.replace("a valid boolean", "true or false").split(", unable to ")[0]
        yield name, f"{name} is {value}; {reason}"


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own alone; `host` may be an IPv6 address in brackets."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _secret_in(path: Path) -> str:
    """What the file holds, without the line's end."""
    try:
        secret = path.read_text().strip()
    except OSError as error:
        raise SecretError(f"{path} cannot be read: {error.strerror}") from error
    if not secret:
        raise SecretError(f"{path} is empty; it should hold a password")
    return secret


def limit_blas_threads(threads: int) -> None:
    """Set how many threads NumPy's BLAS will start; without effect once NumPy is imported.

    Each process must get its share of the cores: BLAS libraries start as many threads as the machine has cores in
    every process, and those threads do not survive a fork.
    """
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)


def collect_metrics_in(folder: Path) -> None:
    """Have prometheus_client keep its figures in files of this folder; without effect once it is imported."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def metrics_folder() -> Path | None:
    """Where `collect_metrics_in` said that the figures are; None where one process keeps its own."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(folder) if folder else None
