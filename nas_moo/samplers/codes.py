"""Genomes as rows of numbers, so that hundreds of them are bred and compared at once.

The number of an ordered gene is its value's place between the ends of the range, from 0 to 1 on the gene's own scale;
that of an unordered choice is its index. An inactive gene keeps its number for breeding; ``points`` hides it as NaN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_moo.genes import AtLeast, Categorical, Gene, Integer, Real, Value
from nas_moo.genome import Genome
from nas_moo.pareto import Array

NEIGHBOUR_SHARE = 0.5  # of mutations of ordered genes stay near; the others go anywhere
SPREAD = 0.15  # standard deviation of a near step, as a share of the range
MOST_LEVELS = 64  # of a gene whose distances are computed once
_SAME = 1e-9


@dataclass(frozen=True, eq=False)
class Axis:
    """Distances of points to others along one gene or cost, each pair of distinct values once.

    Attributes:
        apart: Shape (distinct values, distinct values of the others).
        rows: Which value each point has, shape (n,).
        columns: Which value each of the others has, shape (m,).
    """

    apart: Array
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]

    def spread(self, table: Array) -> Array:
        """A number for each pair of points from one for each pair of values, shape (n, m)."""
        return np.asarray(table[self.rows].take(self.columns, axis=1))


def axis(values: Array, others: Array) -> Axis:
    """Distances along a quantity, such as a cost."""
    distinct, rows = np.unique(values, return_inverse=True)
    there, columns = (distinct, rows) if others is values else np.unique(others, return_inverse=True)
    return Axis(_apart(distinct, there), rows, columns)


def _apart(values: Array, others: Array) -> Array:
    """Distances along a gene; where it is active in only one of the two (the other has NaN) it counts 1, in neither 0.

    Source: Gower 1971.
    """
    apart = np.abs(values[:, None] - others[None, :])
    hidden, hidden_there = np.isnan(values)[:, None], np.isnan(others)[None, :]
    return np.where(hidden | hidden_there, hidden != hidden_there, apart)


class _Levels:
    """The numbers that a column can hold, where they are few: their distances are computed once."""

    def __init__(self, steps: int, *, nominal: bool = False) -> None:
        numbers = np.append(np.arange(steps) / (1 if nominal else max(steps - 1, 1)), np.nan)  # the last: inactive
        self._scale = 1.0 if nominal else float(max(steps - 1, 1))
        self._hidden = steps
        self._apart = np.minimum(_apart(numbers, numbers), 1.0)

    def axis(self, values: Array, others: Array) -> Axis:
        """Distances between columns of such numbers."""
        return Axis(self._apart, self._places(values), self._places(others))

    def _places(self, values: Array) -> NDArray[np.intp]:
        hidden = np.isnan(values)
        return np.where(hidden, self._hidden, np.rint(np.where(hidden, 0.0, values) * self._scale)).astype(np.intp)


class Codes:
    """Between values and rows of numbers of one genome."""

    def __init__(self, genome: Genome) -> None:
        self.genome = genome
        self._places = {name: i for i, name in enumerate(genome.names)}
        self._nominal = np.array([_is_nominal(g) for g in genome.genes], dtype=bool)
        self._levels = [_levels(g) for g in genome.genes]

    def encode(self, values: Mapping[str, Any]) -> Array:
        """The row of a genome, shape (genes,); a gene without a value takes its first."""
        return np.array([_number(g, values[g.name]) if g.name in values else 0.0 for g in self.genome.genes])

    def decode(self, row: Array) -> dict[str, Any]:
        """The values of a row, those of inactive genes too."""
        return {g.name: _value(g, number) for g, number in zip(self.genome.genes, row.tolist(), strict=True)}

    def points(self, rows: Array) -> Array:
        """The rows with NaN for inactive genes: what ``axes`` takes."""
        out = rows.copy()
        for column, gene in enumerate(self.genome.genes):
            if gene.active is not None:
                on = out[:, self._places[gene.active.gene]]
                out[~self._holds(gene, on), column] = np.nan
        return out

    def axes(self, points: Array, others: Array) -> list[Axis]:
        """How far apart points are, gene by gene; between 0 and 1.

        Args:
            points: Of ``points``, shape (n, genes).
            others: Shape (m, genes).
        """
        found = []
        for column, levels in enumerate(self._levels):
            values, there = points[:, column], others[:, column]
            found.append(axis(values, there) if levels is None else levels.axis(values, there))
        return found

    def uniform(self, count: int, rng: np.random.Generator) -> Array:
        """Rows drawn evenly, shape (count, genes)."""
        return np.column_stack([_drawn(g, count, rng) for g in self.genome.genes])

    def bred(self, mothers: Array, fathers: Array, rng: np.random.Generator) -> Array:
        """A child of each pair: uniform crossover, then each gene mutates once in as many as there are."""
        children = np.where(rng.random(mothers.shape) < 0.5, mothers, fathers)
        mutating = rng.random(children.shape) < 1.0 / children.shape[1]
        for column in np.flatnonzero(mutating.any(axis=0)).tolist():
            rows = np.flatnonzero(mutating[:, column])
            children[rows, column] = mutated(self.genome.genes[column], children[rows, column], rng)
        return children

    def _holds(self, gene: Gene, on: Array) -> NDArray[np.bool_]:
        """Whether a gene's condition holds; never where the gene that it asks for is itself inactive."""
        condition = gene.active
        if condition is None:
            return np.ones(len(on), dtype=bool)
        deciding = self.genome[condition.gene]
        if isinstance(condition, AtLeast):
            return np.asarray(on >= _number(deciding, condition.minimum) - _SAME)
        wanted = np.array([_number(deciding, v) for v in condition.values])
        return np.asarray((np.abs(on[:, None] - wanted) < _SAME).any(axis=1))


