"""PyTorch's counterparts of activations and optimizers. PyTorch is passed in: it may not be installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

RATE = 0.05


def activations(torch: Any) -> dict[str, Callable[[], Any]]:
    """Return a function that creates the module of each activation."""
    return {
        "sigmoid": torch.nn.Sigmoid,
        "tanh": torch.nn.Tanh,
        "relu": torch.nn.ReLU,
        "leaky_relu": lambda: torch.nn.LeakyReLU(0.01),
        "gelu": lambda: torch.nn.GELU(approximate="tanh"),
        "identity": torch.nn.Identity,
    }


def optimizers(torch: Any) -> dict[str, Callable[..., Any]]:
    """Return a function that creates each optimizer for some parameters, at the learning rate `RATE`."""
    optim = torch.optim
    return {
        "sgd": lambda P, **extra: optim.SGD(P, lr=RATE, **extra),
        "momentum": lambda P, **extra: optim.SGD(P, lr=RATE, momentum=0.9, **extra),
        "nesterov": lambda P, **extra: optim.SGD(P, lr=RATE, momentum=0.9, nesterov=True, **extra),
        "rmsprop": lambda P, **extra: optim.RMSprop(P, lr=RATE, alpha=0.99, **extra),
        "adam": lambda P, **extra: optim.Adam(P, lr=RATE, **extra),
        "adamw": lambda P, **extra: optim.AdamW(P, lr=RATE, weight_decay=0.01, **extra),
    }


def optimizer(name: str) -> dict[str, Any]:
    """Return the settings of this package's optimizer."""
    return {"name": name, "learning_rate": RATE}
