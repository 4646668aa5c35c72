"""A large archive uploaded by our client while its line, its process and the API break at random places.

Prints a table and writes `var/benchmarks/uploads.json`. `GIGABYTES` (1) sets the size of the archive, `BREAKS` (20) how
often the upload breaks, `SEED` (1) where, and `FOLDER` (the temporary folder) the disk, which needs the archive's size
and a tenth more. The archive is a zip of stored images. It is sparse: 4 KiB of each 64 KiB have content.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from glassbox import Client, Retries

from benchmarks.figures import Figure, report
from shared.storage.volume import Volume
from tests.support.network import free_port
from tests.support.programs.processes import Process, peak_bytes
from tests.support.servers.redis_server import RedisServer

SIZE = int(float(os.environ.get("GIGABYTES", "1")) * (1 << 30))
BREAKS = int(os.environ.get("BREAKS", "20"))
SEED = int(os.environ.get("SEED", "1"))
OUTPUT = Path("var/benchmarks/uploads.json")
PART = 64 << 20  # bytes of one request of our client
BLOCK = 1 << 20
STAMPED = 64 << 10
SIDE = 1024  # pixels of an image
HEAD = re.compile(rb"PATCH /v1/uploads/([0-9a-z]{26}) .*?\r\n\r\n", re.DOTALL)
LONGEST_HEAD = 16 << 10


def main() -> int:
    """Measure, print and write the figures."""
    with tempfile.TemporaryDirectory(prefix="glassbox-bench-", dir=os.environ.get("FOLDER")) as name:
        folder = Path(name)
        archive = folder / "images.zip"
        write_archive(archive, SIZE)
        expected = digest(archive)
        with RedisServer(folder) as redis, Line() as line:
            return report(uploaded(folder, archive, expected, redis, line), OUTPUT)


def uploaded(folder: Path, archive: Path, expected: str, redis: RedisServer, line: Line) -> Iterator[Figure]:
    """Upload the archive with its breaks, and compare what arrived."""
    size = archive.stat().st_size
    run = Run(folder, archive, redis, line)
    begun = time.monotonic()
    run.upload(random.Random(SEED), size)  # noqa: S311 - which bytes the breaks come after
    seconds = time.monotonic() - begun
    upload_id = run.client.log().split()[-1]
    data = Volume(folder / "volume").upload("_", upload_id) / "data"
    resent = line.sent_twice()
    yield Figure("archive", size / (1 << 30), "GiB")
    yield Figure("upload with its breaks", seconds, "s")
    yield Figure("breaks", len(line.broken), "", f"{BREAKS}", len(line.broken) == BREAKS)
    for number, kind in enumerate(line.broken):
        yield Figure(f"break {number + 1}, of {kind}: sent twice", resent.get(number, 0) / BLOCK, "MiB")
    most = max(resent.values(), default=0) / BLOCK
    yield Figure("most that was sent twice for a break", most, "MiB", "at most a part: 64", most * BLOCK <= PART)
    yield Figure("sent twice for no break", resent.get(-1, 0), "bytes", "0", not resent.get(-1, 0))
    yield Figure("peak memory of an API process", run.peak / BLOCK, "MiB", "at most 300", run.peak <= 300 * BLOCK)
    yield Figure("from the last byte to the complete upload", run.completion, "s")
    yield Figure("most disk that the volume needed", run.most_disk / (1 << 30), "GiB")
    differing = digest(data) != expected
    yield Figure("arrived with another SHA-256", differing, "", "0", not differing)
    run.end()


def send(path: str, url: str) -> None:
    """Upload the archive as the command does, and print the upload's id: this is the process that is killed."""
    with Client(url, retries=Retries(attempts=1)) as client:
        print(client.uploads.send(Path(path)).id)


