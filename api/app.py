"""The Flask application: `create_app` builds the collaborators and passes them to one blueprint per resource."""

from __future__ import annotations

from flask import Flask

from api import open_inference, problems
from api.auth import middleware as auth
from api.auth.keys import required_keys
from api.loaded_models import OnlineModels
from api.middleware import body_validation, compression, cors, headers, proxies, query_validation, request_log, tracing
from api.middleware.fast_lane import FastLane
from api.middleware.http_metrics import HttpMetrics
from api.middleware.method_override import MethodOverride
from api.openapi import routes as openapi
from api.requests.bodies.body import SafeBodies
from api.requests.bodies.references import Bodies
from api.requests.online.memory import HoldMemory, OnlineMemory
from api.requests.submission import Submission
from api.requests.waiting import WaitingReasons
from api.requests.webhook_choice import Webhooks
from api.resources import (
    aliases,
    jobs,
    models,
    predictions,
    weights,
)
from api.resources.batches import batch_jobs, results, rows
from api.resources.batches import images as batch_images
from api.resources.datasets import datasets, derivation, near_pairs
from api.resources.datasets import images as dataset_images
from api.resources.datasets import summary as dataset_summary
from api.resources.datasets.changes import Origins
from api.resources.evaluations import evaluation_jobs
from api.resources.evaluations import jobs as job_evaluations
from api.resources.evaluations import predictions as version_predictions
from api.resources.evaluations import versions as evaluations
from api.resources.evaluations.sources import Sources
from api.resources.events import all_jobs, history
from api.resources.events.streams import EventStreams
from api.resources.explanations import explain, lessons, neighbours, unit
from api.resources.explanations.one_image import OneImageReader
from api.resources.service import access, health, index, metrics, presets, system, ui
from api.resources.trainings import checkpoint_weights, estimates, reproductions, training_jobs, weight_histograms
from api.resources.uploads import uploads
from shared.datasets import DatasetStore
from shared.datasets.builtin.built_in import BuiltIn
from shared.idempotency import IdempotencyKeys
from shared.jobs import JobStore
from shared.jobs.capacity.gauges import VolumeGauge
from shared.jobs.feed import EventFeed
from shared.jobs.feed.announcer import Announcer
from shared.jobs.feed.tails import Tails
from shared.jobs.files import JobFiles
from shared.jobs.task_queue import TaskQueue, celery_app, connect
from shared.registry import Registry
from shared.registry.classifier import ClassifierCache
from shared.runtime.settings import Settings
from shared.runtime.traces import traces_of
from shared.storage.uploads.store import UploadStore
from shared.storage.volume import Volume


