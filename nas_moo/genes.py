"""Genes: one searched choice each, the values it allows, and the condition under which it counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from nas_moo.errors import UserInputError

Affects: TypeAlias = Literal["network", "training"]
Value: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True)
class AtLeast:
    """Holds where a number, or the place of an ordered category, is not below ``minimum``."""

    gene: str
    minimum: Value


@dataclass(frozen=True)
class OneOf:
    """Holds where a gene has one of ``values``."""

    gene: str
    values: tuple[Value, ...]


Condition: TypeAlias = AtLeast | OneOf


def at_least(gene: str, minimum: Value) -> AtLeast:
    """Make a gene active where ``gene`` is at least ``minimum``."""
    return AtLeast(gene, minimum)


def one_of(gene: str, *values: Value) -> OneOf:
    """Make a gene active where ``gene`` has one of ``values``."""
    return OneOf(gene, values)


@dataclass(frozen=True)
class Integer:
    """A whole number from ``low`` to ``high``, both included, in steps of ``step``."""

    name: str
    low: int
    high: int
    step: int = field(default=1, kw_only=True)
    log: bool = field(default=False, kw_only=True)
    affects: Affects = field(default="network", kw_only=True)
    active: Condition | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _check_name(self.name)
        for bound in (self.low, self.high, self.step):
            if isinstance(bound, bool) or not isinstance(bound, int):
                raise UserInputError(
                    f"gene {self.name!r} has a bound that is no whole number", value=bound, do="Use Real."
                )
        if self.low > self.high or self.step < 1 or (self.high - self.low) % self.step:
            raise UserInputError(
                f"gene {self.name!r} has an empty or uneven range",
                value=(self.low, self.high, self.step),
                do="Give low <= high, and a step that leads from one to the other.",
            )
        if self.log and (self.low < 1 or self.step != 1):
            raise UserInputError(
                f"gene {self.name!r} cannot be logarithmic", value=(self.low, self.step), do="Give low >= 1 and step 1."
            )

    @property
    def count(self) -> int:
        """How many values there are."""
        return (self.high - self.low) // self.step + 1

    def values(self, steps: int | None = None) -> tuple[int, ...]:
        """Every value, ascending."""
        return tuple(range(self.low, self.high + 1, self.step))

    def check(self, value: Any) -> int:
        """Return the value as an ``int``; raise where it is outside the range."""
        if (
            isinstance(value, bool)
            or not isinstance(value, int)
            or value not in range(self.low, self.high + 1, self.step)
        ):
            raise _outside(self.name, value, f"{self.low} to {self.high} in steps of {self.step}")
        return value


@dataclass(frozen=True)
class Real:
    """A number from ``low`` to ``high``, spread evenly, or evenly in its logarithm with ``log``."""

    name: str
    low: float
    high: float
    log: bool = field(default=False, kw_only=True)
    affects: Affects = field(default="network", kw_only=True)
    active: Condition | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _check_name(self.name)
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise UserInputError(
                f"gene {self.name!r} has an empty range", value=(self.low, self.high), do="Give finite low < high."
            )
        if self.log and self.low <= 0:
            raise UserInputError(f"gene {self.name!r} cannot be logarithmic", value=self.low, do="Give low > 0.")

    @property
    def count(self) -> float:
        """Infinity."""
        return math.inf

    def values(self, steps: int | None = None) -> tuple[float, ...]:
        """``steps`` values from low to high, evenly spaced on the gene's own scale."""
        if steps is None or steps < 2:
            raise UserInputError(
                f"gene {self.name!r} is continuous and has no list of values",
                value=steps,
                do="Say how many steps to take, at least 2 (--grid-steps).",
            )
        shares = [i / (steps - 1) for i in range(steps)]
        inner = [
            self.low * (self.high / self.low) ** s if self.log else self.low + (self.high - self.low) * s
            for s in shares[1:-1]
        ]
        return (float(self.low), *inner, float(self.high))

    def check(self, value: Any) -> float:
        """Return the value as a ``float``; raise where it is outside the range."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            raise _outside(self.name, value, f"{self.low} to {self.high}")
        return float(value)


@dataclass(frozen=True)
class Categorical:
    """One of ``choices``; ``ordered`` says that their order means something (16, 32, 64)."""

    name: str
    choices: tuple[Value, ...]
    ordered: bool = field(default=False, kw_only=True)
    affects: Affects = field(default="network", kw_only=True)
    active: Condition | None = field(default=None, kw_only=True)

    def __init__(
        self,
        name: str,
        choices: Sequence[Value],
        *,
        ordered: bool = False,
        affects: Affects = "network",
        active: Condition | None = None,
    ) -> None:
        for key, given in (("name", name), ("choices", tuple(choices)), ("ordered", ordered)):
            object.__setattr__(self, key, given)
        object.__setattr__(self, "affects", affects)
        object.__setattr__(self, "active", active)
        _check_name(name)
        if not self.choices or len({str(c) for c in self.choices}) != len(self.choices):
            raise UserInputError(
                f"gene {name!r} has no choices, or one twice", value=self.choices, do="Give distinct choices."
            )

    @property
    def count(self) -> int:
        """How many choices there are."""
        return len(self.choices)

    def values(self, steps: int | None = None) -> tuple[Value, ...]:
        """Every choice, in order."""
        return self.choices

    def check(self, value: Any) -> Value:
        """Return the choice that equals the value; raise where there is none."""
        for choice in self.choices:
            if choice == value and isinstance(choice, bool) == isinstance(value, bool):
                return choice
        raise _outside(self.name, value, ", ".join(map(str, self.choices)))


Gene: TypeAlias = Integer | Real | Categorical


def _check_name(name: str) -> None:
    if not name.isidentifier():
        raise UserInputError("a gene's name is no identifier", value=name, do="Use letters, digits and underscores.")


def _outside(name: str, value: Any, allowed: str) -> UserInputError:
    return UserInputError(f"gene {name!r} cannot have this value", value=value, do=f"Allowed: {allowed}.")
