"""A table so small that every answer can be worked out by hand, and what writes descriptions of it."""

import pandas as pd
import pytest

from nas_moo.replay.table import load_table

DESCRIPTION = """
table = "table.csv"
complete = true

[error]
curve = ["err_1", "err_3"]
test = "test"
box = [0.1, 0.5]

[costs]
latency = { column = "ms", log = true, unit = "ms" }

[[genes]]
name = "depth"
kind = "integer"
low = 1
high = 2

[[genes]]
name = "width"
kind = "categorical"
choices = [4, 8]
ordered = true
active = { gene = "depth", at_least = 2 }

[[genes]]
name = "block"
kind = "categorical"
choices = ["plain", "none"]
"""
ROWS = {  # six architectures: depth 1 has no width
    "depth": [1, 1, 2, 2, 2, 2],
    "width": [None, None, 4, 8, 4, 8],
    "block": ["plain", "none", "plain", "plain", "none", "none"],
    "err_1": [0.9, 0.8, 0.7, 0.6, 0.8, 0.9],
    "err_2": [0.6, 0.6, 0.5, 0.4, 0.6, 0.7],
    "err_3": [0.4, 0.5, 0.3, 0.2, 0.45, 0.25],
    "test": [0.42, 0.48, 0.33, 0.26, 0.4, 0.24],
    "ms": [1.0, 1.5, 2.0, 4.0, 3.0, 8.0],
}


@pytest.fixture
def described(tmp_path):
    """Write the description with texts replaced and the table with columns replaced; the path of the description."""

    def write(*replacements, rows=None, **columns):
        frame = pd.DataFrame({**ROWS, **columns})
        (frame if rows is None else frame.iloc[rows]).to_csv(tmp_path / "table.csv", index=False)
        text = DESCRIPTION
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "tiny.toml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def table(described):
    """The tiny table."""
    return load_table(described())
