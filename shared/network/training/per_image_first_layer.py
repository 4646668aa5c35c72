"""The first layer for training image by image: a block of images passes through it before its weights are updated.

Each image's step changes the layer's weights by a known product: W_k = W_0 - Σ x_jᵀ s_j over the block's images j
before image k, with the step s_j = η δ_j of the layer's Z. So the Z of image k is

    z_k = x_k W_k = x_k W_0 - Σ (x_k · x_j) s_j

which takes two matrix products per block, X W_0 and X Xᵀ, and one short product per image. Reading and writing all
weights of the network's largest layer for each image would take several times as long as the rest of the step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.network.arrays import Array, Images, Labels
from shared.network.layers import inputs

SIZE = 64
"""Images in a full block. With fewer, the products are less efficient; with more, the sum over j is longer."""


class Block:
    """The forward pass of single rows of (N, in) through the layer W (in + 1, out), whose last row is its biases.

    W holds the weights as of the last `settle`.
    """

    def __init__(self, W: Array, rows: Images) -> None:
        self.W = W
        self._rows = rows
        self._start = W.copy()  # the weights before the block's first image
        self._X = np.ones((SIZE, len(W)), W.dtype)  # the last column stays 1: the factor of the biases
        self._XX = np.zeros((SIZE, SIZE), W.dtype)
        self._XW = np.zeros((SIZE, W.shape[1]), W.dtype)
        self._steps = np.zeros_like(self._XW)
        self._earlier = np.tri(SIZE, k=-1, dtype=W.dtype)
        self._images: list[int] = []
        self._done = 0
        self._settled = 0  # the images whose steps W contains
        # Views of the rows, created once: creating a view takes half as long as computing with it.
        self._of_image = list(zip(self._XX, self._XW, self._steps, strict=True))

    def forward(self, image: int, following: Labels | None, Z: Array) -> Array:
        """Z ← the image's input to the activation (out,). Return the array for its step η dZ (out,).

        following: the expected next images, which form the block with this one. Another next image is allowed, but
        starts a new block.
        """
        k = self._done
        if k == len(self._images) or self._images[k] != image:
            self._begin([image] if following is None else [image, *following[: SIZE - 1].tolist()])
            k = 0
        XX, XW, step = self._of_image[k]
        XX.dot(self._steps, Z)  # (SIZE,) @ (SIZE, out); the factors of this image and later ones are 0
        np.subtract(XW, Z, Z)
        self._done = k + 1
        return step

    def norm(self) -> float:
        """Return the norm of the last image's step: that of the product x_kᵀ s_k."""
        k = self._done - 1
        return float(np.linalg.norm(self._X[k]) * np.linalg.norm(self._steps[k]))

    @property
    def complete(self) -> bool:
        """Whether the block's last image has been processed."""
        return self._done == len(self._images)

    def settle(self) -> None:
        """Recompute W with all steps so far; the call does not change the bits of later results."""
        np.matmul(self._X[: self._done].T, self._steps[: self._done], out=self.W)  # (in + 1, done) @ (done, out)
        np.subtract(self._start, self.W, out=self.W)
        self._settled = self._done

    def state(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return the state for `restore`, as copies."""
        images = np.full(SIZE, -1, np.int64)
        images[: len(self._images)] = self._images
        return {
            "block_start": self._start.copy(),
            "block_steps": self._steps.copy(),
            "block_images": images,
            "block_done": np.array(self._done),
        }

    def restore(self, state: dict[str, np.ndarray[Any, Any]]) -> None:
        """Restore the state that `state` returned."""
        self._start[:] = state["block_start"]
        self._steps[:] = state["block_steps"]
        self._load([image for image in state["block_images"].tolist() if image >= 0])
        self._done = int(state["block_done"])
        self._settled = -1

    def _begin(self, images: list[int]) -> None:
        if self._settled != self._done:
            self.settle()
        self._start[:] = self.W
        self._load(images)
        self._done = self._settled = 0

    def _load(self, images: list[int]) -> None:
        self._images = images
        if not images:
            return
        n = len(images)
        X, XX = self._X[:n], self._XX[:n, :n]
        inputs.scale(self._rows[images], X[:, :-1])
        np.matmul(X, self._start, out=self._XW[:n])  # (n, in + 1) @ (in + 1, out)
        np.matmul(X, X.T, out=XX)  # (n, in + 1) @ (in + 1, n)
        XX *= self._earlier[:n, :n]
