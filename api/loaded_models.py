"""Models for online inference in the API's process: resolves a version reference to a loaded classifier."""

from __future__ import annotations

from shared.errors import Conflict
from shared.registry import Registry
from shared.registry.classifier import Classifier, ClassifierCache


class OnlineModels:
    """The served models. Only the volume is needed. Each request resolves its alias again."""

    def __init__(self, registry: Registry, classifiers: ClassifierCache) -> None:
        self._registry = registry
        self._classifiers = classifiers

    def check(self, name: str, reference: str = "latest") -> None:
        """Raise the errors of `classifier` that need no weights, before a body is read."""
        self._check_served(name)
        self._registry.number(name, reference)

    def classifier(self, name: str, reference: str = "latest") -> Classifier:
        """Return the classifier of a version; `reference` is a number, an alias or `latest`.

        Raises `NotFound`, `Damaged`, or `Conflict` if the model is unloaded.
        """
        self._check_served(name)
        return self._classifiers.find(name, reference)

    def load(self, name: str) -> None:
        """Mark the model as served in all processes, and load its newest version into this process."""
        self._registry.serve(name, served=True)
        self._classifiers.find(name, "latest")

    def unload(self, name: str) -> None:
        """Mark the model as not served. Other processes free its memory at their next request for it."""
        self._registry.serve(name, served=False)
        self._classifiers.forget(name)

    def _check_served(self, name: str) -> None:
        if not self._registry.is_served(name):
            self._classifiers.forget(name)
            detail = f"model {name!r} is unloaded; load it with POST /v2/repository/models/{name}/load"
            raise Conflict("model_unloaded", detail)
