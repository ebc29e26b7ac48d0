"""What a TOML file says of a recorded table: which columns are genes, errors and costs.

Every key is read or refused; what the columns hold is checked where the table is read.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas_moo.errors import UnknownNameError, UserInputError
from nas_moo.genes import Categorical, Condition, Gene, Integer, Real, at_least, one_of
from nas_moo.genome import Genome

BUDGET_COST = "latency"  # where a table has such a cost, budgets are set on it
_NUMBER = (int, float)


@dataclass(frozen=True)
class Cost:
    """A cost that is known before training.

    Attributes:
        log: Whether hypervolume takes its logarithm.
    """

    name: str
    column: str
    log: bool = False
    unit: str = ""


@dataclass(frozen=True)
class Description:
    """A recorded table as its TOML file describes it.

    Attributes:
        path: The TOML file.
        table: The parquet or CSV file.
        where: A pandas expression that rows must fulfil.
        complete: Whether the rows are the whole space; otherwise a sample of it.
        curve: Validation errors in the order of training, or the first and last of a numbered run of columns.
        epochs: Cumulative cost after each point of the curve; 1, 2, 3 ... where None.
        test: Error that no search sees.
        box: Lowest and highest error that matter; minimum and median of the table where None.
        training_seconds: Column with the seconds of a full training.
        timing_seconds: Seconds that it takes to measure the costs of one candidate.
    """

    path: Path
    table: Path
    where: str | None
    complete: bool
    curve: tuple[str, ...]
    epochs: tuple[float, ...] | None
    test: str | None
    box: tuple[float, float] | None
    costs: tuple[Cost, ...]
    genome: Genome
    training_seconds: str | None
    timing_seconds: float


def read_description(path: Path) -> Description:
    """Read a TOML file.

    Raises:
        UserInputError: there is none, it is no TOML, or it says something that cannot be.
    """
    top = _Section(path.name, "the description", _parse(path))
    error = top.section("error")
    seconds = top.section("seconds", default={})
    description = Description(
        path=path,
        table=path.parent / top.take("table", str),
        where=top.take("where", str, default=None),
        complete=top.take("complete", bool, default=True),
        curve=error.take_all("curve", str),
        epochs=error.take_all("epochs", *_NUMBER, default=None),
        test=error.take("test", str, default=None),
        box=_box(error),
        costs=_costs(top),
        genome=Genome(*[_gene(path.name, place, told) for place, told in enumerate(top.sections("genes"), 1)]),
        training_seconds=seconds.take("training", str, default=None),
        timing_seconds=float(seconds.take("timing", *_NUMBER, default=0.0)),
    )
    for section in (top, error, seconds):
        section.end()
    _check(description)
    return description


class _Section:
    """One table of the TOML; every key in it must be taken before its end."""

    def __init__(self, file: str, name: str, values: Mapping[str, Any]) -> None:
        self._file, self._name, self._values, self._taken = file, name, values, set[str]()

    def take(self, key: str, *kinds: type, default: Any = ...) -> Any:
        """The value of a key, which is of one of ``kinds``."""
        self._taken.add(key)
        if key not in self._values:
            if default is ...:
                raise UserInputError(f"{self._file}: {self._name} lacks a key", value=key, do="Add it.")
            return default
        value = self._values[key]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            self._refuse(key, value, " or ".join(_SAID[k] for k in kinds))
        return value

    def take_all(self, key: str, *kinds: type, default: Any = ...) -> Any:
        """The values of a list with at least one, as a tuple."""
        values = self.take(key, list, default=default)
        if values is default:
            return default
        if not values or not all(isinstance(v, kinds) and (bool in kinds or not isinstance(v, bool)) for v in values):
            self._refuse(key, values, f"a list of {' or '.join(_SAID[k] for k in kinds)}s")
        return tuple(values)

    def section(self, key: str, default: Any = ...) -> _Section:
        """A table within this one."""
        return _Section(self._file, f"[{key}]", self.take(key, dict, default=default))

    def sections(self, key: str) -> Sequence[dict[str, Any]]:
        """A list of tables within this one."""
        return list(self.take_all(key, dict))

    def end(self) -> None:
        """Refuse keys that nobody took."""
        for key in self._values:
            if key not in self._taken:
                raise UnknownNameError(f"key in {self._name} of {self._file}", key, self._taken)

    def _refuse(self, key: str, value: Any, wanted: str) -> None:
        raise UserInputError(f"{self._file}: {key} of {self._name} is not {wanted}", value=value, do="Mend it.")


_SAID = {str: "text", bool: "true or false", int: "whole number", float: "number", list: "a list", dict: "a table"}


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError):
        raise UserInputError(
            "there is no such description", value=str(path), do="Give the path of a TOML file."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserInputError(f"the description is no TOML ({error})", value=str(path), do="Mend it.") from None


def _box(error: _Section) -> tuple[float, float] | None:
    box = error.take_all("box", *_NUMBER, default=None)
    if box is None:
        return None
    if len(box) != 2 or not 0 <= box[0] < box[1] <= 1:
        raise UserInputError(
            "the box of errors is no range of fractions", value=list(box), do="Give [low, high], 0 <= low < high <= 1."
        )
    return float(box[0]), float(box[1])


def _costs(top: _Section) -> tuple[Cost, ...]:
    section = top.section("costs")
    costs = []
    for name in top.take("costs", dict):
        entry = section.section(name)
        costs.append(
            Cost(
                name,
                entry.take("column", str),
                entry.take("log", bool, default=False),
                entry.take("unit", str, default=""),
            )
        )
        entry.end()
    if not costs or any(c.name == "error" for c in costs):
        raise UserInputError(
            "the costs cannot be told from the error, or there is none",
            value=[c.name for c in costs],
            do="Give at least one cost, none of them named error.",
        )
    return tuple(costs)


def _gene(file: str, place: int, told: dict[str, Any]) -> Gene:
    section = _Section(file, f"gene {told.get('name', place)!r}", told)
    name, kind = section.take("name", str), section.take("kind", str)
    condition = _condition(file, name, section.take("active", dict, default=None))
    gene: Gene
    if kind == "integer":
        low, high = section.take("low", int), section.take("high", int)
        step, log = section.take("step", int, default=1), section.take("log", bool, default=False)
        gene = Integer(name, low, high, step=step, log=log, active=condition)
    elif kind == "real":
        low, high = float(section.take("low", *_NUMBER)), float(section.take("high", *_NUMBER))
        gene = Real(name, low, high, log=section.take("log", bool, default=False), active=condition)
    elif kind == "categorical":
        choices = section.take_all("choices", str, int, float, bool)
        gene = Categorical(name, choices, ordered=section.take("ordered", bool, default=False), active=condition)
    else:
        raise UnknownNameError(f"kind of gene {name!r} in {file}", kind, ("integer", "real", "categorical"))
    section.end()
    return gene


def _condition(file: str, gene: str, told: dict[str, Any] | None) -> Condition | None:
    if told is None:
        return None
    section = _Section(file, f"active of gene {gene!r}", told)
    other = section.take("gene", str)
    minimum = section.take("at_least", str, int, float, bool, default=None)
    values = section.take_all("one_of", str, int, float, bool, default=None)
    section.end()
    if (minimum is None) == (values is None):
        raise UserInputError(
            f"gene {gene!r} is active under no condition, or under two",
            value=told,
            do="Give either at_least or one_of.",
        )
    return at_least(other, minimum) if values is None else one_of(other, *values)


def _check(d: Description) -> None:
    """Refuse what contradicts itself, whatever the table holds."""
    if len(set(d.curve)) < len(d.curve):
        raise UserInputError("the curve has a column twice", value=list(d.curve), do="Name each column once.")
    if d.test in d.curve:
        raise UserInputError(
            "the search would see the test error", value=d.test, do="Score on a column that is not in the curve."
        )
    if d.epochs is not None:
        rising = all(a < b for a, b in zip((0.0, *d.epochs), d.epochs, strict=False))
        if not rising or not math.isfinite(d.epochs[-1]):
            raise UserInputError(
                "epochs do not rise from above 0",
                value=list(d.epochs),
                do="Give the cumulative cost after each point of the curve.",
            )
    if not (math.isfinite(d.timing_seconds) and d.timing_seconds >= 0):
        raise UserInputError("timing takes no such time", value=d.timing_seconds, do="Give seconds, 0 or more.")
