"""What a counter of operators found in one forward call, whichever counter it was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Tally:
    """One forward call, by operator.

    Attributes:
        counts: Multiply-adds by module and operator. A module holds what its children do; "" is the whole.
        free: How often each operator ran that counts nothing by convention.
        unknown: Where each operator ran whose count is not known, by the innermost modules' names.
    """

    counts: Mapping[str, Mapping[str, int]]
    free: Mapping[str, int]
    unknown: Mapping[str, tuple[str, ...]]


def innermost(modules: Iterable[str]) -> tuple[str, ...]:
    """Of modules that hold each other, those that hold no other."""
    names = list(dict.fromkeys(modules))
    return tuple(m for m in names if not any(o != m and o.startswith(f"{m}." if m else "") for o in names))
