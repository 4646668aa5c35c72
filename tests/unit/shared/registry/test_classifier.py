"""A published model in memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from weakref import ref

import numpy as np
import pytest

from shared.errors import Conflict, Damaged, NotFound, Unavailable
from shared.network import Network
from shared.registry import Registry
from shared.registry.classifier import Classifier, ClassifierCache, ForwardPass
from shared.storage.volume import Volume
from tests.support.data.npz import easy_images
from tests.support.objects.models import SIDE, publish, tiny_configuration, tiny_network, tiny_parameters


@pytest.fixture
def classifier(registry: Registry) -> Classifier:
    return Classifier.load(registry, publish(registry))


def test_a_loaded_model_classifies_as_the_trained_network(classifier: Classifier) -> None:
    images, _ = easy_images(50, seed=1)

    predictions = classifier.classify(images, top_k=1)

    P = tiny_network().probabilities(tiny_parameters(), images)
    assert np.array_equal(predictions.labels[:, 0], P.argmax(axis=1))
    assert np.array_equal(predictions.probabilities[:, 0], P.max(axis=1))


def test_a_trained_model_classifies_easy_images(classifier: Classifier) -> None:
    images, labels = easy_images(90, seed=1)

    assert np.mean(classifier.classify(images, top_k=1).labels[:, 0] == labels) > 0.9


@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_the_best_classes_come_first(classifier: Classifier, top_k: int) -> None:
    images, _ = easy_images(50, seed=1)

    predictions = classifier.classify(images, top_k)

    P = tiny_network().probabilities(tiny_parameters(), images)
    assert predictions.labels.shape == predictions.probabilities.shape == (50, top_k)
    assert np.array_equal(predictions.probabilities, -np.sort(-P, axis=1)[:, :top_k])
    assert np.array_equal(predictions.probabilities, np.take_along_axis(P, predictions.labels, axis=1))


def test_classes_of_equal_probability_keep_their_order(classifier: Classifier) -> None:
    network = Network((SIDE, SIDE), 40, tiny_configuration(standardize=False))
    zeros = network.layout.views(np.zeros(network.layout.size, network.dtype))
    uniform = Classifier(classifier.version, network, zeros)
    images, _ = easy_images(2)

    assert uniform.classify(images, top_k=40).labels.tolist() == [list(range(40))] * 2
    assert uniform.classify(images, top_k=1).labels.tolist() == [[0]] * 2


@pytest.mark.parametrize("rows", [50, 64, 2500])
def test_a_reused_forward_pass_classifies_as_the_classifier(classifier: Classifier, rows: int) -> None:
    forward = ForwardPass(classifier, rows)
    for count in (rows, 1, 49):
        images, _ = easy_images(count, seed=count)
        forward.images[:count] = images

        predictions = forward.classify(count, top_k=2)

        expected = classifier.classify(images, top_k=2)
        assert np.array_equal(predictions.labels, expected.labels)
        assert np.allclose(predictions.probabilities, expected.probabilities, atol=1e-6)


@pytest.mark.parametrize("garbage", [np.inf, 3e38])
def test_unused_rows_do_not_affect_the_others(classifier: Classifier, garbage: float) -> None:
    previous = [np.full((64, SIDE * SIDE), garbage, np.float32) for _ in range(8)]
    del previous  # the next arrays of that size get this memory
    images, _ = easy_images(1)

    with np.errstate(all="raise"):
        forward = ForwardPass(classifier, 64)
        forward.images[:1] = images
        predictions = forward.classify(1, top_k=1)

    assert predictions.labels[0] == classifier.classify(images, top_k=1).labels[0]


def test_no_images_give_no_predictions(classifier: Classifier) -> None:
    predictions = classifier.classify(np.empty((0, SIDE, SIDE), np.uint8), top_k=2)

    assert len(predictions.labels) == len(predictions.probabilities) == 0


def test_a_model_with_changed_weights_is_not_loaded(registry: Registry, volume: Volume) -> None:
    version = publish(registry)
    (volume.version("toy", 1) / "weights.npz").write_bytes(b"something else")

    with pytest.raises(Damaged):
        Classifier.load(registry, version)


class TestCache:
    def test_a_model_is_loaded_once(self, registry: Registry) -> None:
        publish(registry)
        cache = ClassifierCache(registry)

        assert cache.get("toy", 1) is cache.get("toy", 1)

    def test_each_version_has_its_own_classifier(self, registry: Registry) -> None:
        publish(registry, job="a")
        publish(registry, job="b")
        cache = ClassifierCache(registry)

        assert [cache.get("toy", number).version.version for number in (2, 1)] == [2, 1]

    def test_the_least_recently_used_classifier_is_evicted(self, registry: Registry) -> None:
        for job in "abc":
            publish(registry, job=job)
        cache = ClassifierCache(registry, capacity=2)
        first, second = cache.get("toy", 1), cache.get("toy", 2)

        assert cache.get("toy", 1) is first  # used again, so that the second is the least recently used
        cache.get("toy", 3)

        assert cache.get("toy", 1) is first
        assert cache.get("toy", 2) is not second

    def test_the_weights_in_memory_have_at_most_the_limit(self, registry: Registry) -> None:
        size = max(publish(registry, job=job).weights.bytes for job in "abc")
        cache = ClassifierCache(registry, limit=2 * size)
        first, second = ref(cache.get("toy", 1)), ref(cache.get("toy", 2))

        cache.get("toy", 3)

        assert first() is None
        assert second() is not None

    def test_a_version_larger_than_the_limit_is_not_loaded(self, registry: Registry) -> None:
        size = publish(registry).weights.bytes
        cache = ClassifierCache(registry, limit=size - 1)

        with pytest.raises(Conflict, match=f"have {size} bytes, and GLASSBOX_ONLINE_MODEL_BYTES is {size - 1}"):
            cache.get("toy", 1)

    def test_an_evicted_classifier_counts_while_it_is_in_use(self, registry: Registry) -> None:
        size = max(publish(registry, job=job).weights.bytes for job in "ab")
        cache = ClassifierCache(registry, limit=size, wait_seconds=0)
        in_use = cache.get("toy", 1)

        with pytest.raises(Unavailable, match="GLASSBOX_ONLINE_MODEL_BYTES"):
            cache.get("toy", 2)
        del in_use

        assert cache.get("toy", 2).version.version == 2

    def test_a_load_waits_for_the_memory_of_a_classifier_in_use(self, registry: Registry) -> None:
        size = max(publish(registry, job=job).weights.bytes for job in "ab")
        cache = ClassifierCache(registry, limit=size, wait_seconds=30)
        in_use = [cache.get("toy", 1)]

        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(cache.get, "toy", 2)
            in_use.clear()

            assert waiting.result(30).version.version == 2

    def test_a_version_that_cannot_be_loaded_takes_no_memory(self, registry: Registry, volume: Volume) -> None:
        size = max(publish(registry, job=job).weights.bytes for job in "ab")
        cache = ClassifierCache(registry, limit=size, wait_seconds=0)
        (volume.version("toy", 1) / "weights.npz").write_bytes(b"damaged")

        with pytest.raises(Damaged):
            cache.get("toy", 1)

        assert cache.get("toy", 2).version.version == 2

    def test_threads_share_the_cache(self, registry: Registry) -> None:
        for job in "abc":
            publish(registry, job=job)
        cache = ClassifierCache(registry, capacity=2)

        def use() -> list[int]:
            return [cache.get("toy", number % 3 + 1).version.version for number in range(60)]

        with ThreadPoolExecutor(8) as pool:
            futures = [pool.submit(use) for _ in range(8)]

        assert all(future.result() == [number % 3 + 1 for number in range(60)] for future in futures)

    def test_threads_load_the_same_model_once(self, registry: Registry) -> None:
        publish(registry)
        cache = ClassifierCache(registry)

        with ThreadPoolExecutor(8) as pool:
            classifiers = list(pool.map(lambda _: cache.find("toy", "latest"), range(8)))

        assert len(set(map(id, classifiers))) == 1

    def test_a_moved_alias_returns_the_new_version(self, registry: Registry) -> None:
        for job in "ab":
            publish(registry, job=job)
        cache = ClassifierCache(registry)
        for version in (1, 2, 1):
            registry.point("toy", "champion", version)

            assert cache.find("toy", "champion").version.version == version

    def test_a_deleted_version_is_not_returned_and_evicted(self, registry: Registry) -> None:
        for job in "ab":
            publish(registry, job=job)
        cache = ClassifierCache(registry)
        gone = ref(cache.get("toy", 1))
        registry.delete("toy", "1")

        with pytest.raises(NotFound):
            cache.get("toy", 1)
        cache.get("toy", 2)

        assert gone() is None

    def test_a_forgotten_model_is_loaded_again(self, registry: Registry) -> None:
        publish(registry)
        cache = ClassifierCache(registry)
        first = cache.get("toy", 1)
        cache.forget("toy")

        assert cache.get("toy", 1) is not first
