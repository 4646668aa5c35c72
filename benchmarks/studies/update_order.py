"""A figure of the effect of the article's order, which updates a layer before the error propagates through it.

    PYTHONPATH=. python benchmarks/studies/update_order.py [--picture docs/images/update-order.svg]

It needs requirements/bench.in. GLASSBOX_DATASETS names the folder that holds mnist.npz; without it, ../shared/data
beside the project. Writes the figure and its numbers, by default to var/benchmarks.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt

from benchmarks.contenders.workload import ROOT, mnist
from shared.network import Network, Parameters, Training, preset
from shared.network.training.per_image_step import PerImageStep

ORDERS = {"together": "true gradient", "layerwise": "the article's order"}
SEEDS = (0, 1, 2)
EPOCHS = 5
RATE = 0.01  # the article's
RATES = (0.01, 0.03, 0.1, 0.3, 1.0)
SAMPLE = 300
"""The number of images over which the steps are compared."""


def main() -> None:
    """Train, measure, draw."""
    parser = argparse.ArgumentParser(description="Draw what the order of the updates changes.")
    folder = ROOT / "var" / "benchmarks"
    parser.add_argument("--picture", type=Path, default=folder / "update-order.svg")
    picture = parser.parse_args().picture

    data = mnist()
    numbers = {
        "losses": {order: [losses(data, order, seed) for seed in SEEDS] for order in ORDERS},
        "accuracies": {
            order: [[train(data, order, seed, rate)[1] for rate in RATES] for seed in SEEDS] for order in ORDERS
        },
        "differences": {
            "untrained": differences(data, initial(data)),
            "after an epoch": differences(data, train(data, "together", SEEDS[0], RATE)[0].parameters),
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "update-order.json").write_text(json.dumps(numbers, indent=2) + "\n")
    draw(numbers, picture)
    print(f"written to {picture} and {folder / 'update-order.json'}")


def network(order: str = "together", seed: int = 0, rate: float = RATE, **changes: Any) -> Network:
    """Return the article's network."""
    configuration = preset(
        "article", update_order=order, seed=seed, optimizer={"learning_rate": rate}, **{"epochs": 1, **changes}
    )
    return Network((28, 28), 10, configuration)


def train(data: dict[str, Any], order: str, seed: int, rate: float, epochs: int = 1) -> tuple[Training, float]:
    """Train it; return the training and the accuracy on the test images."""
    training = Training(network(order, seed, rate, epochs=epochs), data["x_train"], data["y_train"])
    for _ in training:
        pass
    evaluation = training.network.evaluate(training.parameters, data["x_test"], data["y_test"])
    print(f"{order:<10} seed {seed} rate {rate:<5} epochs {epochs}: {evaluation.accuracy:.2%}", flush=True)
    return training, evaluation.accuracy


def losses(data: dict[str, Any], order: str, seed: int) -> list[float]:
    """Return the training loss of each epoch, at the article's learning rate."""
    training, _ = train(data, order, seed, RATE, EPOCHS)
    return [report.train_loss for report in training.history]


def initial(data: dict[str, Any]) -> Parameters:
    """Return the initial parameters of a training."""
    return Training(network(), data["x_train"], data["y_train"]).parameters


def differences(data: dict[str, Any], parameters: Parameters) -> dict[str, list[float]]:
    """Return ‖s - g‖ / ‖g‖ for the weights of layers 1 and 2 at each rate, the median over single images.

    g: the true gradient, s: the direction in which the article's order moves the weights instead.
    """
    rows, y = data["x_train"][:SAMPLE].reshape(SAMPLE, -1), data["y_train"][:SAMPLE].astype(np.intp)
    start: Parameters = {name: array.astype(np.float64) for name, array in parameters.items()}
    medians: dict[str, list[float]] = {"layer 1": [], "layer 2": []}
    for rate in RATES:
        ratios: dict[str, list[float]] = {layer: [] for layer in medians}
        for image in range(SAMPLE):
            g, s = (moved(order, rate, start, rows, y, image) for order in ORDERS)
            for layer, each in ratios.items():
                name = f"{layer.replace(' ', '')}.weights"
                each.append(float(np.linalg.norm(s[name] - g[name]) / np.linalg.norm(g[name])))
        for layer, each in ratios.items():
            medians[layer].append(float(np.median(each)))
    return medians


def moved(order: str, rate: float, start: Parameters, rows: Any, y: Any, image: int) -> Parameters:
    """Return the change of each parameter by one step on one image, divided by the learning rate."""
    subject = network(order, rate=rate, dtype="float64")
    step = PerImageStep(subject, start, rows, y)
    before = step.P.copy()
    step.run(np.array([image]), 1.0)
    return subject.layout.views((before - step.P) / rate)


def draw(numbers: dict[str, Any], path: Path) -> None:
    """Draw the three panels."""
    mpl.rcParams.update(
        {"svg.hashsalt": "glassbox", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10}
    )
    figure, (steps, accuracy, loss) = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")

    styles = {"untrained": "-", "after an epoch": "--"}
    for color, layer in (("C0", "layer 1"), ("C1", "layer 2")):
        for moment, style in styles.items():
            steps.loglog(
                RATES, numbers["differences"][moment][layer], style, color=color, marker="o", label=f"{layer}, {moment}"
            )
    steps.set(title="How far the step is off", xlabel="learning rate η", ylabel="‖step - gradient‖ / ‖gradient‖")

    for order, style in (("together", "C2o-"), ("layerwise", "C3s--")):
        each = np.array(numbers["accuracies"][order])
        accuracy.errorbar(
            RATES, 100 * each.mean(axis=0), 100 * np.ptp(each, axis=0) / 2, fmt=style, capsize=3, label=ORDERS[order]
        )
        losses = np.array(numbers["losses"][order])
        loss.errorbar(
            range(1, EPOCHS + 1),
            losses.mean(axis=0),
            np.ptp(losses, axis=0) / 2,
            fmt=style,
            capsize=3,
            label=ORDERS[order],
        )
    accuracy.set(title="Test accuracy after one epoch", xlabel="learning rate η", ylabel="%", xscale="log")
    loss.set(title=f"Training loss at η = {RATE}", xlabel="epoch", ylabel="nats", xticks=range(1, EPOCHS + 1))
    for axes in (steps, accuracy, loss):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None, "Creator": None} if path.suffix == ".svg" else None, dpi=110)


if __name__ == "__main__":
    main()
