"""Limits that a reader may set on the page: what each slider can say, and what the models are compared with."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nas_moo.errors import UserInputError
from nas_moo.measurement import parse_quantity
from nas_moo.pareto import Array
from nas_moo.results import StudyResult
from reports.front_table import Shown
from reports.quantities import passes_tenfold

STEPS = 60
DIGITS = 3


@dataclass(frozen=True)
class Stop:
    """A limit that a slider can set.

    Attributes:
        value: In the objective's own unit: exactly what ``nas-moo choose`` reads from ``argument``.
        text: As the page shows it.
        argument: As the command line takes it, quoted for a shell.
    """

    value: float
    text: str
    argument: str


@dataclass(frozen=True)
class Slider:
    """The limits of one objective, ascending; none after the last.

    Attributes:
        column: Which of the models' values it limits.
        label: Of the objective.
        stops: From the lowest interval's lower end to the highest one's upper end.
    """

    column: int
    label: str
    stops: tuple[Stop, ...]


@dataclass(frozen=True)
class Model:
    """One row of the table: its values with intervals, an entry an objective."""

    id: str
    value: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    text: tuple[str, ...]


@dataclass(frozen=True)
class Sliders:
    """Everything that the page's script needs, as ``dataclasses.asdict`` turns it into JSON.

    Attributes:
        command: The command that gives the same answer, but for the limits; empty where no storage has the study.
        labels: Of the objectives, in the study's order.
        models: In the order of the table's rows.
        sliders: One for each objective whose values differ.
    """

    command: str
    labels: tuple[str, ...]
    models: tuple[Model, ...]
    sliders: tuple[Slider, ...]


def gather(result: StudyResult, front: pd.DataFrame) -> Sliders | None:
    """The sliders for these rows of the front; None where there is nothing to tell apart."""
    columns = [Shown.of(result, o.name) for o in result.objectives]
    sliders = []
    for i, (objective, shown) in enumerate(zip(result.objectives, columns, strict=True)):
        ends = front[[f"{objective.name}_low", f"{objective.name}_high"]].to_numpy(dtype=float)
        found = stops(objective.name, objective.unit, shown, ends)
        if len(found) > 1:
            sliders.append(Slider(i, objective.label, found))
    if not sliders:
        return None
    models = tuple(_model(row, columns) for _, row in front.iterrows())
    told = "" if result.replayed else command(result.name)
    return Sliders(told, tuple(o.label for o in result.objectives), models, tuple(sliders))


def _model(row: pd.Series, columns: Sequence[Shown]) -> Model:
    value, low, high = (tuple(float(row[f"{c.shown.name}{end}"]) for c in columns) for end in ("", "_low", "_high"))
    return Model(str(row["id"]), value, low, high, tuple(c.told(row) for c in columns))


def command(study: str, limits: Sequence[str] = ()) -> str:
    """``nas-moo choose STUDY``, with limits that are quoted already."""
    return " ".join(["nas-moo", "choose", shlex.quote(study), *(f"--max {limit}" for limit in limits)])


def stops(name: str, unit: str, shown: Shown, ends: Array) -> tuple[Stop, ...]:
    """Limits between the ends of the intervals, shape (models, 2), spaced evenly, in logarithm past ten times."""
    positive = ends[np.isfinite(ends) & (ends > 0)]
    if not len(positive):
        return ()
    low, high = float(positive.min()), float(positive.max())
    spaced = np.geomspace(low, high, STEPS) if passes_tenfold([low, high]) else np.linspace(low, high, STEPS)
    numbers = dict.fromkeys(number(value * shown.digits.scale) for value in spaced)
    found = [_stop(name, unit, shown, n) for n in numbers if float(n) > 0]
    return tuple(s for s in found if low <= s.value < high)  # what none can pass is no limit


def number(value: float) -> str:
    """A few significant digits, never with an exponent."""
    return np.format_float_positional(value, precision=DIGITS, fractional=False, trim="-")


def number_above(value: float) -> str:
    """As ``number``, of a positive value, and never below it."""
    step = 10.0 ** (math.floor(math.log10(value)) - DIGITS + 1)
    return number(math.ceil(value / step - 1e-9) * step)


def _stop(name: str, unit: str, shown: Shown, number: str) -> Stop:
    limit = f"{number}{shown.digits.unit.replace(' ', '')}"
    value = float(number) / shown.digits.scale
    try:
        value = parse_quantity(limit, unit)
    except UserInputError:  # a unit of a user's own, which limits take as a bare number
        limit = repr(value)
    whole, _, decimals = number.partition(".")
    text = f"{int(whole):,}{f'.{decimals}' if decimals else ''} {shown.digits.unit}"
    return Stop(value, text, shlex.quote(f"{name}={limit}"))