def _levels(gene: Gene) -> _Levels | None:
    if gene.count > MOST_LEVELS or (isinstance(gene, Integer) and gene.log):
        return None
    return _Levels(int(gene.count), nominal=_is_nominal(gene))


def mutated(gene: Gene, numbers: Array, rng: np.random.Generator) -> Array:
    """Other numbers of a gene: near the old ones where it has an order, or anywhere."""
    if isinstance(gene, Categorical) and not gene.ordered:
        others = rng.integers(1, max(len(gene.choices), 2), size=len(numbers))
        return np.asarray((numbers + others) % len(gene.choices))
    step = 0.0 if math.isinf(gene.count) else 1.0 / max(gene.count - 1, 1)
    by = np.maximum(np.abs(rng.normal(0.0, SPREAD, len(numbers))), step)
    signs = 2.0 * rng.integers(2, size=len(numbers)) - 1.0
    near = _snapped(gene, np.minimum(np.maximum(numbers + by * signs, 0.0), 1.0))
    return np.where(rng.random(len(numbers)) < NEIGHBOUR_SHARE, near, _drawn(gene, len(numbers), rng))


def from_unit(gene: Integer | Real, share: float) -> int | float:
    """The value that lies at this share of a gene's range, on its own scale."""
    low, high = gene.low, gene.high
    value = low * (high / low) ** share if gene.log else low + (high - low) * share
    if isinstance(gene, Integer):
        return int(min(max(round(value), low), high))
    return float(min(max(value, low), high))


def _is_nominal(gene: Gene) -> bool:
    return isinstance(gene, Categorical) and not gene.ordered


def _number(gene: Gene, value: Value) -> float:
    if isinstance(gene, Categorical):
        place = gene.choices.index(value)
        return place / max(len(gene.choices) - 1, 1) if gene.ordered else float(place)
    if gene.low == gene.high:
        return 0.0
    if gene.log:
        return math.log(value / gene.low) / math.log(gene.high / gene.low)  # type: ignore[operator]
    return float((value - gene.low) / (gene.high - gene.low))  # type: ignore[operator]


def _value(gene: Gene, number: float) -> Any:
    if isinstance(gene, Categorical):
        return gene.choices[round(number * (len(gene.choices) - 1)) if gene.ordered else int(number)]
    if isinstance(gene, Integer) and not gene.log:
        return gene.low + gene.step * round(number * (gene.count - 1))
    return from_unit(gene, number)


def _drawn(gene: Gene, count: int, rng: np.random.Generator) -> Array:
    """Numbers of a gene, every value as likely (evenly in the logarithm where the gene has one)."""
    if isinstance(gene, Real) or (isinstance(gene, Integer) and gene.log):
        return _snapped(gene, rng.random(count))
    places = rng.integers(gene.count, size=count).astype(float)
    return places if _is_nominal(gene) else places / max(gene.count - 1, 1)


def _snapped(gene: Gene, numbers: Array) -> Array:
    """The numbers of the nearest values that there are."""
    if isinstance(gene, Real):
        return numbers
    if isinstance(gene, Integer) and gene.log:
        return np.array([_number(gene, from_unit(gene, n)) for n in numbers.tolist()])
    steps = max(gene.count - 1, 1)
    return np.asarray(np.rint(numbers * steps) / steps)
