"""The peer's model: the network 784-64-32-10 in plain NumPy. Runs in MLServer's environment."""

from __future__ import annotations

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Network(MLModel):  # type: ignore[misc]
    """Reads the weights that its settings name, and runs the forward pass."""

    async def load(self) -> bool:
        """Read the weights."""
        with np.load(self.settings.parameters.uri) as weights:
            self.layers = [(weights[f"layer{n}.weights"], weights[f"layer{n}.biases"]) for n in (1, 2, 3)]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Return the probabilities of the images."""
        A = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32)
        for W, b in self.layers[:-1]:
            A = 1 / (1 + np.exp(-(A @ W + b)))
        W, b = self.layers[-1]
        Z = A @ W + b
        P = np.exp(Z - Z.max(axis=1, keepdims=True))
        P /= P.sum(axis=1, keepdims=True)
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("probabilities", P)])
