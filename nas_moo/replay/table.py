"""The recorded table: it answers a proposal with the row of an architecture that was trained once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas_moo.errors import UserInputError
from nas_moo.genome import Architecture, Genome
from nas_moo.pareto import Array, nondominated
from nas_moo.replay.columns import curve_columns, fractions, numbers, read_architectures, read_rows
from nas_moo.replay.description import BUDGET_COST, Cost, Description, read_description
from nas_moo.replay.nearest import GeneDistance


@dataclass(frozen=True, eq=False)
class RecordedTable:
    """Finished trainings of ``n`` architectures, and what each would have cost.

    Attributes:
        errors: Validation errors, shape (n, points of the curve); the last is the final one.
        epochs: Cumulative cost after each point.
        test: Error that no search sees, shape (n,), or None.
        costs: Known before training, shape (n, costs).
        described: Name, unit and scale of each cost.
        box: Lowest and highest error that matter.
        complete: Whether the rows are the whole space.
        seconds: Of a full training, shape (n,), or None.
        timing_seconds: That it takes to measure the costs of one candidate.
    """

    name: str
    genome: Genome
    architectures: tuple[Architecture, ...]
    errors: Array
    epochs: Array
    test: Array | None
    costs: Array
    described: tuple[Cost, ...]
    box: tuple[float, float]
    complete: bool
    seconds: Array | None = None
    timing_seconds: float = 0.0

    def __len__(self) -> int:
        return len(self.architectures)

    @cached_property
    def objectives(self) -> Array:
        """Final validation error and costs, shape (n, 1 + costs): what a search is told."""
        return np.column_stack([self.errors[:, -1], self.costs])

    @cached_property
    def front(self) -> NDArray[np.intp]:
        """The rows that no other row dominates."""
        return np.flatnonzero(nondominated(self.objectives))

    @property
    def budget_cost(self) -> int:
        """The place of the cost on which budgets are set: the latency, or the first where no cost has that name."""
        names = [c.name for c in self.described]
        return names.index(BUDGET_COST) if BUDGET_COST in names else 0

    def answer(self, architecture: Architecture, tried: NDArray[np.bool_]) -> int:
        """The row that answers a proposal.

        Args:
            architecture: The proposal.
            tried: Which rows answered before, shape (n,). A sample answers no second time; a complete table does.

        Raises:
            UserInputError: no row is left.
        """
        row = self._rows.get(architecture.digest)
        if row is not None and (self.complete or not tried[row]):
            return row
        if tried.all():
            raise UserInputError(
                "every row of the table has answered", value=len(self), do="Ask for no more trials than rows."
            )
        distance = np.where(tried, np.inf, self._distance(architecture))
        nearest = np.flatnonzero(distance == distance.min())
        return int(nearest[np.argmin(self._lot[nearest])])

    def share(self, points: int) -> float:
        """The cost of training up to a point of the curve, as a share of a full training."""
        return float(self.epochs[points - 1] / self.epochs[-1])

    def cost_of(self, row: int) -> dict[str, float]:
        """The costs of a row by their names."""
        return dict(zip((c.name for c in self.described), self.costs[row].tolist(), strict=True))

    @cached_property
    def digest(self) -> str:
        """What the table holds, in twelve letters: results on other contents cannot be compared."""
        told = hashlib.sha256(" ".join(a.digest for a in self.architectures).encode())
        for array in (self.errors, self.epochs, self.costs, np.zeros(0) if self.test is None else self.test):
            told.update(np.ascontiguousarray(array).tobytes())
        return told.hexdigest()[:12]

    @cached_property
    def _rows(self) -> Mapping[str, int]:
        return {a.digest: row for row, a in enumerate(self.architectures)}

    @cached_property
    def _distance(self) -> GeneDistance:
        return GeneDistance(self.genome, self.architectures)

    @cached_property
    def _lot(self) -> NDArray[np.intp]:
        """Decides between rows equally near: the order of the file might tell the good ones."""
        return np.argsort(np.argsort([a.digest for a in self.architectures]))


def load_table(description: Description | Path) -> RecordedTable:
    """The table that a description, or a TOML file, describes.

    Raises:
        UserInputError: the table does not match its description.
    """
    d = read_description(description) if isinstance(description, Path) else description
    frame = read_rows(d)
    curve = curve_columns(d.curve, list(frame.columns))
    errors = np.column_stack([fractions(frame, c, "the curve") for c in curve])
    costs = np.column_stack([numbers(frame, c.column, f"cost {c.name!r}") for c in d.costs])
    table = RecordedTable(
        name=d.path.stem,
        genome=d.genome,
        architectures=read_architectures(frame, d.genome),
        errors=errors,
        epochs=_epochs(d, len(curve)),
        test=None if d.test is None else fractions(frame, d.test, "the test error"),
        costs=costs,
        described=d.costs,
        box=d.box or _default_box(errors[:, -1]),
        complete=d.complete,
        seconds=_seconds(numbers(frame, d.training_seconds, "the seconds")) if d.training_seconds else None,
        timing_seconds=d.timing_seconds,
    )
    _check_costs(table)
    _check_complete(table)
    return table


def _epochs(d: Description, points: int) -> Array:
    epochs = np.arange(1, points + 1, dtype=float) if d.epochs is None else np.array(d.epochs, dtype=float)
    if len(epochs) != points:
        raise UserInputError(
            f"the curve has {points} points and epochs {len(epochs)}",
            value=epochs.tolist(),
            do="Give the cumulative cost after each point of the curve.",
        )
    return epochs


def _default_box(final: Array) -> tuple[float, float]:
    low, high = float(final.min()), float(np.median(final))
    if low == high:
        raise UserInputError("half of the errors are the lowest one", value=low, do="Give the box in [error].")
    return low, high


def _seconds(values: Array) -> Array:
    if (values <= 0).any():
        raise UserInputError("a training took no time", value=float(values.min()), do="Name the column with seconds.")
    return values


def _check_costs(table: RecordedTable) -> None:
    for place, (cost, values) in enumerate(zip(table.described, table.costs.T, strict=True)):
        if (cost.log or place == table.budget_cost) and values.min() <= 0:
            raise UserInputError(
                f"cost {cost.name!r} has no logarithm", value=float(values.min()), do="Give positive costs."
            )
        if values.min() == values.max():
            raise UserInputError(
                f"cost {cost.name!r} is the same everywhere", value=float(values[0]), do="Leave it out."
            )
    if not (table.errors[:, -1] < table.box[1]).any():
        raise UserInputError("no final error is inside the box", value=list(table.box), do="Raise its upper end.")


def _check_complete(table: RecordedTable) -> None:
    if table.complete and table.genome.size() != len(table):
        raise UserInputError(
            f"the table is called complete and has {len(table)} architectures of a space of another size",
            value=table.genome.size(),
            do="Mend the genes or `where`, or say complete = false.",
        )
