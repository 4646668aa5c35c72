"""`/v2`: the Open Inference Protocol, for unmodified clients of KServe, Triton and similar servers.

`requests` and `tensors` parse requests, `rows` builds the network's input, `responses` builds responses. `server`,
`models`, `inference` and `repository` hold the routes.
"""

from __future__ import annotations

from flask import Blueprint

from api.loaded_models import OnlineModels
from api.open_inference import inference, models, repository, server
from shared.registry import Registry
from shared.runtime.settings import Settings
from shared.storage.volume import Volume

__all__ = ["blueprint"]


def blueprint(online: OnlineModels, registry: Registry, volume: Volume, limits: Settings) -> Blueprint:
    """Return all routes of the protocol."""
    routes = Blueprint("open-inference", __name__)
    for part in (
        server.blueprint(volume),
        models.blueprint(online, registry),
        inference.blueprint(online, limits),
        repository.blueprint(online, registry, limits),
    ):
        routes.register_blueprint(part)
    return routes
