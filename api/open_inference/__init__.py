"""`/v2`: the Open Inference Protocol, so that stock clients of KServe, Triton and their like work unchanged.

`requests` and `tensors` read what comes, `rows` makes the network's input of it, `responses` writes what goes;
`server`, `models`, `inference` and `repository` are the routes.
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
    """All routes of the protocol."""
    routes = Blueprint("open-inference", __name__)
    for part in (
        server.blueprint(volume),
        models.blueprint(online, registry),
        inference.blueprint(online, limits),
        repository.blueprint(online, registry, limits),
    ):
        routes.register_blueprint(part)
    return routes
