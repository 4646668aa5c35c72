"""`python -m tests.support.data.make_digits`: makes `shared/datasets/builtin/digits.npz` from scikit-learn's digits.

scikit-learn must be installed, and is not imported. Each run writes the same bytes.
"""

from __future__ import annotations

import gzip
from importlib import metadata
from pathlib import Path

import numpy as np

from shared.datasets.builtin.digits import FILE


def main() -> None:
    """Read the table, write the arrays."""
    source = Path(str(metadata.distribution("scikit-learn").locate_file("sklearn/datasets/data/digits.csv.gz")))
    with gzip.open(source, "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    np.savez_compressed(FILE, allow_pickle=False, images=table[:, :-1].reshape(-1, 8, 8), labels=table[:, -1])


if __name__ == "__main__":
    main()
