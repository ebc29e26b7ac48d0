"""Finished curves: recorded ones, and some that are made up."""

from pathlib import Path

import numpy as np
import pytest

from nas_moo.pruners import FinishedCurves
from nas_moo.replay.table import load_table

TABLES = Path(__file__).parents[3] / "scripts/benchmarks/data"
EPOCHS = np.arange(1.0, 19.0)


@pytest.fixture(scope="session")
def tiny():
    """1,152 recorded trainings of 18 epochs."""
    return load_table(TABLES / "tiny_cnn_seed0.toml")


def of_table(table, rows):
    """Finished curves of some rows of a table."""
    return FinishedCurves(table.epochs, table.errors[rows], table.costs[rows], table.costs[rows])


def made(rng, n, points=18, costs=2):
    """Falling curves with noise, at random costs."""
    final, speed = rng.uniform(0.05, 0.5, n), rng.uniform(2, 6, n)
    shares = np.arange(1, points + 1) / points
    curves = final[:, None] + (0.9 - final[:, None]) * np.exp(-speed[:, None] * shares)
    known = rng.uniform(1, 10, (n, costs))
    return FinishedCurves(EPOCHS[:points], curves * rng.lognormal(0, 0.02, curves.shape), known, known)
