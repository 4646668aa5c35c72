from __future__ import annotations

import numpy as np
import pytest

from shared.network.attribution import score
from shared.network.attribution.neighbours import Embedded, embedding_width, embeddings
from shared.network.attribution.trace import trace
from tests.support.objects.networks import NETWORKS, random_network


@pytest.mark.parametrize("kind", NETWORKS)
def test_an_embedding_is_the_last_hidden_layer_of_the_trace(
    kind: str, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, parameters = random_network(kind, rng)
    images = rng.integers(0, 256, (20, *network.image_shape), np.uint8)
    indices = np.arange(19, 0, -2)
    monkeypatch.setattr(score, "PASS_BYTES", 1)  # one image at a time, or the smallest block

    found = embeddings(network, parameters, images.reshape(20, -1), indices)

    for row, index in zip(found, indices, strict=True):
        seen = trace(network, parameters, images[index])
        expected = seen.activations[-1] if seen.activations else seen.logits
        np.testing.assert_allclose(row, expected.reshape(-1), rtol=1e-5, atol=1e-6)
    assert found.shape == (10, embedding_width(network))


def test_a_convolutional_network_without_hidden_layers_has_its_last_block(rng: np.random.Generator) -> None:
    network, parameters = random_network("convolutional", rng, hidden=[])
    images = rng.random((3, *network.image_shape))
    found = embeddings(network, parameters, images.reshape(3, -1), np.arange(3))
    sets = [set(trace(network, parameters, image).activations[-1].astype(np.float32).reshape(-1)) for image in images]
    assert [len(each ^ set(row)) <= 0.05 * len(each) for each, row in zip(sets, found, strict=True)] == [True] * 3


def test_nearest_are_those_of_all_distances(rng: np.random.Generator) -> None:
    values = rng.normal(size=(500, 7)).astype(np.float32)
    values[400] = values[3]
    query = values[3] + np.float32(1e-6)
    distances = np.linalg.norm(values.astype(np.float64) - query, axis=1)

    indices, found = Embedded(values).nearest(query, 10)

    assert indices.tolist() == np.lexsort((np.arange(500), distances))[:10].tolist()
    np.testing.assert_allclose(found, distances[indices])
    assert indices[:2].tolist() == [3, 400]


def test_fewer_images_than_requested_are_all_returned(rng: np.random.Generator) -> None:
    values = rng.normal(size=(4, 3)).astype(np.float32)
    indices, distances = Embedded(values).nearest(values[2], 10)
    assert indices[0] == 2
    assert sorted(indices) == [0, 1, 2, 3]
    assert (np.diff(distances) >= 0).all()
