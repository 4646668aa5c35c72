"""The plan of a race by successive halving: who trains how long on how many images, within a budget.

Jamieson and Talwalkar 2016, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", with one change:
in each rung a candidate trains from the start, with its whole learning-rate schedule. Losses in the middle of a
schedule say little about the loss at its end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared.network.configuration import Configuration
from shared.network.network import Network
from shared.network.optimization.schedules import Exponential, StepDecay
from shared.network.selection.costs import image_cost, inference_cost, training_cost

SHARE = 3
"""The race costs at most 1/SHARE of the estimated cost of the winner's training."""

VALIDATION = 5
MOST_VALIDATION = 2000
"""1/VALIDATION of the images, at most MOST_VALIDATION, measure the candidates and are not trained on in the race.

At most MOST_VALIDATION images of the data set's own validation split do so instead, if it suffices."""

FEWEST_VALIDATION, FEWEST_VALIDATION_IN_CLASS = 20, 2
"""A validation split with fewer images, or with fewer for each class on average, would choose at random."""

LARGEST = 600.0
"""The bound on the logarithm of an exponential schedule's decay, so that it stays a finite number above 0."""

FEWEST_IMAGES, FEWEST_IN_CLASS = 64, 8
"""A race on fewer images, or on fewer for each class on average, would choose at random."""

ENOUGH_STEPS, SMALLEST_BATCH = 200, 16
"""A trial takes smaller mini-batches than its candidate, down to the smallest, to make enough steps."""


@dataclass(frozen=True)
class Rung:
    """One round: `entries` candidates train on `images` images; the best half, rounded down, continues in the next one.

    share: the part of a candidate's own training, in images times epochs, that it trains here.
    """

    entries: int
    images: int
    share: float


@dataclass(frozen=True)
class Plan:
    """A race. cost: estimated multiply-adds of the most expensive course. budget: the bound on it.

    validation: the number of images that measure the candidates. holds_out: they are training images.
    """

    validation: int
    rungs: tuple[Rung, ...]
    cost: int
    budget: int
    holds_out: bool = True


def plan(networks: Sequence[Network], samples: int, own_validation: int = 0) -> Plan:
    """Return the plan for these candidates and this many training images.

    own_validation: the number of images in the data set's own validation split. The plan has no rungs for one
    candidate, or if the images or the budget are too few to tell candidates apart.
    """
    budget = min(training_cost(network, samples, own_validation) for network in networks) // SHARE
    holds_out = own_validation < max(FEWEST_VALIDATION, FEWEST_VALIDATION_IN_CLASS * networks[0].classes)
    validation = min(samples // VALIDATION if holds_out else own_validation, MOST_VALIDATION)
    images = samples - validation if holds_out else samples
    entries = _halved(len(networks))
    fewest = max(FEWEST_IMAGES, FEWEST_IN_CLASS * networks[0].classes)
    if len(networks) == 1 or images < fewest:
        return Plan(0, (), 0, budget)
    share = _first_share(networks, entries, samples, validation, budget)
    rungs = tuple(
        _rung(networks, each, share * 2**number, samples, images, fewest) for number, each in enumerate(entries)
    )
    if share <= 0 or any(rung.images < fewest for rung in rungs):
        return Plan(0, (), 0, budget)
    cost = sum(
        sum(sorted((trial_cost(network, rung, samples, validation) for network in networks), reverse=True)[:number])
        for rung, number in zip(rungs, entries, strict=True)
    )
    return Plan(validation, rungs, cost, budget, holds_out)


def _halved(candidates: int) -> list[int]:
    """Return the number of candidates in each rung, until one is left."""
    entries = []
    while candidates > 1:
        entries.append(candidates)
        candidates //= 2
    return entries


def _first_share(
    networks: Sequence[Network], entries: Sequence[int], samples: int, validation: int, budget: int
) -> float:
    """Return the share of its training that a candidate gets in the first rung, so that all rungs fit the budget."""
    measured = trained = 0.0
    for number, count in enumerate(entries):
        measured += sum(sorted((validation * inference_cost(network) for network in networks), reverse=True)[:count])
        passes = (_passes(network, samples) * image_cost(network) for network in networks)
        trained += 2**number * sum(sorted(passes, reverse=True)[:count])
    return (budget - measured) / trained


def _passes(network: Network, samples: int) -> int:
    """Return the images times epochs of a candidate's whole training."""
    configuration = network.configuration
    return configuration.epochs * (samples - configuration.validation_count(samples))


def _rung(networks: Sequence[Network], entries: int, share: float, samples: int, images: int, fewest: int) -> Rung:
    """Return the rung: the square root of the share in images, the rest in epochs, at least one for each candidate."""
    if share <= 0:
        return Rung(entries, 0, share)
    wanted = max(fewest, round(images * math.sqrt(min(share, 1.0))))
    possible = math.floor(share * min(_passes(network, samples) for network in networks))
    return Rung(entries, min(wanted, possible, images), share)


def trial_epochs(network: Network, rung: Rung, samples: int) -> int:
    """Return the number of epochs that the candidate trains in the rung."""
    return max(1, math.floor(rung.share * _passes(network, samples) / rung.images))


def trial_cost(network: Network, rung: Rung, samples: int, validation: int) -> int:
    """Return the estimated multiply-adds of the candidate's training and measurement in the rung."""
    trained = trial_epochs(network, rung, samples) * rung.images * image_cost(network)
    return trained + validation * inference_cost(network)


def shortened(configuration: Configuration, epochs: int, images: int) -> Configuration:
    """Return the candidate's configuration for a rung: the same course of the learning rate in fewer epochs.

    Its mini-batches are at most as large as the candidate's.
    """
    schedule = configuration.schedule
    ratio = epochs / configuration.epochs
    if isinstance(schedule, StepDecay):
        schedule = replace(schedule, every=schedule.every * ratio)
    elif isinstance(schedule, Exponential):
        schedule = replace(schedule, decay=math.exp(max(-LARGEST, min(math.log(schedule.decay) / ratio, LARGEST))))
    return replace(
        configuration,
        epochs=epochs,
        schedule=schedule,
        batch_size=min(configuration.batch_size, images, max(SMALLEST_BATCH, epochs * images // ENOUGH_STEPS)),
        validation_fraction=0.0,
        early_stopping=None,
    )
