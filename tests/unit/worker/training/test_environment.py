"""The environment that a training's bits depend on."""

from __future__ import annotations

import platform

import numpy as np
from threadpoolctl import threadpool_limits

from worker.training.environment import blas_threads, environment


def test_environment_has_the_versions_and_the_processor() -> None:
    found = environment()

    assert found["python"] == platform.python_version()
    assert found["numpy"] == np.__version__
    assert "blas" in found["blas"]
    assert found["cpu"]


def test_environment_does_not_depend_on_the_number_of_threads() -> None:
    before = environment()

    with threadpool_limits(2, user_api="blas"):
        assert blas_threads() == 2
        assert environment() == before
    assert blas_threads() == 1
