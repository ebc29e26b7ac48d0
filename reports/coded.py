"""Genes as numbers: where each trial stands along each choice, and which genes were active.

What is active is read from the genes' conditions, because a choice may be None and an inactive gene is empty too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas_moo.pareto import Array
from nas_moo.results import StudyResult

STEPS = 50  # cells of a number's range; of a real gene all of them
MOST_VALUES = 12  # of an integer gene whose values are told apart one by one


@dataclass(frozen=True, eq=False)
class Coded:
    """One gene over all trials.

    Attributes:
        name: Of the gene.
        kind: "categorical", "integer" or "real".
        choices: What the places of a categorical gene stand for, as text; empty for numbers.
        low: Of the range; 0 for a categorical gene.
        high: Of the range; the last place of a categorical gene.
        step: Between whole numbers; 0 for a real gene.
        ordered: Neighbouring values are alike.
        log: The gene is spread evenly in its logarithm.
        training: It changes the training, not the network.
        condition: When it is active, in words; empty where it always is.
        values: A number a trial: the place of a choice, or the value; NaN where inactive. Shape (trials,).
    """

    name: str
    kind: str
    choices: tuple[str, ...]
    low: float
    high: float
    step: float
    ordered: bool
    log: bool
    training: bool
    condition: str
    values: Array

    @property
    def active(self) -> NDArray[np.bool_]:
        """Where it counts, shape (trials,)."""
        return np.isfinite(self.values)

    @property
    def levels(self) -> Array:
        """The values that are told apart one by one; empty for a real gene and a long range."""
        many = not self.choices and self.high - self.low >= MOST_VALUES * self.step
        return np.zeros(0) if many else np.arange(self.low, self.high + self.step / 2, self.step)

    def text(self, value: float) -> str:
        """A value as the user wrote it."""
        if self.choices:
            return self.choices[int(value)]
        return f"{value:.0f}" if self.step and value == round(value) else f"{value:.4g}"

    def positions(self, values: Array) -> Array:
        """From 0 to 1 between the ends of the range, on the gene's own scale."""
        low, high = self._ends()
        return np.asarray((self._scaled(values) - low) / (high - low))

    def cells(self) -> tuple[NDArray[np.intp], int]:
        """The cell of a grid that each value falls into, -1 where inactive, and how many cells there are."""
        size = self._grid()
        low, high = self._ends()
        places = (self._scaled(self.values) - low) / ((high - low) / (size - 1))
        places = np.clip(np.ceil(np.where(self.active, places, 0.0) - 0.5), 0, size - 1)  # a tie goes to the lower
        return np.where(self.active, places, -1).astype(np.intp), size

    def _grid(self) -> int:
        if self.kind == "real":
            return STEPS
        if self.kind == "integer" and self.log:
            return min(math.ceil(math.log2(self.high - self.low + 1)) + 1, STEPS)
        count = round((self.high - self.low) / self.step) + 1
        return count if self.choices else min(count, STEPS)

    def _ends(self) -> tuple[float, float]:
        return (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)

    def _scaled(self, values: Array) -> Array:
        return np.log(values) if self.log else np.asarray(values, dtype=float)


def coded(result: StudyResult) -> tuple[Coded, ...]:
    """The genes that have more than one value, in the genome's order."""
    known: dict[str, Coded] = {}
    for gene in result.description.get("genome", ()):
        known[gene["name"]] = _coded(gene, result.trials, known)
    return tuple(gene for gene in known.values() if gene.high > gene.low)


def _coded(gene: Mapping[str, Any], trials: pd.DataFrame, before: Mapping[str, Coded]) -> Coded:
    choices = tuple(str(c) for c in gene.get("choices", ()))
    column = trials[f"gene_{gene['name']}"]
    if choices:
        places = {choice: float(place) for place, choice in enumerate(choices)}  # as text: True equals 1 as a key
        values = np.array([places.get(str(v), np.nan) for v in column], dtype=float)
    else:
        values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
    active, words = _activity(gene.get("active"), before, len(trials))
    whole = bool(choices) or gene["kind"] == "integer"
    return Coded(
        name=gene["name"], kind=gene["kind"], choices=choices,
        low=0.0 if choices else float(gene["low"]), high=len(choices) - 1.0 if choices else float(gene["high"]),
        step=float(gene.get("step", 1)) if whole else 0.0, ordered=not choices or bool(gene.get("ordered")),
        log=bool(gene.get("log", False)),
        training=gene["affects"] == "training", condition=words, values=np.where(active, values, np.nan),
    )  # fmt: skip


def _activity(
    condition: Mapping[str, Any] | None, before: Mapping[str, Coded], trials: int
) -> tuple[NDArray[np.bool_], str]:
    """Where the condition holds, and the condition in words."""
    if condition is None:
        return np.ones(trials, dtype=bool), ""
    other = before[condition["gene"]]
    if "one_of" in condition:
        wanted = [_number(other, value) for value in condition["one_of"]]
        return np.isin(other.values, wanted), f"{other.name} {' or '.join(str(v) for v in condition['one_of'])}"
    minimum = condition["at_least"]
    return other.values >= _number(other, minimum), f"{other.name} at least {minimum}"


def _number(gene: Coded, value: Any) -> float:
    return float(gene.choices.index(str(value))) if gene.choices else float(value)
