"""Load at a rate that does not depend on the responses; run as a program, in a separate process.

Each request has a scheduled time, from which its latency is measured. So a stalled server, which delays the sending of
later requests, does not hide their latency.
"""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

THREADS = 8


def paced(url: str, body: Path, rate: int, seconds: float) -> tuple[float, float]:
    """POST the body `rate` times per second; return the median and 99th percentile of the times, in ms."""
    command = [sys.executable, "-m", "benchmarks.serving.paced", url, str(body), str(rate), str(seconds)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 30)
    milliseconds = sorted(json.loads(done.stdout))
    return statistics.median(milliseconds), milliseconds[int(len(milliseconds) * 0.99)]


def main() -> None:
    """Send the requests, and print the time of each."""
    url, body, rate, seconds = sys.argv[1], Path(sys.argv[2]).read_bytes(), int(sys.argv[3]), float(sys.argv[4])
    address = urlsplit(url)
    start = time.perf_counter() + 0.1

    def send(thread: int) -> list[float]:
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=10)
        times = []
        for number in range(thread, int(rate * seconds), THREADS):
            due = start + number / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            connection.request("POST", address.path, body, {"Content-Type": "image/png"})
            response = connection.getresponse()
            response.read()
            if response.status != http.client.OK:
                raise RuntimeError(f"an answer was {response.status}")
            times.append((time.perf_counter() - due) * 1000)
        return times

    with ThreadPoolExecutor(THREADS) as pool:
        print(json.dumps([took for times in pool.map(send, range(THREADS)) for took in times]))


if __name__ == "__main__":
    main()
