"""`python -m shared.images.processes`: a decoder process; its standard input is a socket to its parent.

It decodes one image after the other until the socket is closed. Its memory is limited, and a timer of CPU time ends it
in the middle of an image that takes too long: some decoders end their process if memory is short, and none can be
interrupted.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

from shared.runtime.settings import MiB, limit_blas_threads

limit_blas_threads(1)  # before NumPy is imported

import numpy as np  # noqa: E402

from shared.errors import Malformed  # noqa: E402
from shared.images.decoding import decode_here_into  # noqa: E402
from shared.images.examination import examine_here  # noqa: E402
from shared.images.processes.messages import REQUESTS, RESPONSES, Request, Response, receive, send  # noqa: E402
from shared.runtime.processes import allocated, kill_first, limit_memory  # noqa: E402

OWN_BYTES = 64 * MiB  # of a decoder, whatever the image's size
BYTES_PER_PIXEL = 16  # of the largest image


def main() -> None:
    """Decode images until the socket is closed."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)  # C libraries print warnings about images; why a start failed has been printed
    kill_first()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent's end closes the socket
    base = allocated()
    with socket.socket(fileno=0) as connection:
        while True:
            try:
                message, content = receive(connection)
            except (EOFError, ConnectionError):
                return
            request = REQUESTS.validate_json(message)
            limit_memory(base + len(content) + OWN_BYTES + BYTES_PER_PIXEL * request["max_pixels"])
            signal.setitimer(signal.ITIMER_PROF, request["seconds"])  # its signal ends the process
            begun = time.process_time()
            response, pixels = _response(request, bytes(content))
            response["cpu_seconds"] = time.process_time() - begun
            signal.setitimer(signal.ITIMER_PROF, 0)
            send(connection, RESPONSES.dump_json(response), pixels)


def _response(request: Request, content: bytes) -> tuple[Response, bytes]:
    try:
        if "shape" not in request:
            size, coloured = examine_here(content, request["max_pixels"], find_colour=request.get("find_colour", False))
            return {"cpu_seconds": 0, "size": size, "coloured": coloured}, b""
        row = np.empty(request["shape"], np.uint8)
        decode_here_into(row, content, request["max_pixels"])
        return {"cpu_seconds": 0}, row.tobytes()
    except Malformed as error:
        return {"cpu_seconds": 0, "error": (error.code, error.detail)}, b""
    except MemoryError:
        return {"cpu_seconds": 0, "error": "memory"}, b""


if __name__ == "__main__":
    main()
