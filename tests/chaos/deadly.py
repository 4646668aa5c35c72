"""`python -m tests.chaos.deadly inference`: a worker in which one image kills the process that decodes it."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from celery.signals import worker_process_init

from worker.__main__ import main

DEADLY = b"this image kills"


def let_one_image_kill(**_: Any) -> None:
    """Kill the process, like a bug in a decoder's native code, or like the kernel when memory runs out."""
    from shared.images import decoding  # noqa: PLC0415 - only the pool's processes import NumPy

    decode_into = decoding.decode_into

    def decode_or_die(row: Any, content: bytes, max_pixels: int, **options: Any) -> None:
        if content == DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)
        decode_into(row, content, max_pixels, **options)

    decoding.decode_into = decode_or_die


if __name__ == "__main__":
    worker_process_init.connect(let_one_image_kill, weak=False)  # before the worker's parts import the decoder
    main(sys.argv[1])
