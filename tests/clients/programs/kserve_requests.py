"""KServe's client, unchanged, against the API at argv[1]; prints what it received as JSON. argv[2]: images as .npy."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from numpy.typing import NDArray


async def received(url: str, images: NDArray[np.float32]) -> dict[str, Any]:
    """Ask for the server's and a model's state, then infer from JSON and from binary tensors."""
    client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=30))
    found: dict[str, Any] = {
        "live": await client.is_server_live(url),
        "ready": await client.is_server_ready(url),
        "model ready": await client.is_model_ready(url, "toy"),
        "unknown model ready": await client.is_model_ready(url, "unknown"),
    }
    tensor = InferInput("images", list(images.shape), "FP32")
    for binary in (False, True):
        tensor.set_data_from_numpy(images, binary_data=binary)
        request = InferRequest(model_name="toy", infer_inputs=[tensor])
        response = await client.infer(url, request, model_name="toy")
        found[f"probabilities, binary {binary}"] = response.outputs[0].as_numpy().tolist()
        found[f"model, binary {binary}"] = response.model_name
    try:
        await client.infer(url, InferRequest(model_name="other", infer_inputs=[tensor]), model_name="toy")
    except httpx.HTTPStatusError as error:
        found["error of another model"] = [error.response.status_code, error.response.json()["error"]]
    return found


if __name__ == "__main__":
    json.dump(asyncio.run(received(sys.argv[1], np.load(sys.argv[2]))), sys.stdout)
