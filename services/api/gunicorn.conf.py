"""gunicorn's configuration for the API: `gunicorn --config services/api/gunicorn.conf.py "api:create_app()"`."""

import contextlib
import os
import socket
import struct
import sys
import tempfile
from pathlib import Path

from gunicorn import glogging, util

from api.auth.keys import KeysError, required_keys
from api.server import parse_errors, unread
from api.server.balanced_worker import BalancedThreads
from shared.runtime import logs, traces
from shared.runtime.settings import SecretError, SettingsError, collect_metrics_in, limit_blas_threads, load_settings
from shared.storage.scratch import scratch_folder

try:
    settings = load_settings()
    limit_blas_threads(1)  # each request has a thread of its own already
    required_keys(settings)  # here, and not in each process: one sentence, and nothing started
    traces.check(settings)
    _ = settings.redis_address
except (SettingsError, KeysError, SecretError, traces.TracesError) as error:
    sys.exit(f"glassbox: {error}")

bind = f"{settings.bind}:{settings.port}"


class worker_class(BalancedThreads):  # noqa: N801 - gunicorn's name of the setting
    """Threads, none of which waits for ever for a client that has stopped in the middle of a request or an answer."""

    def enqueue_req(self, conn):  # type: ignore[no-untyped-def]
        """Have the kernel end what takes too long; gunicorn itself sets no limit on a socket."""
        limit = struct.pack("ll", int(settings.client_timeout), int(settings.client_timeout % 1 * 1_000_000))
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            conn.sock.setsockopt(socket.SOL_SOCKET, option, limit)
        super().enqueue_req(conn)

    def handle_request(self, req, conn):  # type: ignore[no-untyped-def]
        """An answer promises nothing that its connection does not keep."""
        unread.tell_the_end(req)
        return super().handle_request(req, conn)

    def handle_error(self, req, client, addr, exc):  # type: ignore[no-untyped-def]
        """What is no request gets an answer like any other error."""
        status = parse_errors.status_of(exc)
        if status is None:
            super().handle_error(req, client, addr, exc)
            return
        self.log.info("%s sent what is no request: %s", addr[0] if addr else "a client", exc)
        with contextlib.suppress(OSError):
            util.write_nonblock(client, parse_errors.response(status, exc))


workers = settings.api_processes
threads = settings.api_threads + settings.max_event_streams  # an event stream holds one, and takes it from no request
timeout = 60  # seconds without a sign of life from a process; a slow request does not count
graceful_timeout = 30
keepalive = 30
worker_tmp_dir = "/dev/shm"  # noqa: S108 - heartbeat files on a disk could block a process
control_socket_disable = True
accesslog = "-"
loglevel = settings.log_level


class logger_class(glogging.Logger):  # type: ignore[misc]  # noqa: N801 - gunicorn's name of the setting
    """gunicorn's own log and its access log, as lines like all others."""

    def setup(self, cfg):  # type: ignore[no-untyped-def]
        """Have both logs go where everything goes."""
        super().setup(cfg)
        logs.configure(settings)
        for log in (self.error_log, self.access_log):
            log.handlers.clear()
            log.propagate = True

    def exception(self, msg, *args, **kwargs):  # type: ignore[no-untyped-def]
        """An error is told with its traceback; a client that took too long is no error of ours."""
        if isinstance(sys.exc_info()[1], BlockingIOError):
            self.info("a client sent or took nothing for %g s", settings.client_timeout)
        else:
            super().exception(msg, *args, **kwargs)

    def access(self, resp, _req, environ, request_time):  # type: ignore[no-untyped-def]
        """One line for each request; without its query, which may hold what is nobody's business."""
        logs.log_access(
            method=environ.get("REQUEST_METHOD", ""),
            path=str(environ.get("RAW_URI", "")).split("?", 1)[0],
            status=int(str(resp.status).split(" ", 1)[0]),
            size=getattr(resp, "sent", None),
            seconds=request_time.total_seconds(),
            client=environ.get("REMOTE_ADDR", ""),
            context=environ.get("glassbox.log_context", {}),
        )


# prometheus_client's figures of all processes lie in one folder, in a file for each of the places that processes take.
# One that takes a dead one's place goes on with its file: totals never fall, and there are never more files.
shm = Path(worker_tmp_dir)
collect_metrics_in(scratch_folder(shm if os.access(shm, os.W_OK) else Path(tempfile.gettempdir()), "glassbox-metrics-"))


def pre_fork(server, worker):  # type: ignore[no-untyped-def]
    """Give the process a place that no living one has."""
    taken = {other.place for other in server.WORKERS.values()}
    worker.place = next(place for place in range(len(taken) + 1) if place not in taken)


def post_fork(_server, worker):  # type: ignore[no-untyped-def]
    """Have the process's figures written into the file of its place."""
    from prometheus_client import values  # noqa: PLC0415 - reads where the folder is when it is imported

    values.ValueClass = values.MultiProcessValue(lambda: worker.place)  # type: ignore[no-untyped-call]


def post_worker_init(worker):  # type: ignore[no-untyped-def]
    """Let the event streams of a process end when it is told to stop."""
    worker.wsgi.extensions["event_streams"].serving = lambda: worker.alive
