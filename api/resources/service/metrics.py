"""`/metrics` for Prometheus: HTTP metrics from prometheus_client's files, and job metrics from Redis.

Label values never come from a request, which bounds their number: a route is its pattern, an unknown method is `other`.
"""

from __future__ import annotations

import logging
import platform
from collections.abc import Iterator
from itertools import accumulate

from flask import Blueprint, Response, request
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from redis import Redis, RedisError

from api.middleware.http_metrics import HttpMetrics
from api.requests import accepted
from api.schema.operations import MediaType, operation
from shared.jobs import Kind
from shared.jobs.capacity.counters import Durations, oldest_ages, open_shards, read_counters
from shared.jobs.capacity.gauges import VolumeGauge, redis_memory
from shared.jobs.task_queue import DISPATCHER, QUEUES, TaskQueue
from shared.runtime.redis_faults import explained
from shared.runtime.version import VERSION

log = logging.getLogger(__name__)

OPENMETRICS = "application/openmetrics-text"
EXPOSITION = (
    MediaType("text/plain", "Prometheus's text format"),
    MediaType(OPENMETRICS, "OpenMetrics, if `Accept` prefers it"),
)


class JobMetrics(Collector):
    """Metrics of jobs and Redis. If Redis does not answer, only `glassbox_redis_up` is reported."""

    def __init__(self, redis: Redis, task_queue: TaskQueue) -> None:
        self._redis = redis
        self._task_queue = task_queue

    def collect(self) -> Iterator[Metric]:
        """Yield metrics from one read of Redis."""
        try:
            counters = read_counters(self._redis)
            workers = {QUEUES[kind]: self._task_queue.workers_online(kind) for kind in QUEUES}
            dispatchers = self._task_queue.dispatchers_online()
            ages = oldest_ages(self._redis)
            shards = open_shards(self._redis)
        except RedisError as error:
            log.warning("/metrics omits the job metrics: %s", explained(error))
            yield GaugeMetricFamily("glassbox_redis_up", "Whether Redis answers.", 0)
            return
        yield GaugeMetricFamily("glassbox_redis_up", "Whether Redis answers.", 1)
        jobs = CounterMetricFamily("glassbox_jobs", "Jobs that entered a state.", labels=["kind", "state"])
        for (kind, state), count in counters.entered.items():
            jobs.add_metric([kind, state], count)
        yield jobs
        seconds = HistogramMetricFamily(
            "glassbox_job_duration_seconds", "From a job's first start until its end.", labels=["kind"]
        )
        for kind, durations in counters.durations.items():
            seconds.add_metric([kind], _buckets(durations), durations.total)
        yield seconds
        queues = GaugeMetricFamily("glassbox_queue_jobs", "Jobs waiting for a worker.", labels=["queue"])
        for queue in dict.fromkeys(QUEUES.values()):
            queues.add_metric([queue], sum(count for kind, count in counters.queued.items() if QUEUES[kind] == queue))
        yield queues
        waiting = GaugeMetricFamily(
            "glassbox_queue_shards", "Shards of running batches that no process has taken.", labels=["queue"]
        )
        waiting.add_metric([QUEUES[Kind.BATCH]], shards)
        yield waiting
        images = CounterMetricFamily("glassbox_images", "Images of ended batches.", labels=["outcome"])
        for outcome, count in counters.images.items():
            images.add_metric([outcome], count)
        yield images
        online = GaugeMetricFamily(
            "glassbox_workers_online", "Online workers per queue, and webhook dispatchers.", labels=["queue"]
        )
        for queue, count in workers.items():
            online.add_metric([queue], count)
        online.add_metric([DISPATCHER], dispatchers)
        yield online
        oldest = GaugeMetricFamily(
            "glassbox_queue_oldest_job_age_seconds",
            "Age of the oldest job that waits in a queue; 0 if none waits.",
            labels=["queue"],
        )
        for queue in dict.fromkeys(QUEUES.values()):
            oldest.add_metric([queue], max(age for kind, age in ages.items() if QUEUES[kind] == queue))
        yield oldest
        yield from self._memory()

    def _memory(self) -> Iterator[Metric]:
        try:
            memory = redis_memory(self._redis)
        except RedisError as error:
            log.warning("/metrics omits the metrics of Redis's memory: %s", explained(error))
            return
        yield GaugeMetricFamily(
            "glassbox_redis_memory_used_bytes", "Redis memory that counts against maxmemory.", memory.used
        )
        yield GaugeMetricFamily(
            "glassbox_redis_memory_limit_bytes", "Redis's maxmemory; 0 if unlimited.", memory.limit or 0
        )


class VolumeMetrics(Collector):
    """Free and total space of the volume. No metrics are reported if its file system does not answer."""

    def __init__(self, gauge: VolumeGauge) -> None:
        self._gauge = gauge

    def collect(self) -> Iterator[Metric]:
        """Yield the current space."""
        try:
            space = self._gauge.space()
        except OSError as error:
            log.warning("/metrics omits the metrics of the volume's space: %s", error)
            return
        for name, help_text, value in (
            ("glassbox_volume_free_bytes", "Free space of the volume.", space.free),
            ("glassbox_volume_size_bytes", "Size of the volume.", space.total),
            ("glassbox_volume_free_inodes", "Free inodes of the volume.", space.free_inodes),
            ("glassbox_volume_inodes", "Inodes of the volume; 0 if unlimited.", space.inodes),
        ):
            yield GaugeMetricFamily(name, help_text, value)


class BuildInfo(Collector):
    """The version of Glassbox and of Python."""

    def collect(self) -> Iterator[Metric]:
        """Yield a gauge that is always 1."""
        info = GaugeMetricFamily(
            "glassbox_build_info", "Versions of Glassbox and Python.", labels=["version", "python"]
        )
        info.add_metric([VERSION, platform.python_version()], 1)
        yield info


def blueprint(http: HttpMetrics, redis: Redis, task_queue: TaskQueue, gauge: VolumeGauge) -> Blueprint:
    """Return the route that Prometheus scrapes."""
    routes = Blueprint("metrics", __name__)

    @routes.get("/metrics")
    @operation("Read the metrics", scope="read", responses={200: EXPOSITION})
    def metrics() -> Response:
        """Metrics for Prometheus, in the accepted format. Without Redis, job metrics are omitted."""
        registry = CollectorRegistry()
        http.add_to(registry)
        registry.register(JobMetrics(redis, task_queue))
        registry.register(VolumeMetrics(gauge))
        registry.register(BuildInfo())
        encode, content_type = choose_encoder(_accepted_formats())
        return Response(encode(registry), content_type=content_type)

    return routes


def _accepted_formats() -> str:
    """Return the Accept header; without OpenMetrics if the client prefers plain text or rejects OpenMetrics.

    prometheus_client selects OpenMetrics whenever the header names it.
    """
    header = request.headers.get("Accept", "")
    if 0 < accepted.quality(OPENMETRICS) >= accepted.quality("text/plain"):
        return header
    return ",".join(part for part in header.split(",") if OPENMETRICS not in part.lower())


def _buckets(durations: Durations) -> list[tuple[str, float]]:
    """Return cumulative buckets, as Prometheus defines them."""
    names = ("+Inf" if bound == float("inf") else str(float(bound)) for bound in durations.counts)
    return list(zip(names, accumulate(durations.counts.values()), strict=True))