def create_app(settings: Settings | None = None) -> Flask:
    """Build the application. The default `settings` come from the environment."""
    settings = settings or Settings()
    redis = connect(settings)
    volume = Volume(settings.volume)
    gauge = VolumeGauge(volume)
    store = DatasetStore(volume)
    built_in = BuiltIn(store, volume, settings)
    registry = Registry(volume)
    online = OnlineModels(registry, ClassifierCache(registry, settings.online_models, settings.online_model_bytes))
    files = JobFiles(volume)
    job_store = JobStore(
        redis,
        settings.lease_seconds,
        settings.resend_seconds,
        settings.max_crashes,
        files,
        settings.record_seconds,
        settings.max_processes_per_key,
    )
    task_queue = TaskQueue(celery_app(settings), redis)
    idempotency_keys = IdempotencyKeys(redis, settings.idempotency_seconds, settings.idempotency_lease_seconds)
    reasons = WaitingReasons(redis, job_store, task_queue, gauge)
    submission = Submission(
        job_store,
        task_queue,
        files,
        settings.max_queued_jobs,
        settings.max_record_bytes,
        settings.max_jobs_per_key,
        settings.max_archive_bytes_per_key,
        reasons,
    )

    one_images = OneImageReader(store, built_in, job_store, volume, settings)
    webhooks = Webhooks(settings)
    keys = required_keys(settings)
    authorizer = auth.Authorizer(keys, auth.Limits.from_settings(settings), settings.cors_origins)
    resumable = UploadStore(volume, settings)
    bodies = Bodies(volume, settings, resumable, auth.current_owner)
    streams = EventStreams(job_store, Tails(redis), authorizer, settings)
    announcer = Announcer(redis)
    sources = Sources(registry, store, job_store, volume)

    app = Flask("glassbox", static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # a path with an empty segment returns 404, not a redirect
    app.extensions["event_streams"] = streams  # the server ends the streams on shutdown
    http_metrics = HttpMetrics()
    http_metrics.register(app)
    problems.register(app)
    request_log.register(app)
    headers.register(app)
    compression.register(app)
    cors.register(app, settings.cors_origins)
    auth.register(app, authorizer)
    query_validation.register(app)  # runs after authentication, so that 401 precedes parameter errors
    body_validation.register(app, settings)
    app.wsgi_app = MethodOverride(app.wsgi_app)  # type: ignore[method-assign]
    if traces := traces_of("api", settings):
        tracing.register(app, traces)
    else:
        app.wsgi_app = FastLane(app.wsgi_app, authorizer, online, http_metrics, settings)  # type: ignore[method-assign]
    app.wsgi_app = SafeBodies(app.wsgi_app)  # type: ignore[method-assign]
    memory = OnlineMemory(settings.online_request_bytes)
    app.wsgi_app = HoldMemory(app.wsgi_app, memory)  # type: ignore[method-assign]
    if settings.trusted_proxies:
        app.wsgi_app = proxies.BehindProxies(app.wsgi_app, settings.trusted_proxies)  # type: ignore[method-assign]
    for blueprint in (
        index.blueprint(),
        health.blueprint(redis, task_queue, gauge, settings),
        metrics.blueprint(http_metrics, redis, task_queue, gauge),
        datasets.blueprint(store, built_in, registry, job_store, bodies, idempotency_keys, settings, announcer),
        uploads.blueprint(resumable, idempotency_keys),
        dataset_images.blueprint(store, built_in),
        derivation.blueprint(Origins(store, built_in, job_store, registry, volume, settings), idempotency_keys),
        dataset_summary.blueprint(store, built_in),
        near_pairs.blueprint(store, built_in, volume),
        estimates.blueprint(built_in, registry, webhooks, settings),
        training_jobs.blueprint(built_in, registry, submission, webhooks, idempotency_keys, settings),
        batch_jobs.blueprint(registry, submission, webhooks, bodies, idempotency_keys, settings),
        all_jobs.blueprint(EventFeed(redis), streams),
        history.blueprint(job_store, registry),
        checkpoint_weights.blueprint(job_store, volume),
        weight_histograms.blueprint(job_store, registry, volume),
        jobs.blueprint(job_store, files, task_queue, streams, submission, reasons),
        results.blueprint(job_store, registry, volume),
        rows.blueprint(job_store, volume),
        batch_images.blueprint(job_store, registry, volume, settings),
        models.blueprint(registry, announcer),
        weights.blueprint(registry),
        predictions.blueprint(online, settings),
        explain.blueprint(online, one_images, settings),
        unit.blueprint(online, one_images, settings),
        neighbours.blueprint(online, one_images, neighbours.TrainingImages(store, settings), store),
        lessons.blueprint(online, store, built_in, settings),
        open_inference.blueprint(online, registry, volume, settings),
        evaluations.blueprint(registry),
        version_predictions.blueprint(sources, registry),
        evaluation_jobs.blueprint(registry, built_in, submission, webhooks, idempotency_keys, settings),
        job_evaluations.blueprint(sources, registry),
        reproductions.blueprint(registry, store, submission, webhooks, idempotency_keys, settings),
        aliases.blueprint(registry, settings),
        presets.blueprint(),
        access.blueprint(),
        system.blueprint(redis, job_store, task_queue, gauge, settings),
        ui.blueprint(),
        openapi.blueprint(keys_needed=keys is not None),
    ):
        app.register_blueprint(blueprint)
    return app
