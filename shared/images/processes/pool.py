"""Decoder processes of this process: started when they are needed, and replaced if they end."""

from __future__ import annotations

import atexit
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.errors import Malformed
from shared.images.processes.messages import REQUESTS, RESPONSES, Request, Response, receive, send
from shared.images.turns import CHECK_SECONDS

CLOCK = 10  # how many times the limit of CPU time a process may take by the clock
PATIENCE = 30.0  # seconds for a process to receive an image
ROOT = Path(__file__).resolve().parents[3]


def decode_into(
    row: NDArray[np.uint8],
    content: bytes,
    name: str,
    max_pixels: int,
    seconds: float,
    check: Callable[[], None],
    spend: Callable[[float], None],
) -> None:
    """Decode an image of the format `name` into `row` as `decoding.decode_into` does."""
    request: Request = {"max_pixels": max_pixels, "seconds": seconds, "shape": row.shape}
    _, pixels = _pool.ask(request, content, name, check, spend)
    row[...] = np.frombuffer(pixels, np.uint8).reshape(row.shape)


def examine(
    content: bytes, name: str, max_pixels: int, seconds: float, spend: Callable[[float], None], *, find_colour: bool
) -> tuple[tuple[int, int], bool]:
    """Examine an image of the format `name` as `examination.shape_and_colour` does."""
    request: Request = {"max_pixels": max_pixels, "seconds": seconds, "find_colour": find_colour}
    response, _ = _pool.ask(request, content, name, lambda: None, spend)
    return response["size"], response["coloured"]


class Ended(Exception):
    """The decoder process has ended; `status` is its exit status, or minus the signal's number."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class DecoderProcess:
    """One decoder process, and the socket to it. Starting it takes about 0.2 s."""

    def __init__(self) -> None:
        self._connection, other = socket.socketpair()
        self._connection.settimeout(PATIENCE)  # of a process that has stopped
        self._answered = select.poll()
        self._answered.register(self._connection, select.POLLIN)
        with other:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "shared.images.processes"],
                cwd=ROOT,
                stdin=other.fileno(),
                stdout=subprocess.DEVNULL,
            )

    def ask(self, request: Request, content: bytes, check: Callable[[], None]) -> tuple[Response, bytearray]:
        """Return the response to a request; raises `Ended`, or what `check` raises."""
        left = CLOCK * request["seconds"]  # counted in checks, so that the time of a suspended machine does not count
        try:
            send(self._connection, REQUESTS.dump_json(request), content)
            while not self._answered.poll(CHECK_SECONDS * 1000):
                check()
                left -= CHECK_SECONDS
                if left < 0:
                    self._process.send_signal(signal.SIGPROF)
            message, pixels = receive(self._connection)
        except (EOFError, ConnectionError):
            raise Ended(self._process.wait()) from None
        return RESPONSES.validate_json(message), pixels

    def stop(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.wait()
        self._connection.close()

    def forget(self) -> None:
        """Close the socket, and let the process be another's."""
        self._connection.close()
        self._process.returncode = 0  # it is not waited for


class Pool:
    """The decoder processes; its threads share them. A thread that uses one has the turn of a large image."""

    def __init__(self) -> None:
        self._idle: list[DecoderProcess] = []

    def ask(
        self,
        request: Request,
        content: bytes,
        name: str,
        check: Callable[[], None],
        spend: Callable[[float], None],
    ) -> tuple[Response, bytearray]:
        """Return the response to a request about an image of the format `name`; raises `Malformed`.

        What `check`, which is called every half second, raises is raised here, and ends the work on the image. `spend`
        is called with its CPU time.
        """
        try:
            response, pixels = self._ask(request, content, check)
        except Ended as error:
            if error.status >= 0:
                problem = f"a decoder process could not start (exit status {error.status}); the log has its error"
                raise MemoryError(problem) from None
            spend(request["seconds"])
            raise _costly(name, request, error.status) from None
        spend(response["cpu_seconds"])
        match response.get("error"):
            case ("image_damaged", detail):  # some decoders report a lack of memory as damage
                raise Malformed("image_damaged", f"{detail}; or decoding it {_too_much_memory(request)}")
            case (code, detail):
                raise Malformed(code, detail)
            case "memory":
                raise _costly(name, request, -signal.SIGABRT)
        return response, pixels

    def _ask(self, request: Request, content: bytes, check: Callable[[], None]) -> tuple[Response, bytearray]:
        while process := self._reused():
            try:
                return self._ask_one(process, request, content, check)
            except Ended as error:  # perhaps before it received the image
                if error.status == -signal.SIGPROF:
                    raise
        return self._ask_one(DecoderProcess(), request, content, check)

    def _ask_one(
        self, process: DecoderProcess, request: Request, content: bytes, check: Callable[[], None]
    ) -> tuple[Response, bytearray]:
        try:
            answer = process.ask(request, content, check)
        except BaseException:
            process.stop()
            raise
        self._idle.append(process)
        return answer

    def stop(self) -> None:
        """End the idle processes."""
        while process := self._reused():
            process.stop()

    def forget(self) -> None:
        """Close this process's copies of the sockets after a fork; the processes are its parent's."""
        while process := self._reused():
            process.forget()

    def _reused(self) -> DecoderProcess | None:
        """Return an idle process, if there is one, which is then busy."""
        try:
            return self._idle.pop()
        except IndexError:  # of an empty list; other threads take processes, too
            return None


def _costly(name: str, request: Request, status: int) -> Malformed:
    """Return the error for an image whose decoder has ended with this status, or without memory."""
    if status == -signal.SIGPROF:
        reason = f"takes more than {request['seconds']:g} s of CPU time, the limit (GLASSBOX_MAX_IMAGE_SECONDS)"
    else:
        reason = _too_much_memory(request)
    return Malformed("image_too_costly", f"decoding the {name} {reason}; send a smaller image, or a JPEG or PNG")


def _too_much_memory(request: Request) -> str:
    return (
        f"needs more memory than is allowed for images of at most {request['max_pixels']:,} pixels"
        " (GLASSBOX_MAX_IMAGE_PIXELS)"
    )


_pool = Pool()


def _forget() -> None:
    """Let a forked process start decoder processes of its own."""
    global _pool  # noqa: PLW0603 - the one pool of a process
    _pool.forget()
    _pool = Pool()


def _stop() -> None:
    _pool.stop()


os.register_at_fork(after_in_child=_forget)
atexit.register(_stop)
