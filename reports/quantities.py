"""How an objective's numbers are written: unit, scale, method, and columns whose digits line up."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas_moo.choose import ObjectiveInfo, resolve_objective
from nas_moo.measurement import EXACT, NOT_RECORDED
from nas_moo.results import StudyResult

LOG_FROM = 10.0  # a range that passes this factor is drawn on a logarithmic axis
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_COUNTS = ("FLOPs", "parameters")


@dataclass(frozen=True)
class Quantity:
    """One objective as a reader sees it.

    Attributes:
        name: Of the objective, and of its column in ``trials``.
        label: Without the unit.
        unit: As shown: fractions are shown in per cent.
        scale: What a stored value is multiplied with to be in ``unit``.
        method: How the values were obtained, in full; says what a FLOP is.
        interval: What the intervals are; "exact" where there are none.
    """

    name: str
    label: str
    unit: str
    scale: float
    method: str
    interval: str

    @property
    def title(self) -> str:
        """Label and unit: ``validation error (%)``, ``FLOPs``."""
        return self.label if self.unit.lower() in self.label.lower().split() else f"{self.label} ({self.unit})"

    @property
    def source(self) -> str:
        """Method and interval in full, for captions and tables."""
        told = self.interval == EXACT or self.interval in self.method
        return self.method if told else f"{self.method}, {self.interval}" if self.method else self.interval

    @property
    def has_intervals(self) -> bool:
        """Its values are uncertain, and it is known by how much."""
        return self.interval not in (EXACT, NOT_RECORDED)

    def axis(self, width: int = 60) -> str:
        """Two lines for an axis: label and unit, then the method, cut at ``width`` characters."""
        title = cut(self.title, width)
        return f"{title}\n{textwrap.shorten(self.source, width, placeholder=' …')}" if self.source else title

    def tick(self, value: float) -> str:
        """A number at an axis of this quantity; counts are written with k, M, G."""
        if self.unit in _COUNTS:
            for scale, prefix in _PREFIXES:
                if abs(value) >= scale * 0.9999:
                    return f"{value / scale:.4g}{prefix}"
        return f"{value:.6g}"


def cut(text: str, width: int) -> str:
    """The text, or as much of it as fits into ``width`` characters."""
    return text if len(text) <= width else f"{text[: width - 1].rstrip()}…"


def quantity(result: StudyResult, name: str) -> Quantity:
    """The objective of that name, as this study measured it.

    Raises:
        UnknownNameError: the study has no such objective.
    """
    objective = resolve_objective(name, result.objectives)
    rows = result.measurements
    found = rows.loc[rows["objective"] == objective.name, "interval"]
    return Quantity(
        name=objective.name,
        label=objective.label,
        unit="%" if objective.unit == "fraction" else objective.unit,
        scale=100.0 if objective.unit == "fraction" else 1.0,
        method=_method(objective),
        interval=" or ".join(sorted(map(str, found.unique()))) or EXACT,
    )


def unjudged(result: StudyResult) -> tuple[str, ...]:
    """Labels of the objectives whose values are uncertain, and nobody knows by how much."""
    shown = [quantity(result, o.name) for o in result.objectives]
    return tuple(q.label for q in shown if NOT_RECORDED in q.interval)


def _method(objective: ObjectiveInfo) -> str:
    if objective.unit == "FLOPs" and "multiply-add" not in f"{objective.label} {objective.method}".lower():
        return f"multiply-adds, {objective.method}" if objective.method else "multiply-adds"
    return objective.method


def trained_objective(result: StudyResult) -> ObjectiveInfo | None:
    """The objective that the learning curves show; None where the study trains nothing."""
    return next((o for o in result.objectives if o.stage == "trained"), None)


def passes_tenfold(values: Iterable[float] | NDArray[np.float64]) -> bool:
    """All values are positive and the largest is more than ten times the smallest."""
    finite = np.asarray(list(values), dtype=float)
    finite = finite[np.isfinite(finite)]
    return bool(len(finite) and finite.min() > 0 and finite.max() > LOG_FROM * finite.min())


@dataclass(frozen=True)
class Column:
    """One scale and one number of decimals for all numbers of a column, so that their digits line up."""

    unit: str
    scale: float
    decimals: int

    def text(self, value: float) -> str:
        """The number without its unit; empty where there is none."""
        return "" if math.isnan(value) else f"{value * self.scale:,.{self.decimals}f}"

    def interval(self, low: float, high: float) -> str:
        """``low to high``; empty where they are one number, or none."""
        return "" if math.isnan(low) or low == high else f"{self.text(low)} to {self.text(high)}"


def column(shown: Quantity, values: Iterable[float], significant: int = 3) -> Column:
    """A column in which the smallest of ``values`` (stored, not scaled) keeps ``significant`` digits."""
    sizes = [abs(v) * shown.scale for v in values if math.isfinite(v) and v != 0]
    least = min(sizes, default=1.0)
    factor, prefix = 1.0, ""
    if shown.unit in _COUNTS:
        factor, prefix = next(((s, p) for s, p in _PREFIXES if least >= s), (1.0, ""))
    whole = shown.unit in _COUNTS and factor == 1.0
    decimals = 0 if whole else min(max(significant - 1 - math.floor(math.log10(least / factor)), 0), 4)
    return Column(f"{prefix}{shown.unit}" if prefix else shown.unit, shown.scale / factor, decimals)
