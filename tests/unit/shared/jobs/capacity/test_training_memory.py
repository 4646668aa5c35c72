"""The check that a training fits into a trainer's memory: what is refused, and what the error says."""

from __future__ import annotations

from typing import Any

import pytest

from shared.datasets.manifest import Manifest
from shared.errors import Invalid
from shared.jobs.capacity.training_memory import check_memory, fitting, memory_of, threads_that_fit
from shared.network import Facts, Network, candidates, preset
from shared.runtime.settings import GiB, MiB

GRAY, COLOUR = (28, 28), (64, 64, 3)


def a_dataset(shape: tuple[int, ...] = GRAY, classes: int = 10, train: int = 60_000, test: int = 10_000) -> Manifest:
    return Manifest(
        digest="0" * 64,
        name="images",
        source="test",
        image_shape=shape,
        classes=tuple(map(str, range(classes))),
        splits={"train": train, "test": test},
        class_counts={},
        bytes=0,
        sha256="0" * 64,
        created_at="",
    )


def a_network(shape: tuple[int, ...] = GRAY, classes: int = 10, **settings: Any) -> Network:
    return Network(shape, classes, preset("fast", **settings))


@pytest.mark.parametrize(
    ("settings", "part", "remedy", "pointer"),
    [
        (
            {"hidden": [60_000], "batch_size": 54_000},
            "the arrays of a mini-batch",
            "smaller batch_size",
            "#/batch_size",
        ),
        ({"hidden": [3000] * 5, "dtype": "float64"}, "checkpoints and evaluations", "the dtype float32", "#/hidden"),
        (
            {"hidden": [800] * 60, "batch_size": 20_000},
            "the arrays of a mini-batch",
            "smaller batch_size",
            "#/batch_size",
        ),
    ],
)
def test_a_training_that_is_too_large_is_refused_with_the_estimate_the_limit_and_the_remedy(
    settings: dict[str, Any], part: str, remedy: str, pointer: str
) -> None:
    network = a_network(**settings)
    needed = memory_of([network], a_dataset()).allocated

    check_memory([network], a_dataset(), needed)
    with pytest.raises(Invalid) as refused:
        check_memory([network], a_dataset(), needed - 1)

    assert refused.value.code == "training_too_large"
    assert "GLASSBOX_TRAINER_MEMORY_BYTES" in refused.value.detail
    assert part in refused.value.detail
    assert remedy in refused.value.detail
    assert [field.pointer for field in refused.value.fields] == [pointer]


def test_without_a_limit_every_training_is_accepted() -> None:
    network = a_network(hidden=[60_000], batch_size=54_000)

    assert fitting([network], a_dataset(), None) == [network]


@pytest.mark.parametrize("preset_name", ["fast", "accurate", "article"])
def test_the_presets_fit_the_default_limit_on_mnist(preset_name: str) -> None:
    network = Network(GRAY, 10, preset(preset_name))

    assert memory_of([network], a_dataset()).allocated < 1 * GiB


def test_auto_fits_the_default_limit_on_large_photographs_of_many_classes() -> None:
    dataset = a_dataset((224, 224, 3), classes=200, train=20_000, test=2000)
    networks = candidates(Facts((224, 224, 3), 200, 20_000), {})
    small = [network for network in networks if network.parameter_count <= 50_000_000]

    assert fitting(small, dataset, 3584 * MiB)


def test_candidates_that_are_too_large_do_not_race() -> None:
    small, large = a_network(), a_network(hidden=[30_000])
    limit = memory_of([large], a_dataset()).allocated - 1

    assert fitting([large, small], a_dataset(), limit) == [small]


def test_a_convolutional_training_uses_the_threads_that_fit() -> None:
    network = a_network(COLOUR, convolutions=[{"filters": 64}, {"filters": 64}], batch_size=512)
    dataset = a_dataset(COLOUR)
    limit = memory_of([network], dataset, threads=3).allocated

    assert threads_that_fit([network], dataset, limit, 8) == 3
    assert threads_that_fit([network], dataset, None, 8) == 8
    assert threads_that_fit([network], dataset, 1, 8) == 1


def test_the_estimate_grows_with_each_setting_that_takes_memory() -> None:
    plain = memory_of([a_network(batch_size=1000)], a_dataset()).allocated
    larger: list[dict[str, Any]] = [
        {"batch_size": 4000},
        {"batch_size": 1000, "hidden": [4000, 4000]},
        {"batch_size": 1000, "dtype": "float64"},
        {"batch_size": 1000, "epochs": 100_000},
        {"batch_size": 1000, "dropout": 0.5},
    ]

    assert all(memory_of([a_network(**settings)], a_dataset()).allocated > plain for settings in larger)
