"""gunicorn's configuration for the API: `gunicorn --config services/api/gunicorn.conf.py "api:create_app()"`."""

import contextlib
import gc
import os
import resource
import sys
import tempfile
from pathlib import Path

from gunicorn import glogging, util
from gunicorn.http import wsgi

from api.auth.keys import KeysError, required_keys
from api.resources.events.connection import SENT
from api.server import parse_errors, unread
from api.server.balanced_worker import BalancedThreads
from api.server.client_socket import ClientLimits, SlowClient
from api.server.responses import OnePieceResponse
from shared.runtime import logs, traces
from shared.runtime.memory.allocator import return_memory
from shared.runtime.processes import limit_memory
from shared.runtime.settings import SecretError, SettingsError, collect_metrics_in, limit_blas_threads, load_settings
from shared.storage.scratch import scratch_folder

try:
    settings = load_settings()
    limit_blas_threads(1)  # each request already has its own thread
    required_keys(settings)  # here and not in each process: one message, and nothing is started
    traces.check(settings)
    _ = settings.redis_address
except (SettingsError, KeysError, SecretError, traces.TracesError) as error:
    sys.exit(f"glassbox: {error}")

# A process needs a file for each connection, and others for the volume and Redis.
files, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
files = max(files, min(most_files, 2 * settings.max_connections + 1000))
resource.setrlimit(resource.RLIMIT_NOFILE, (files, most_files))

wsgi.Response = OnePieceResponse  # gunicorn has no setting for it

bind = f"{settings.bind}:{settings.port}"


class worker_class(BalancedThreads):  # noqa: N801 - gunicorn's name of the setting
    """A threaded worker with limits for slow clients."""

    limits = ClientLimits(
        timeout=settings.client_timeout,
        rate=settings.client_rate,
        waiting=max(1, settings.api_threads * 7 // 8),
        bodies=max(1, settings.api_threads * 3 // 4),
        head_timeout=settings.head_timeout,
        linger_seconds=settings.linger_seconds,
        linger_bytes=settings.linger_bytes,
    )

    def handle_request(self, req, conn):  # type: ignore[no-untyped-def]
        """Announce in the response that the connection closes, if the request's body stays unread."""
        parse_errors.check_method(req.method)
        parse_errors.check_transfer_codings(req.headers)
        unread.announce_close(req)
        return super().handle_request(req, conn)

    def handle_error(self, req, client, addr, exc):  # type: ignore[no-untyped-def]
        """Respond to a malformed request as to any other error."""
        status = parse_errors.status_of(exc)
        if status is None:
            super().handle_error(req, client, addr, exc)
            return
        self.log.info("%s sent a malformed request: %s", addr[0] if addr else "a client", exc)
        with contextlib.suppress(OSError):
            util.write_nonblock(client, parse_errors.response(status, exc))


workers = settings.api_processes
threads = settings.api_threads + settings.max_event_streams  # event streams must not reduce the threads for requests
worker_connections = settings.max_connections
timeout = 60  # seconds without a heartbeat from a process; a slow request does not count
graceful_timeout = 30
keepalive = 30
worker_tmp_dir = "/dev/shm"  # noqa: S108 - heartbeat files on a disk could block a process
control_socket_disable = True
accesslog = "-"
loglevel = settings.log_level


class logger_class(glogging.Logger):  # type: ignore[misc]  # noqa: N801 - gunicorn's name of the setting
    """gunicorn's error log and access log, in the format of the application's log."""

    def setup(self, cfg):  # type: ignore[no-untyped-def]
        """Send both logs to the application's log."""
        super().setup(cfg)
        logs.configure(settings)
        for log in (self.error_log, self.access_log):
            log.handlers.clear()
            log.propagate = True

    def exception(self, msg, *args, **kwargs):  # type: ignore[no-untyped-def]
        """Log an error with its traceback; a client's timeout is not an error of the server."""
        error = sys.exc_info()[1]
        if isinstance(error, SlowClient):
            self.info("%s", error)
        else:
            super().exception(msg, *args, **kwargs)

    def access(self, resp, _req, environ, request_time):  # type: ignore[no-untyped-def]
        """Log one line for each request, without its query, which may hold secrets."""
        logs.log_access(
            method=environ.get("REQUEST_METHOD", ""),
            path=str(environ.get("RAW_URI", "")).split("?", 1)[0],
            status=int(str(resp.status).split(" ", 1)[0]),
            size=getattr(resp, "sent", 0) + environ.get(SENT, 0),
            seconds=request_time.total_seconds(),
            client=environ.get("REMOTE_ADDR", ""),
            context=environ.get("glassbox.log_context", {}),
        )


# prometheus_client keeps the metrics of all processes in one folder, in one file for each slot that a process takes.
# A process in the slot of a dead one continues its file: counters never decrease, and files do not accumulate.
shm = Path(worker_tmp_dir)
collect_metrics_in(scratch_folder(shm if os.access(shm, os.W_OK) else Path(tempfile.gettempdir()), "glassbox-metrics-"))


def pre_fork(server, worker):  # type: ignore[no-untyped-def]
    """Give the process a slot (`place`) that no live process has."""
    taken = {other.place for other in server.WORKERS.values()}
    worker.place = next(place for place in range(len(taken) + 1) if place not in taken)


def post_fork(_server, worker):  # type: ignore[no-untyped-def]
    """Limit the process's memory, return what is freed, and write its metrics into the file of its slot."""
    return_memory()
    if settings.api_memory_bytes is not None:
        stack, _ = resource.getrlimit(resource.RLIMIT_STACK)  # reserved for each thread, mostly unused
        stacks = 0 if stack == resource.RLIM_INFINITY else threads * stack
        limit_memory(settings.api_memory_bytes + stacks)
    from prometheus_client import values  # noqa: PLC0415 - reads the folder's path when it is imported

    values.ValueClass = values.MultiProcessValue(lambda: worker.place)  # type: ignore[no-untyped-call]


def post_worker_init(worker):  # type: ignore[no-untyped-def]
    """End the event streams of a process when it shuts down, and exclude the application from garbage collection."""
    worker.wsgi.extensions["event_streams"].serving = lambda: worker.alive
    gc.collect()
    gc.freeze()  # a collection of all the objects of Flask and NumPy would stop all requests for 20 to 70 ms
