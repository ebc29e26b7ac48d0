"""Reads the columns that a description names, and refuses what does not match it."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nas_moo.errors import UnknownNameError, UserInputError
from nas_moo.genes import Gene, Integer
from nas_moo.genome import Architecture, Genome
from nas_moo.pareto import Array
from nas_moo.replay.description import Description

_MISSING = ("", "nan", "NaN")  # no "None" or "NA": such a word may be a choice
_REFUSALS = (  # what pandas raises on an expression it cannot evaluate
    ArithmeticError,
    AttributeError,
    LookupError,
    NameError,
    NotImplementedError,
    SyntaxError,
    TypeError,
    ValueError,
)
_NUMBERED = re.compile(r"(.*?)(\d+)(\D*)")


def read_rows(description: Description) -> pd.DataFrame:
    """The rows of the table that fulfil ``where``.

    Raises:
        UserInputError: there is no such table, it cannot be read, or no row is left.
    """
    frame = _read(description)
    if description.where is not None:
        frame = frame[_fulfilled(frame, description.where)]
    if frame.empty:
        raise UserInputError(
            "no row of the table is left", value=description.where or str(description.table), do="Mend `where`."
        )
    return frame


def curve_columns(named: Sequence[str], existing: Sequence[Hashable]) -> tuple[str, ...]:
    """The columns of the curve.

    Two names that differ in their last number only are the first and last of a run where the table has any column
    between them; then it must have all. Otherwise they are the two points of the curve.

    Raises:
        UserInputError: the run has a gap, or does not rise.
    """
    if len(named) != 2:
        return tuple(named)
    first, last = (_NUMBERED.fullmatch(n) for n in named)
    if first is None or last is None or first.group(1, 3) != last.group(1, 3):
        return tuple(named)
    low, high = int(first[2]), int(last[2])
    run = [f"{first[1]}{i:0{len(first[2])}d}{first[3]}" for i in range(low, high + 1)]
    if low > high:
        raise UserInputError("the run of the curve's columns falls", value=list(named), do="Name the lower one first.")
    if not set(run[1:-1]) & set(existing):
        return tuple(named)
    for column in run:
        if column not in existing:
            raise UserInputError(
                "the run of the curve's columns has a gap", value=column, do="List the columns one by one."
            )
    return tuple(run)


def numbers(frame: pd.DataFrame, column: str, role: str) -> Array:
    """A column as finite numbers; ``role`` is what it is to the description, for the message.

    Raises:
        UserInputError: it does not exist, holds something else, or lacks values.
    """
    series = _column(frame, column, role)
    if not pd.api.types.is_numeric_dtype(series) or pd.api.types.is_bool_dtype(series):
        raise UserInputError(f"the column of {role} holds no numbers", value=column, do="Name a column of numbers.")
    if series.isna().any():
        raise UserInputError(
            f"the column of {role} lacks {int(series.isna().sum())} of {len(series)} values",
            value=column,
            do="Leave the rows out with `where`, or name another column.",
        )
    values = np.asarray(series.to_numpy(), dtype=np.float64)
    if not np.isfinite(values).all():
        raise UserInputError(f"the column of {role} holds an infinite number", value=column, do="Mend the table.")
    return values


def fractions(frame: pd.DataFrame, column: str, role: str) -> Array:
    """A column of errors, each between 0 and 1."""
    values = numbers(frame, column, role)
    outside = values[(values < 0) | (values > 1)]
    if len(outside):
        raise UserInputError(
            f"column {column!r} ({role}) is no error between 0 and 1",
            value=float(outside[0]),
            do="Errors are fractions: divide percentages by 100, and take accuracies from 1.",
        )
    return values


def read_architectures(frame: pd.DataFrame, genome: Genome) -> tuple[Architecture, ...]:
    """The architecture of each row; a gene may lack a value only where it is inactive.

    Raises:
        UserInputError: a gene has no column, or a row is no architecture of the genome, or has one twice.
    """
    columns = {g.name: _gene_values(g, _column(frame, g.name, f"gene {g.name!r}")) for g in genome.genes}
    found: list[Architecture] = []
    seen: dict[str, Hashable] = {}
    for place, label in enumerate(frame.index):
        given = {name: v for name, values in columns.items() if (v := values[place]) is not None}
        architecture = _architecture(genome, given, label)
        if architecture.digest in seen:
            raise UserInputError(
                f"rows {seen[architecture.digest]} and {label} are the same architecture",
                value=dict(architecture),
                do="Leave one out with `where`, average them, or add the gene that tells them apart.",
            )
        seen[architecture.digest] = label
        found.append(architecture)
    return tuple(found)


def _read(description: Description) -> pd.DataFrame:
    path, name = description.table, str(description.table)
    if not path.is_file():
        raise UserInputError(
            "the table of the description does not exist", value=name, do="Name a file beside the description."
        )
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        if path.suffix == ".csv":
            return pd.read_csv(path, keep_default_na=False, na_values=list(_MISSING))
    except (ValueError, OSError) as error:  # what pyarrow and pandas raise on bytes of another kind
        raise UserInputError(
            f"the table cannot be read ({str(error).splitlines()[0]})", value=name, do="Replace the file."
        ) from error
    raise UserInputError("the table is of no known kind", value=name, do="Give a .parquet or a .csv file.")


def _fulfilled(frame: pd.DataFrame, where: str) -> pd.Series[bool]:
    if "@" in where:  # would read Python variables of this program
        raise UserInputError("`where` may name columns only", value=where, do="Write the value itself.")
    try:
        holds = frame.eval(where)
    except _REFUSALS as error:
        raise UserInputError(
            f"`where` cannot be evaluated ({error})",
            value=where,
            do="Write a condition on columns, such as 'seed == 0'.",
        ) from error
    if not isinstance(holds, pd.Series) or not pd.api.types.is_bool_dtype(holds):
        raise UserInputError("`where` is no condition on rows", value=where, do="Compare a column: 'seed == 0'.")
    return holds.fillna(value=False).astype(bool)


def _column(frame: pd.DataFrame, column: str, role: str) -> pd.Series[Any]:
    if column not in frame.columns:
        raise UnknownNameError(f"column for {role}", column, map(str, frame.columns))
    return frame[column]


def _gene_values(gene: Gene, series: pd.Series[Any]) -> list[Any]:
    if series.dtype == np.float32:
        series = series.astype(str).astype(np.float64)  # the shortest text: 0.1 again, and not 0.10000000149
    values = series.astype(object).where(series.notna(), None).tolist()
    if isinstance(gene, Integer):  # a column with gaps is stored as floats
        return [int(v) if isinstance(v, float) and v.is_integer() else v for v in values]
    return values


def _architecture(genome: Genome, given: Mapping[str, Any], label: Hashable) -> Architecture:
    try:
        return genome.architecture(given)
    except UserInputError as error:
        raise UserInputError(
            f"row {label} of the table is no architecture of the genes: {error.what}", value=error.value, do=error.do
        ) from None
