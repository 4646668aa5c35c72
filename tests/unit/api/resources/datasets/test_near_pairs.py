"""`GET /v1/datasets/{ref}/near-pairs`."""

from __future__ import annotations

from threading import Event
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from numpy.typing import NDArray

from shared.datasets.similarity import near_pair_search, near_pairs
from shared.storage.volume import Volume
from tests.support.data.files import files_below
from tests.support.data.npz import easy_arrays, npz
from tests.support.problems import assert_problem
from tests.support.waiting import eventually

PATH = "/v1/datasets/easy/near-pairs"


def noise(train: int = 90, test: int = 30, side: int = 6) -> dict[str, NDArray[Any]]:
    """Return images that are not similar, with three classes."""
    rng = np.random.default_rng(0)
    parts = {"train": train, "test": test}
    pixels = {
        f"x_{part}": (rng.random((count, side, side)) ** 4 * 255).astype(np.uint8) for part, count in parts.items()
    }
    return pixels | {f"y_{part}": np.arange(count) % 3 for part, count in parts.items()}


def found(client: FlaskClient, arrays: dict[str, NDArray[Any]]) -> Any:
    client.post("/v1/datasets?name=easy", data=npz(arrays))
    return client.get(PATH).get_json()


def cosines(images: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.float64]:
    a, b = (each.reshape(len(each), -1).astype(np.float64) for each in (images, others))
    return np.asarray(a @ b.T / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1))


def test_near_pairs_are_those_of_all_cosines(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_pairs, "BLOCK_BYTES", 1000)
    arrays = noise()
    arrays["x_test"][4] = arrays["x_train"][70]
    arrays["x_test"][5] = arrays["x_train"][2] // 2
    arrays["x_test"][6] = 0
    x_val, y_val = np.clip(arrays["x_train"][:8].astype(int) + 9, 0, 255).astype(np.uint8), arrays["y_train"][:8]

    document = found(client, arrays | {"x_val": x_val, "y_val": y_val})

    expected = {}
    for split, images in (("validation", x_val), ("test", np.delete(arrays["x_test"], 6, axis=0))):
        every = cosines(images, arrays["x_train"])
        for index in np.flatnonzero(every.max(axis=1) > 0.98).tolist():
            original = index + (split == "test" and index >= 6)
            expected[split, original] = int(every[index].argmax()), float(every[index].max())
    assert {("test", 4), ("test", 5)} <= expected.keys()
    pairs = {(pair["image"]["split"], pair["image"]["index"]): pair for pair in document["first"]}
    assert {key: pair["nearest"]["index"] for key, pair in pairs.items()} == {key: e[0] for key, e in expected.items()}
    for key, pair in pairs.items():
        assert pair["cosine"] == pytest.approx(expected[key][1], abs=1e-5)
    ordered = [pair["cosine"] for pair in document["first"]]
    assert ordered == sorted(ordered, reverse=True)
    assert pairs["test", 4] == {
        "cosine": 1.0,
        "image": {"split": "test", "index": 4, "label": "1"},
        "nearest": {"split": "train", "index": 70, "label": "1"},
    }
    assert document["pairs"] == len(expected)
    assert document["compared"]["validation"] == {"images": 8, "compared": 8}
    assert document["compared_shape"] == [6, 6]


def test_large_data_set_is_sampled_and_says_so(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_pairs, "SEARCHED_BYTES", 4 * 36 * 10)
    monkeypatch.setattr(near_pairs, "PRODUCTS", 36 * 10 * 45)
    arrays = noise()
    arrays["x_test"] = arrays["x_train"][:30]  # those with an even index are in the sample

    document = found(client, arrays)

    assert document["compared"] == {"train": {"images": 90, "compared": 45}, "test": {"images": 30, "compared": 10}}
    assert {pair["image"]["index"] for pair in document["first"]} == set(range(0, 30, 6))


def test_large_images_are_reduced_and_pairs_are_limited(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_pairs, "MOST_PAIRS", 3)
    arrays = noise(side=60)
    arrays["x_test"] = arrays["x_train"][:30].copy()
    arrays["x_test"][:, 0, 0] ^= 1

    document = found(client, {k: np.stack([x] * 3, -1) if x.ndim > 1 else x for k, x in arrays.items()})

    assert (document["compared_shape"], document["pairs"], len(document["first"])) == ([32, 32, 3], 30, 3)


def test_pairs_are_searched_once_and_deleted_with_the_data_set(
    client: FlaskClient, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = found(client, noise())
    (file,) = volume.datasets.glob("*/near-pairs.json")
    with monkeypatch.context() as patch:
        patch.setattr(near_pair_search, "near_pairs", lambda *_: pytest.fail("they are searched again"))
        assert client.get(PATH).get_json() == first
    file.write_bytes(b'{"format": 0}')
    assert client.get(PATH).get_json() == first

    client.delete("/v1/datasets/easy")

    assert list(files_below(volume.datasets)) == []


def test_search_goes_on_after_the_request(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    release, search = Event(), near_pairs.near_pairs

    def slowly(*arguments: Any) -> near_pairs.NearPairs:
        assert release.wait(20)
        return search(*arguments)

    monkeypatch.setattr(near_pair_search, "near_pairs", slowly)
    monkeypatch.setattr(near_pair_search, "WAIT_SECONDS", 0.01)
    client.post("/v1/datasets?name=easy", data=npz(noise()))
    client.post("/v1/datasets?name=other", data=npz(easy_arrays()))

    waiting = client.get(PATH)
    assert_problem(waiting, 503, "near_pairs_busy")
    assert int(waiting.headers["Retry-After"]) > 0
    assert_problem(client.get("/v1/datasets/other/near-pairs"), 503, "near_pairs_busy")
    release.set()

    eventually(lambda: client.get(PATH).status_code == 200)
