"""The settings: the only module that reads the environment (variables `GLASSBOX_…`)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, NamedTuple
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

KiB = 1024
MiB = 1024 * 1024
GiB = 1024 * MiB
SECRET = {
    "redis_url",
    "s3_secret_access_key",
    "webhook_secrets",
    "webhook_url",
}  # settings that may hold a secret; error messages omit it
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?")
ENDPOINT = re.compile(r"https?://[^/\s?#@]+/?")
ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^/\s*?#@\\]+")


class SecretError(Exception):
    """A file that a setting names does not hold its secret."""


class SettingsError(Exception):
    """Variables have invalid values; the message has one line for each variable."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__("\n".join(variables.values()))
        self.variables = variables  # the error messages by the variables' names


class Limit(NamedTuple):
    """A limit, and the variable that sets it."""

    most: int
    variable: str


class Settings(BaseSettings):
    """Each field is the environment variable `GLASSBOX_<FIELD>`; durations are seconds, sizes are bytes.

    An optional field is None if the variable is `none`. An empty variable counts as unset.
    """

    model_config = SettingsConfigDict(
        env_prefix="GLASSBOX_", frozen=True, env_parse_none_str="none", env_ignore_empty=True
    )

    redis_url: str = "redis://127.0.0.1:6379/0"
    redis_password_file: Path | None = Field(None, description="the password of redis_url's user, kept out of the URL")
    redis_timeout: PositiveFloat = 2.0
    volume: Path = Path("var/volume")
    datasets: Path | None = Field(None, description="a folder with local copies of the built-in data sets")
    import_folders: Annotated[tuple[Path, ...], NoDecode] = Field(
        (), description="folders whose files requests may name by file: URLs, as absolute paths separated by commas"
    )
    export_folders: Annotated[tuple[Path, ...], NoDecode] = Field(
        (), description="folders below which batches may write results, as absolute paths separated by commas"
    )

    source_seconds: PositiveFloat = Field(
        240.0, description="the time limit of the download of a file that a request names by an https: URL"
    )
    source_allow_private: bool = Field(
        False, description="allow such downloads from private networks and from this machine, also by http:"
    )
    import_buckets: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="buckets, or prefixes such as scans/2026/, that requests may read by s3: URLs, with commas"
    )
    export_buckets: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="buckets, or prefixes such as results/2026/, to which batches may write results, with commas"
    )
    s3_endpoint: str | None = Field(None, description="the URL of an S3-compatible store; by default Amazon S3")
    s3_region: str = Field("us-east-1", description="the region of its buckets")
    s3_access_key_id: str | None = Field(
        None, description="the store's credentials; without them and without a file, those of the variables AWS_…"
    )
    s3_secret_access_key: SecretStr | None = None
    s3_credentials_file: Path | None = Field(
        None, description="a file with the credentials in a section [default], as AWS's tools have it"
    )
    s3_timeout: PositiveFloat = Field(30.0, description="the time for which the store may send nothing")

    bind: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    published_on: str | None = Field(None, description="the address at which a container's port is published")
    domain: str | None = Field(None, description="the service's public host names, separated by commas")
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="addresses, networks or names of proxies whose X-Forwarded-For is trusted, separated by commas"
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="origins whose web pages may use the API, separated by commas; * for any"
    )
    api_keys_file: Path | None = Field(None, description="the API keys: lines name:scopes:sha256")
    api_processes: PositiveInt = 2
    api_threads: PositiveInt = Field(
        64, description="threads of one API process, which limit its simultaneous requests"
    )
    client_timeout: PositiveFloat = Field(
        30.0, description="the time that a client may stall while it sends a body or reads a response"
    )
    client_rate: PositiveFloat = Field(
        1024.0, description="the least rate of a body or a response in bytes per second; below it a client stalls"
    )
    head_timeout: PositiveFloat = Field(10.0, description="the time in which a client must send a request's head")
    max_connections: PositiveInt = Field(
        2000, description="of one API process; one more closes the connection that has been idle longest"
    )
    linger_seconds: PositiveFloat = Field(
        30.0, description="how long an early response's connection stays open for the rest of the request's body"
    )
    linger_bytes: PositiveInt = Field(2 * GiB, description="the most bytes of that rest, which are discarded")
    max_event_streams: PositiveInt = Field(64, description="open at once in one API process, each with its own thread")
    event_ping_seconds: PositiveFloat = Field(
        15.0, description="interval of keep-alive comments on an idle event stream"
    )
    worker_processes: PositiveInt | None = Field(
        None, description="processes of one worker; by default its share of the cores"
    )
    blas_threads: PositiveInt | None = Field(
        None, description="threads of one worker process; by default its share of the cores"
    )
    presence_file: Path | None = Field(None, description="a worker's file for its container's health check")
    replicas: PositiveInt = Field(1, description="workers of this kind on this machine, which share its cores")

    lease_seconds: PositiveFloat = 30.0
    heartbeat_seconds: PositiveFloat = Field(
        2.0, description="interval at which a lease is renewed, and a cancellation noticed"
    )
    upkeep_seconds: PositiveFloat = 5.0
    resend_seconds: PositiveFloat = 60.0
    stall_seconds: PositiveFloat = 600.0
    checkpoint_seconds: PositiveFloat = Field(60.0, description="the longest time between two checkpoints")
    checkpoint_pause_seconds: NonNegativeFloat = Field(1.0, description="the shortest time between two checkpoints")
    retention_seconds: PositiveFloat = 30 * 24 * 3600.0
    leftover_seconds: PositiveFloat = Field(
        24 * 3600.0, description="the age after which unfinished files of killed processes are removed from the volume"
    )
    record_seconds: NonNegativeFloat = Field(
        0.0, description="how long an ended job's whole record stays in Redis before it moves to the volume"
    )
    max_crashes: PositiveInt = 3
    max_tries: PositiveInt = 3
    shard_images: PositiveInt = Field(4096, description="the most images in one shard of a batch")
    shard_bytes: PositiveInt = Field(
        16 * MiB, description="the most bytes of a shard's uncompressed images; one image may be larger"
    )
    trainer_memory_bytes: PositiveInt | None = Field(
        3584 * MiB, description="the most that one trainer process may allocate"
    )
    classifier_memory_bytes: PositiveInt | None = Field(
        1 * GiB, description="the most that one classifier process may allocate"
    )
    api_memory_bytes: PositiveInt | None = Field(2 * GiB, description="the most that one API process may allocate")

    webhook_secrets_file: Path | None = Field(
        None, description="the signing secrets, whsec_…, one per line; created on first use; by default on the volume"
    )
    webhook_secrets: SecretStr | None = Field(
        None, description="deprecated, use webhook_secrets_file: the secrets themselves, separated by spaces"
    )
    webhook_allow_private: bool = Field(False, description="allow webhooks to private networks and to this machine")
    webhook_url: str | None = Field(None, description="receives the end of each job that names no webhook of its own")
    webhook_tries: PositiveInt = 10
    webhook_retry_seconds: PositiveFloat = Field(
        5.0, description="wait before the second try; it triples before each further one"
    )
    webhook_timeout: PositiveFloat = Field(15.0, description="of one try, from connecting to the response's status")

    online_models: PositiveInt = Field(8, description="the most model versions that one API process keeps in memory")
    online_model_bytes: PositiveInt = Field(
        256 * MiB, description="the most bytes of their parameters; a larger version is classified by batch jobs only"
    )
    online_request_bytes: PositiveInt = Field(
        128 * MiB,
        description="the most bytes of bodies and decoded images that one API process holds for requests at once",
    )
    neighbour_bytes: PositiveInt = Field(
        64 * MiB,
        description="the most bytes of training images' activations that one API process keeps, to find the nearest"
        " images; of more images, a sample is searched",
    )
    max_online_bytes: PositiveInt = Field(
        20 * MiB, description="the most uncompressed bytes of a request for predictions"
    )
    max_online_json_bytes: PositiveInt = Field(
        8 * MiB, description="the most bytes of its JSON, which takes a multiple of that in memory"
    )
    max_online_response_bytes: PositiveInt = Field(
        32 * MiB, description="the most bytes of the response, estimated from its images and classes"
    )
    max_online_operations: PositiveInt = Field(
        100_000_000_000, description="the most multiply-adds of its classification, 2 to 10 s of a core"
    )
    max_online_images: PositiveInt = Field(
        64, description="the most encoded images in such a request; use a batch for more"
    )

    rate_limit: NonNegativeFloat = Field(5000.0, description="requests per second of one key or address; 0: unlimited")
    rate_burst: PositiveInt = Field(10_000, description="requests that may exceed the rate in a burst")
    submit_rate_limit: NonNegativeFloat = Field(
        100.0, description="of requests that submit, change or delete; 0: unlimited"
    )
    submit_rate_burst: PositiveInt = 1000
    max_queued_jobs: NonNegativeInt = Field(1000, description="the most queued jobs of each kind; 0: unlimited")
    max_jobs_per_key: NonNegativeInt = Field(
        0, description="the most queued and running jobs of one API key; 0: unlimited"
    )
    max_processes_per_key: NonNegativeInt = Field(
        0, description="the most processes of one queue that work for one API key at once; 0: unlimited"
    )
    max_archive_bytes_per_key: NonNegativeInt = Field(
        0,
        description="the most bytes of the archives of one API key's batches, until the jobs are deleted; 0: unlimited",
    )
    interactive_images: NonNegativeInt = Field(
        1000, description="the most images of a batch that is interactive unless its request says otherwise"
    )

    idempotency_seconds: PositiveFloat = Field(
        24 * 3600.0, description="how long an Idempotency-Key's response is kept"
    )
    idempotency_lease_seconds: PositiveFloat = Field(
        300.0, description="the time after which a request that does not renew its Idempotency-Key loses it"
    )

    deployment: Literal["embedded", "compose"] = Field(
        "embedded", description="how the service runs; error messages contain its commands"
    )

    log_format: Literal["auto", "json", "text"] = Field("auto", description="auto: text on a terminal, JSON elsewhere")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    revision: str | None = Field(None, description="the commit of these sources; set when the images are built")
    traces: bool = Field(False, description="send OpenTelemetry traces; the variables OTEL_… configure them")

    max_body_bytes: PositiveInt = 2 * GiB
    max_upload_bytes: PositiveInt | None = Field(
        None, description="the most bytes of one resumable upload; by default as many as the volume has"
    )
    upload_quota: PositiveInt | None = Field(
        None,
        description="the most bytes of one key's resumable uploads that are incomplete or not used yet; by default half"
        " of the volume",
    )
    max_uploads_per_key: PositiveInt = Field(1000, description="the most resumable uploads of one key")
    upload_expiry: PositiveFloat = Field(
        3 * 24 * 3600.0, description="how long a resumable upload is kept after its last byte arrived"
    )
    max_json_bytes: PositiveInt = 1 * MiB
    max_labels_bytes: PositiveInt = Field(8 * KiB, description="the most bytes of a training's labels, as JSON")
    max_record_bytes: PositiveInt = Field(
        64 * KiB, description="the most bytes of a job's request and specification, which Redis holds until it ends"
    )
    max_form_parts: PositiveInt = 16
    max_source_bytes: PositiveInt | None = Field(
        None, description="the most bytes of a file that is downloaded; by default as many as the volume has"
    )
    max_archive_entries: PositiveInt = Field(100_000_000, description="the most entries of a batch's archive")
    max_expanded_bytes: PositiveInt = Field(1024 * GiB, description="the most bytes to which a batch's archive unpacks")
    max_entry_bytes: PositiveInt = 20 * MiB
    max_name_bytes: PositiveInt = 255
    max_names_bytes: PositiveInt = Field(
        16 * GiB, description="the most bytes of all names in an archive, which are stored on the volume"
    )
    max_compression_ratio: PositiveInt = 100
    max_zstd_window_bytes: int = Field(32 * MiB, ge=1024, lt=4 * GiB)
    max_image_pixels: PositiveInt = 16_000_000
    max_image_seconds: PositiveFloat = Field(
        20.0, description="the CPU time to decode an image of a format whose headers do not limit it, such as AVIF"
    )
    max_dataset_seconds: PositiveFloat = Field(
        900.0, description="the CPU time to decode all images of an uploaded data set, which holds a thread of the API"
    )
    max_dataset_files: PositiveInt = Field(
        2_000_000, description="the most entries of a data set's archive, whose names are kept in memory"
    )
    max_dataset_bytes: PositiveInt = Field(
        8 * GiB, description="the most bytes of a data set's archive, unpacked, and of its images, decoded"
    )
    max_classes: PositiveInt = 1000
    max_dataset_changes: PositiveInt = Field(
        10_000, description="the most changes in one request that derives a data set, without uploaded images"
    )
    max_row_bytes: PositiveInt = Field(32 * 1024, description="the most bytes of a batch's row, besides its path")
    max_results_bytes: PositiveInt | None = Field(
        None, description="the most bytes that all rows of a batch may take; by default half of the volume"
    )
    max_parameters: PositiveInt = 50_000_000

    @field_validator(
        "cors_origins",
        "trusted_proxies",
        "import_folders",
        "import_buckets",
        "export_folders",
        "export_buckets",
        mode="before",
    )
    @classmethod
    def _split(cls, text: object) -> object:
        return tuple(part.strip() for part in text.split(",") if part.strip()) if isinstance(text, str) else text

    @field_validator("cors_origins", mode="before")  # runs before `_split`, so that an error has the variable's value
    @classmethod
    def _check_origins(cls, text: object) -> object:
        if isinstance(text, str) and not all(
            ORIGIN.fullmatch(part.strip()) for part in text.split(",") if part.strip()
        ):
            raise ValueError(
                "it must be * or origins such as https://app.example, without a path or a wildcard, separated by commas"
            )
        return text

    @field_validator("import_folders", "export_folders")
    @classmethod
    def _check_folders(cls, folders: tuple[Path, ...]) -> tuple[Path, ...]:
        if wrong := [folder for folder in folders if not folder.is_absolute() or ".." in folder.parts]:
            raise ValueError(f"it must be absolute paths, such as /data, separated by commas; got {wrong[0]}")
        return folders

    @field_validator("import_buckets", "export_buckets")
    @classmethod
    def _check_buckets(cls, buckets: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [each for each in buckets if not BUCKET.fullmatch(each)]:
            raise ValueError(
                "it must be names of buckets, or prefixes such as scans/2026/, separated by commas, without s3://; got"
                f" {wrong[0]}"
            )
        return buckets

    @field_validator("s3_endpoint")
    @classmethod
    def _check_s3_endpoint(cls, url: str | None) -> str | None:
        if url is not None and not ENDPOINT.fullmatch(url):
            raise ValueError("it must be https:// or http:// and a host, such as https://minio.example:9000")
        return url and url.rstrip("/")

    @field_validator("webhook_url")
    @classmethod
    def _check_webhook_url(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url and (problem := problem_of(url, allow_private=bool(info.data.get("webhook_allow_private")))):
            raise ValueError(f"the URL {problem}")
        return url

    @property
    def redis_address(self) -> str:
        """The URL of Redis with its password, which must never be shown. Raises `SecretError`."""
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
        """The cores that this process may use: its share if several workers of its kind share the machine."""
        return max(1, usable_cores() // self.replicas)

    @property
    def is_local(self) -> bool:
        """Whether only this host can reach the API: it binds to loopback, or its container's port is published there.

        It is false if there is a public domain, whatever address the port is published on.
        """
        return not self.domain and is_loopback(self.published_on or self.bind)

    def limit(self, field: str) -> Limit:
        """Return an integer field, with the name of its variable for the messages about it."""
        return Limit(getattr(self, field), f"GLASSBOX_{field.upper()}")

    def processes(self, queue: str) -> int:
        """Return how many processes a worker of this queue has."""
        return self.worker_processes or (1 if queue == "training" else self.cores)


def load_settings() -> Settings:
    """Read the settings from the environment; raises `SettingsError` with a message for each invalid variable."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(dict(_wrong_variables(error))) from None


def _wrong_variables(error: ValidationError) -> Iterator[tuple[str, str]]:
    """Iterate over the invalid variables: the name, and a message with the value unless that is a secret."""
    for detail in error.errors(include_url=False):
        field = str(detail["loc"][0])
        name = f"GLASSBOX_{field.upper()}"
        value = "refused" if field in SECRET else repr(str(detail["input"]))
        reason = detail["msg"].removeprefix("Value error, ").replace("Input should be", "it must be")
        reason = reason.replace("a valid boolean", "true or false").split(", unable to ")[0]
        yield name, f"{name} is {value}; {reason}"


def is_loopback(host: str) -> bool:
    """Return whether a name or an address is loopback; `host` may be an IPv6 address in brackets."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _secret_in(path: Path) -> str:
    """Read the secret in a file, without surrounding whitespace; raises `SecretError`."""
    try:
        secret = path.read_text().strip()
    except OSError as error:
        raise SecretError(f"{path} cannot be read: {error.strerror}") from error
    if not secret:
        raise SecretError(f"{path} is empty; it must contain a password")
    return secret


def limit_blas_threads(threads: int) -> None:
    """Set how many threads NumPy's BLAS starts; without effect once NumPy is imported.

    Each process must get its share of the cores: by default, BLAS libraries start one thread per core of the machine in
    every process, and those threads do not survive a fork.
    """
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)


def collect_metrics_in(folder: Path) -> None:
    """Make prometheus_client keep its metrics in files of this folder; without effect once it is imported."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def metrics_folder() -> Path | None:
    """Return the folder that `collect_metrics_in` set; None if a single process keeps its own metrics."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(folder) if folder else None