@dataclass
class Run:
    """The API, the process that sends, and the breaks."""

    folder: Path
    archive: Path
    redis: RedisServer
    line: Line
    peak: int = 0
    most_disk: int = 0
    completion: float = 0.0
    api: Process = field(init=False)
    client: Process = field(init=False)

    def upload(self, randomness: random.Random, size: int) -> None:
        """Upload to the end, and break after a random number of bytes each time."""
        places = sorted(randomness.sample(range(1, size - 1), BREAKS))
        kinds = [("the line", "the client", "the API")[number % 3] for number in range(BREAKS)]
        randomness.shuffle(kinds)
        self.start_api()
        self.start_client()
        last_byte: float | None = None
        while not (self.client.has_ended and not places):
            if places and self.line.arrived() >= places[0]:
                places.pop(0)
                self.break_(kinds[len(places)], randomness)
            if self.client.has_ended and places:
                self.client.check_alive()
            self._measure()
            if last_byte is None and self.line.arrived() >= size:
                last_byte = time.monotonic()
            time.sleep(0.02)
        self.completion = time.monotonic() - (last_byte or time.monotonic())

    def start_api(self) -> None:
        """Start the API as it is deployed, with one process for requests."""
        self.port = getattr(self, "port", 0) or free_port()
        self.line.target = self.port
        environment = {
            "GLASSBOX_REDIS_URL": self.redis.url(),
            "GLASSBOX_VOLUME": str(self.folder / "volume"),
            "GLASSBOX_PORT": str(self.port),
            "GLASSBOX_API_PROCESSES": "1",
            "GLASSBOX_UPLOAD_QUOTA": str(2 * SIZE),
            "GLASSBOX_MAX_UPLOAD_BYTES": str(2 * SIZE),
        }
        gunicorn = ["-m", "gunicorn", "--config", "services/api/gunicorn.conf.py", "api:create_app()"]
        self.api = Process("api", [sys.executable, *gunicorn], self.folder, environment)

    def start_client(self) -> None:
        """Start the process that sends."""
        command = [sys.executable, "-m", "benchmarks.serving.uploads", str(self.archive), self.line.url]
        environment = {"XDG_STATE_HOME": str(self.folder / "state"), "PYTHONPATH": os.pathsep.join(sys.path)}
        self.client = Process("client", command, self.folder, environment)

    def break_(self, kind: str, randomness: random.Random) -> None:
        """Break the line, the client or the API, and start it again."""
        self.line.broken.append(kind)
        print(f"after {self.line.arrived() / BLOCK:,.0f} MiB: {kind} breaks", file=sys.stderr)
        if kind == "the line":
            self.line.cut(randomness.uniform(0.2, 1.0))
        elif kind == "the client":
            self.client.kill()
            self.start_client()
        else:
            self.api.kill()
            self.start_api()

    def _measure(self) -> None:
        with suppress(OSError, KeyError, ValueError):
            children = Path(f"/proc/{self.api.pid}/task/{self.api.pid}/children").read_text().split()
            self.peak = max(self.peak, *(peak_bytes(Path("/proc") / child) for child in children), 0)
        with suppress(OSError):
            inodes = {}
            for path in (self.folder / "volume" / "uploads").rglob("data"):
                found = path.stat()
                inodes[found.st_ino] = found.st_blocks * 512
            self.most_disk = max(self.most_disk, sum(inodes.values()))

    def end(self) -> None:
        """Stop the API."""
        self.client.stop()
        self.api.stop()


