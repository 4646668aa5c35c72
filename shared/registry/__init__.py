"""The model registry, whose only storage is the volume.

`publishing` publishes versions, `state` stores a model's mutable state (aliases, deletions), `weights` checks the
files, and `registry` combines them into the registry's interface.
"""

from shared.registry.manifest import ModelVersion, Weights
from shared.registry.registry import Condition, Registry
from shared.registry.state import Alias

__all__ = ["Alias", "Condition", "ModelVersion", "Registry", "Weights"]
