"""Models that answer at once, in the API's own process: which version a request means, and its classifier."""

from __future__ import annotations

from shared.errors import Conflict
from shared.registry import Registry
from shared.registry.classifier import Classifier, ClassifierCache


class OnlineModels:
    """The served models. It needs the volume alone, which is asked anew for each request where an alias points."""

    def __init__(self, registry: Registry, classifiers: ClassifierCache) -> None:
        self._registry = registry
        self._classifiers = classifiers

    def classifier(self, name: str, reference: str = "latest") -> Classifier:
        """The classifier of a version by number, by alias, or of the newest.

        Raises `NotFound`, `Damaged`, or `Conflict` where the model was unloaded.
        """
        if not self._registry.is_served(name):
            self._classifiers.forget(name)
            raise Conflict("model_unloaded", f"the model {name!r} was unloaded; POST /v2/repository/models/{name}/load")
        return self._classifiers.find(name, reference)

    def load(self, name: str) -> None:
        """Let all processes serve the model, and have its newest version in memory in this one."""
        self._registry.serve(name, served=True)
        self._classifiers.find(name, "latest")

    def unload(self, name: str) -> None:
        """Let no process serve the model; the others let go of it when they are asked for it next."""
        self._registry.serve(name, served=False)
        self._classifiers.forget(name)