class Line:
    """A TCP proxy that can be cut, and that notes which bytes of which uploads passed, and after which break."""

    def __init__(self) -> None:
        self.target = 0
        self.broken: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._cut_until = 0.0
        self._reached: dict[str, int] = {}  # of each upload, the end of the bytes that passed
        self._twice: dict[int, int] = {}  # bytes that passed again, after the break of this number

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def arrived(self) -> int:
        """Return the number of different bytes that passed."""
        with self._lock:
            return sum(self._reached.values())

    def sent_twice(self) -> dict[int, int]:
        """Return the bytes that passed again after each break; -1: before the first one."""
        with self._lock:
            return dict(self._twice)

    def cut(self, seconds: float) -> None:
        """End all connections, and accept none for so long."""
        self._cut_until = time.monotonic() + seconds
        with self._lock:
            cut = list(self._open)
        for connection in cut:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if time.monotonic() < self._cut_until:
                    client.close()
                    continue
                try:
                    server = socket.create_connection(("127.0.0.1", self.target))
                except OSError:
                    client.close()
                    continue
                with self._lock:
                    self._open |= {client, server}
                threading.Thread(target=self._upwards, args=(client, server), daemon=True).start()
                threading.Thread(target=self._downwards, args=(server, client), daemon=True).start()

    def _upwards(self, client: socket.socket, server: socket.socket) -> None:
        upload, position, left = "", 0, 0
        head = b""

        def observe(block: memoryview) -> None:
            nonlocal upload, position, left, head
            while block:
                if left:
                    count = min(left, len(block))
                    self._note(upload, position, count)
                    position, left, block = position + count, left - count, block[count:]
                    continue
                head, block = head + bytes(block[:LONGEST_HEAD]), block[LONGEST_HEAD:]
                end = head.find(b"\r\n\r\n")
                if end < 0:
                    continue
                fields = headers(head[:end])
                if match := HEAD.match(head[: end + 4]):
                    upload, position = match[1].decode(), int(fields[b"upload-offset"])
                else:
                    upload = ""
                left = int(fields.get(b"content-length", b"0"))
                block = memoryview(head[end + 4 :] + bytes(block))
                head = b""

        self._forward(client, server, observe)

    def _downwards(self, server: socket.socket, client: socket.socket) -> None:
        self._forward(server, client, lambda _: None)

    def _forward(self, source: socket.socket, target: socket.socket, observe: Any) -> None:
        buffer = memoryview(bytearray(BLOCK))
        with suppress(OSError):
            while count := source.recv_into(buffer):
                observe(buffer[:count])
                target.sendall(buffer[:count])
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            with self._lock:
                self._open.discard(each)

    def _note(self, upload: str, position: int, count: int) -> None:
        if not upload:
            return
        with self._lock:
            reached = self._reached.get(upload, 0)
            if position < reached:
                number = len(self.broken) - 1
                self._twice[number] = self._twice.get(number, 0) + min(count, reached - position)
            self._reached[upload] = max(reached, position + count)


def headers(head: bytes) -> dict[bytes, bytes]:
    """Return the fields of a request's head."""
    lines = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
    return {name.strip().lower(): value.strip() for name, _, value in lines}


class Sparse:
    """A file in which blocks of zeros become holes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, content: bytes) -> int:
        """Write what is not zero."""
        view = memoryview(content)
        zeros = bytes(4096)
        start = 0
        position = self._file.tell()
        while start < len(view):
            end = min(start + 4096 - (position + start) % 4096, len(view))
            if view[start:end] == zeros[: end - start]:
                self._file.seek(end - start, os.SEEK_CUR)
            else:
                self._file.write(view[start:end])
            start = end
        return len(content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def write_archive(path: Path, size: int) -> None:
    """Write a zip of about `size` bytes: stored grayscale images, each with its number in every 64 KiB."""
    pixels = SIDE * SIDE
    palette = b"".join(bytes((level, level, level, 0)) for level in range(256))
    start = 54 + len(palette)
    bmp = (
        b"BM" + (start + pixels).to_bytes(4, "little") + bytes(4) + start.to_bytes(4, "little")
        + (40).to_bytes(4, "little") + SIDE.to_bytes(4, "little") * 2 + b"\1\0\x08\0" + bytes(24) + palette
    )  # fmt: skip
    with path.open("wb", buffering=0) as file, ZipFile(Sparse(file), "w", ZIP_STORED) as archive:
        for number in range(max(1, size // (start + pixels))):
            image = bytearray(pixels)
            for place in range(0, pixels, STAMPED):
                image[place : place + 8] = (number * pixels + place + 1).to_bytes(8, "little")
            archive.writestr(ZipInfo(f"images/{number:07}.bmp"), bmp + image)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        send(*sys.argv[1:])
    else:
        raise SystemExit(main())
