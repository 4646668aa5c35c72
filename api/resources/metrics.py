"""`/metrics`: what Prometheus reads, of the API's processes from prometheus_client's files and of the jobs from Redis.

No label takes what a request brings: a route is its pattern, and a method that nobody knows is `other`.
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
from api.schema.operations import MediaType, operation
from shared.jobs.capacity import VolumeGauge, redis_memory
from shared.jobs.counters import Durations, oldest_ages, read_counters
from shared.jobs.task_queue import DISPATCHER, QUEUES, TaskQueue
from shared.runtime.redis_faults import explained
from shared.runtime.version import VERSION

log = logging.getLogger(__name__)

EXPOSITION = (
    MediaType("text/plain", "Prometheus's text format"),
    MediaType("application/openmetrics-text", "OpenMetrics, where `Accept` asks for it"),
)


class JobMetrics(Collector):
    """The figures of the jobs and of Redis; if it does not answer, that alone."""

    def __init__(self, redis: Redis, task_queue: TaskQueue) -> None:
        self._redis = redis
        self._task_queue = task_queue

    def collect(self) -> Iterator[Metric]:
        """One look at Redis, as metrics."""
        try:
            counters = read_counters(self._redis)
            workers = {QUEUES[kind]: self._task_queue.workers_online(kind) for kind in QUEUES}
            couriers = self._task_queue.dispatchers_online()
            ages = oldest_ages(self._redis)
        except RedisError as error:
            log.warning("the jobs' metrics are left out: %s", explained(error))
            yield GaugeMetricFamily("glassbox_redis_up", "Whether Redis answers.", 0)
            return
        yield GaugeMetricFamily("glassbox_redis_up", "Whether Redis answers.", 1)
        jobs = CounterMetricFamily("glassbox_jobs", "Jobs that came into a state.", labels=["kind", "state"])
        for (kind, state), count in counters.entered.items():
            jobs.add_metric([kind, state], count)
        yield jobs
        seconds = HistogramMetricFamily(
            "glassbox_job_duration_seconds", "From a job's first start until its end.", labels=["kind"]
        )
        for kind, durations in counters.durations.items():
            seconds.add_metric([kind], _buckets(durations), durations.total)
        yield seconds
        queues = GaugeMetricFamily("glassbox_queue_jobs", "Jobs that wait for a worker.", labels=["queue"])
        for queue in dict.fromkeys(QUEUES.values()):
            queues.add_metric([queue], sum(count for kind, count in counters.queued.items() if QUEUES[kind] == queue))
        yield queues
        images = CounterMetricFamily("glassbox_images", "Images of batches that ended.", labels=["outcome"])
        for outcome, count in counters.images.items():
            images.add_metric([outcome], count)
        yield images
        online = GaugeMetricFamily(
            "glassbox_workers_online", "Workers that listen to a queue, and couriers.", labels=["queue"]
        )
        for queue, count in workers.items():
            online.add_metric([queue], count)
        online.add_metric([DISPATCHER], couriers)
        yield online
        oldest = GaugeMetricFamily(
            "glassbox_queue_oldest_job_age_seconds",
            "How long the job that has waited longest in a queue waits; 0 if none waits.",
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
            log.warning("the metrics of Redis's memory are left out: %s", explained(error))
            return
        yield GaugeMetricFamily(
            "glassbox_redis_memory_used_bytes", "Memory of Redis that counts against its limit.", memory.used
        )
        yield GaugeMetricFamily(
            "glassbox_redis_memory_limit_bytes", "Redis's maxmemory; 0 if there is none.", memory.limit or 0
        )


class VolumeMetrics(Collector):
    """How much room the volume has; nothing if its file system does not answer."""

    def __init__(self, gauge: VolumeGauge) -> None:
        self._gauge = gauge

    def collect(self) -> Iterator[Metric]:
        """The space as it is now."""
        try:
            space = self._gauge.space()
        except OSError as error:
            log.warning("the metrics of the volume's space are left out: %s", error)
            return
        for name, help_text, value in (
            ("glassbox_volume_free_bytes", "Free space of the volume.", space.free),
            ("glassbox_volume_size_bytes", "Size of the volume.", space.total),
            ("glassbox_volume_free_inodes", "Free inodes of the volume.", space.free_inodes),
            ("glassbox_volume_inodes", "Inodes of the volume; 0 if it has no limit on them.", space.inodes),
        ):
            yield GaugeMetricFamily(name, help_text, value)


class BuildInfo(Collector):
    """Which Glassbox answers."""

    def collect(self) -> Iterator[Metric]:
        """A figure that is always 1."""
        info = GaugeMetricFamily("glassbox_build_info", "Which Glassbox this is.", labels=["version", "python"])
        info.add_metric([VERSION, platform.python_version()], 1)
        yield info


def blueprint(http: HttpMetrics, redis: Redis, task_queue: TaskQueue, gauge: VolumeGauge) -> Blueprint:
    """The route that Prometheus asks."""
    routes = Blueprint("metrics", __name__)

    @routes.get("/metrics")
    @operation("Read the metrics", scope="read", responses={200: EXPOSITION})
    def metrics() -> Response:
        """For Prometheus, in the form that it asks for. Without Redis, the jobs' figures are left out."""
        registry = CollectorRegistry()
        http.add_to(registry)
        registry.register(JobMetrics(redis, task_queue))
        registry.register(VolumeMetrics(gauge))
        registry.register(BuildInfo())
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(registry), content_type=content_type)

    return routes


def _buckets(durations: Durations) -> list[tuple[str, float]]:
    """The buckets as Prometheus has them: each holds the ones before it, too."""
    names = ("+Inf" if bound == float("inf") else str(float(bound)) for bound in durations.counts)
    return list(zip(names, accumulate(durations.counts.values()), strict=True))
