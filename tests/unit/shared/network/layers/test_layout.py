from __future__ import annotations

import numpy as np
import pytest

from shared.network.arrays import Parameters
from shared.network.layers.layout import Layout


@pytest.fixture
def layout() -> Layout:
    return Layout.dense((4, 3, 2), np.dtype("float32"))


@pytest.fixture
def parameters(layout: Layout) -> Parameters:
    return layout.views(np.arange(layout.size, dtype=np.float32))


def test_every_layer_has_weights_in_by_out_and_biases_out(layout: Layout) -> None:
    assert layout.shapes == {
        "layer1.weights": (4, 3),
        "layer1.biases": (3,),
        "layer2.weights": (3, 2),
        "layer2.biases": (2,),
    }
    assert layout.size == 4 * 3 + 3 + 3 * 2 + 2


def test_views_share_the_vector_and_cover_it_once(layout: Layout) -> None:
    vector = np.zeros(layout.size, np.float32)
    for view in layout.views(vector).values():
        np.add(view, 1, out=view)
    assert (vector == 1).all()


def test_a_layers_slice_holds_its_weights_and_biases(layout: Layout, parameters: Parameters) -> None:
    vector = layout.pack(parameters)
    expected = [*parameters["layer2.weights"].ravel(), *parameters["layer2.biases"]]
    assert vector[layout.layers[1]].tolist() == expected


def test_pack_copies_the_parameters_into_a_vector(layout: Layout, parameters: Parameters) -> None:
    vector = layout.pack(parameters)
    assert vector.tolist() == list(range(layout.size))
    assert not np.shares_memory(vector, parameters["layer1.weights"])


def test_matching_parameters_pass_the_check(layout: Layout, parameters: Parameters) -> None:
    layout.check(parameters)


def test_the_error_names_a_missing_array(layout: Layout, parameters: Parameters) -> None:
    del parameters["layer2.biases"]
    with pytest.raises(ValueError, match=r"layer2\.biases is missing"):
        layout.check(parameters)


def test_the_error_names_an_unknown_array(layout: Layout, parameters: Parameters) -> None:
    parameters["layer3.weights"] = np.zeros(1, np.float32)
    with pytest.raises(ValueError, match=r"layer3\.weights is not a parameter"):
        layout.check(parameters)


def test_the_error_names_an_array_of_another_shape(layout: Layout, parameters: Parameters) -> None:
    parameters["layer1.weights"] = parameters["layer1.weights"].T
    with pytest.raises(ValueError, match=r"layer1\.weights has shape \(3, 4\), not \(4, 3\)"):
        layout.check(parameters)


def test_the_error_names_an_array_of_another_precision(layout: Layout, parameters: Parameters) -> None:
    parameters["layer1.biases"] = parameters["layer1.biases"].astype(np.float64)
    with pytest.raises(ValueError, match=r"layer1\.biases is float64, not float32"):
        layout.check(parameters)
