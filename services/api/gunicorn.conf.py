"""gunicorn's configuration for the API: `gunicorn --config services/api/gunicorn.conf.py "api:create_app()"`."""

from typing import Any

from shared.settings import Settings, limit_blas_threads

settings = Settings()
limit_blas_threads(1)  # each request has a thread of its own already

bind = f"{settings.bind}:{settings.port}"
worker_class = "gthread"
workers = settings.api_processes
threads = settings.api_threads + settings.max_event_streams  # an event stream holds one, and takes it from no request
timeout = 60  # seconds without a sign of life from a process; a slow request does not count
graceful_timeout = 30
keepalive = 30
worker_tmp_dir = "/dev/shm"  # noqa: S108 - heartbeat files on a disk could block a process
control_socket_disable = True
accesslog = "-"
access_log_format = '%(h)s "%(r)s" %(s)s %(b)s %(D)sµs'


def post_worker_init(worker: Any) -> None:
    """Let the event streams of a process end when it is told to stop."""
    worker.wsgi.extensions["event_streams"].serving = lambda: worker.alive
