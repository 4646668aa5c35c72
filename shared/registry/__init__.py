"""The model registry: the volume itself.

`publishing` makes versions, `state` holds what changes about a model (aliases, deletions), `weights` guards the files,
and `registry` puts them together for everybody else.
"""

from shared.registry.manifest import ModelVersion, Weights
from shared.registry.registry import Condition, Registry
from shared.registry.state import Alias

__all__ = ["Alias", "Condition", "ModelVersion", "Registry", "Weights"]
