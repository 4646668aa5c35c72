"""The difference between the weights of the engine and the article's loop after the same steps from one start."""

from __future__ import annotations

import numpy as np

from benchmarks.contenders.article import ArticleNetwork
from benchmarks.contenders.workload import images_and_labels
from shared.network import Network, Training, preset


def distance_from_the_article(steps: int = 2000) -> dict[str, float]:
    """Return the largest difference between any two weights or biases, for each precision of the engine."""
    images, labels = (array[:steps] for array in images_and_labels())
    distances = {}
    for dtype in ("float64", "float32"):
        network = Network(images.shape[1:], 10, preset("article", dtype=dtype, epochs=1))
        training = Training(network, images, labels)
        layers = network.dense_layers(training.parameters)
        article = ArticleNetwork(
            [W.T.astype(np.float64) for W, _ in layers],
            [b.astype(np.float64) for _, b in layers],
            network.configuration.optimizer.learning_rate,
        )
        for index in training.state()["epoch.order"]:
            article.train(images[index].ravel() / 255, np.eye(10)[labels[index]])
        for _ in training:
            pass
        distances[dtype] = max(
            float(np.abs(ours - theirs).max())
            for (W, b), W_article, b_article in zip(
                network.dense_layers(training.parameters), article.weights, article.biases, strict=True
            )
            for ours, theirs in ((W, W_article.T), (b, b_article))
        )
    return distances
