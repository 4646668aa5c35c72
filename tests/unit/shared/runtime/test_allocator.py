"""The C library's allocator, set to return freed memory to the system."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
from pathlib import Path
from threading import Thread
from shared.runtime.memory.allocator import return_memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

def work():
    blocks = [bytes(3_000_000) for _ in range(20)]
    small = [bytearray(2_000) for _ in range(20_000)]

return_memory()
work()
before = resident()
for _ in range(16):
    thread = Thread(target=work)
    thread.start()
    thread.join()
print(resident() - before)
"""


def test_freed_memory_of_many_threads_returns_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True, timeout=60)

    assert int(done.stdout) < 64 * 1024 * 1024
