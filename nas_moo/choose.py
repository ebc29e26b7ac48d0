"""Which model to deploy: one of a table of models, under limits, with the reason, the runner-up and the ties."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from nas_moo.errors import UnknownNameError, UserInputError
from nas_moo.measurement import TAILS, counted, format_quantity, parse_quantity, split_tail
from nas_moo.pareto import knee_score, nondominated, scaled

KNEE = "knee"


@dataclass(frozen=True)
class ObjectiveInfo:
    """What a stored study knows of one objective.

    Attributes:
        name: As in ``--objective``, and the name of its column.
        unit: Of its values.
        label: For an axis, without the unit.
        stage: "static", "device" or "trained".
        log: Costs are compared in their logarithm.
        method: How the values were obtained; a front has one method an objective.
    """

    name: str
    unit: str
    label: str
    stage: str
    log: bool
    method: str


@dataclass(frozen=True)
class Choice:
    """A model and why it is the one.

    Attributes:
        id: Of the chosen model.
        reason: In words.
        feasible: All limits hold at the upper end of the model's intervals.
        violations: Where not feasible: by how much each broken limit is passed, relative to it.
        runner_up: The next one by the same rule; None where there is no other.
        ties: Models that are distinguishably worse in no objective: their differences lie inside the intervals.
        values: Objective name to value of the chosen model.
    """

    id: str
    reason: str
    feasible: bool
    violations: Mapping[str, float]
    runner_up: str | None
    ties: tuple[str, ...]
    values: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """The choice as plain JSON."""
        return asdict(self) | {"ties": list(self.ties)}


def resolve_objective(name: str, objectives: Sequence[ObjectiveInfo]) -> ObjectiveInfo:
    """Find an objective by its name; "latency" alone means the one latency objective there is.

    Raises:
        UnknownNameError: none, or more than one, goes by that name.
    """
    found = [o for o in objectives if o.name == name]
    if not found and name == "latency":
        found = [o for o in objectives if o.name.startswith("latency")]
    if len(found) != 1:
        raise UnknownNameError("objective of this study", name, [o.name for o in objectives])
    return found[0]


def parse_limits(limits: Mapping[str, str | float], objectives: Sequence[ObjectiveInfo]) -> dict[str, float]:
    """Limits by full objective name, in the objective's own unit."""
    parsed: dict[str, float] = {}
    for name, text in limits.items():
        objective, limited = _limited(name, objectives)
        if limited in parsed:
            raise UserInputError("an objective has two limits", value=name, do="Give one --max for each objective.")
        parsed[limited] = parse_quantity(text, objective.unit)
        if not (np.isfinite(parsed[limited]) and parsed[limited] > 0):
            raise UserInputError("a limit is not a positive number", value=text, do="Give a limit that can be met.")
    return parsed


def _limited(name: str, objectives: Sequence[ObjectiveInfo]) -> tuple[ObjectiveInfo, str]:
    """The objective that a limit is for, and the limit's full name: of a latency it may be for a percentile."""
    base, tail = split_tail(name)
    if not tail or any(o.name == name for o in objectives):
        objective = resolve_objective(name, objectives)
        return objective, objective.name
    objective = resolve_objective(base, objectives)
    if not objective.name.startswith("latency"):
        raise UserInputError("only latencies have percentiles", value=name, do=f"Give a limit for {base}.")
    return objective, f"{objective.name}_{tail}"


def limit_units(objectives: Sequence[ObjectiveInfo], limits: Iterable[str] = ()) -> dict[str, str]:
    """The unit of each objective, and of each limit."""
    units = {o.name: o.unit for o in objectives}
    return units | {name: units[split_tail(name)[0]] for name in limits if name not in units}


def choose(
    models: pd.DataFrame,
    objectives: Sequence[ObjectiveInfo],
    limits: Mapping[str, str | float] | None = None,
    by: str | None = None,
) -> Choice:
    """Pick the model to deploy.

    Without limits it is the knee of the front: of its models that are no worse than the median of all in a trained
    objective, the one nearest to the best of every objective. With limits it is the model with the lowest value of the
    first objective that has none, among those that keep every limit at the upper end of their intervals. Where none
    does, it is the one that breaks them least.

    Args:
        models: Complete models; columns ``id`` and, for each objective, its name, ``_low`` and ``_high``; and ``_high``
            of each percentile that a limit names.
        objectives: Of the study, in its order.
        limits: Largest admissible values by objective: numbers in its unit, or text with a unit.
        by: "knee", or the objective to take the lowest of; overrides the rule above.

    Raises:
        UserInputError: there is no complete model, a name or unit is unknown, or no model's percentile is.
    """
    if models.empty:
        raise UserInputError("there is no complete model to choose from", value=0, do="Run the search for longer.")
    bounds = parse_limits(limits or {}, objectives)
    rule = _rule(objectives, bounds, by)
    excess = _excess(models, bounds)
    feasible = models[(excess <= 0).all(axis=1)] if bounds else models
    if feasible.empty:
        return _least_infeasible(models, objectives, excess, bounds)
    ranked = _ranked(feasible, models, objectives, rule)
    best = ranked.iloc[0]
    return Choice(
        id=str(best["id"]),
        reason=_reason(ranked, feasible, models, objectives, bounds, rule),
        feasible=True,
        violations={},
        runner_up=str(ranked.iloc[1]["id"]) if len(ranked) > 1 else None,
        ties=ties(best, feasible, objectives),
        values={o.name: float(best[o.name]) for o in objectives},
    )


def _rule(objectives: Sequence[ObjectiveInfo], bounds: Mapping[str, float], by: str | None) -> str:
    if by is not None:
        return KNEE if by == KNEE else resolve_objective(by, objectives).name
    unlimited = [o.name for o in objectives if o.name not in bounds]
    return unlimited[0] if bounds and unlimited else KNEE


def _excess(models: pd.DataFrame, bounds: Mapping[str, float]) -> pd.DataFrame:
    """By how much the upper end of each interval passes its limit, relative to the limit."""
    for name in bounds:
        if models[f"{name}_high"].isna().all():
            raise UserInputError(
                "no model's percentile is known: calls were timed several together, or fewer than "
                f"{TAILS[split_tail(name)[1]]} of them one by one",
                value=name,
                do=f"Search a new study with --max {name}=... and, where a call takes longer than half a millisecond, "
                "--precision 1%, which takes up to ten seconds a network; or limit the latency itself.",
            )
    excess = {name: models[f"{name}_high"] / bound - 1.0 for name, bound in bounds.items()}
    return pd.DataFrame(excess, index=models.index).fillna(np.inf)  # an unknown percentile keeps no limit


def _ranked(
    feasible: pd.DataFrame, models: pd.DataFrame, objectives: Sequence[ObjectiveInfo], rule: str
) -> pd.DataFrame:
    """The front of the feasible models, best first by the rule; equals by the other objectives, then by the id."""
    names = [o.name for o in objectives]
    front = feasible[nondominated(feasible[names].to_numpy(dtype=float))]
    if rule != KNEE:
        return front.sort_values([rule, *names, "id"], kind="stable")
    front = _useful(front, models, objectives)
    score = knee_score(scaled(front[names].to_numpy(dtype=float), [o.log for o in objectives]))
    return front.assign(_score=-score).sort_values(["_score", *names, "id"], kind="stable").drop(columns="_score")


def _useful(front: pd.DataFrame, models: pd.DataFrame, objectives: Sequence[ObjectiveInfo]) -> pd.DataFrame:
    """Without the models that are worse than half of all in a trained objective.

    The cheapest networks of a space hardly learn, and still are on the front: left in, they alone would decide what
    the range of an objective is, and so what a compromise is.
    """
    keep = np.ones(len(front), dtype=bool)
    for o in objectives:
        if o.stage == "trained":
            keep &= (front[o.name] <= models[o.name].median()).to_numpy()
    return front[keep] if keep.any() else front


def ties(best: pd.Series, models: pd.DataFrame, objectives: Sequence[ObjectiveInfo]) -> tuple[str, ...]:
    """Models that are distinguishably worse than this one in no objective: the intervals let them equal or dominate it.

    Intervals are compared as if they had nothing in common, also those of errors on the same examples: cautious.

    Args:
        best: A row of ``models``.
        models: Columns ``id`` and, for each objective, ``_low`` and ``_high``.
        objectives: Of the study.
    """
    not_worse = np.ones(len(models), dtype=bool)
    for o in objectives:
        not_worse &= (models[f"{o.name}_low"] <= best[f"{o.name}_high"]).to_numpy()
    return tuple(str(i) for i in models.loc[not_worse, "id"] if i != best["id"])


def _least_infeasible(
    models: pd.DataFrame, objectives: Sequence[ObjectiveInfo], excess: pd.DataFrame, bounds: Mapping[str, float]
) -> Choice:
    total = excess.clip(lower=0).sum(axis=1).sort_values(kind="stable")
    best, broken = models.loc[total.index[0]], excess.loc[total.index[0]]
    units = limit_units(objectives, bounds)
    violations = {str(name): float(share) for name, share in broken.items() if share > 0}
    by_how_much = "; ".join(
        f"{name} {_up_to(best[f'{name}_high'], units[name])} against {format_quantity(bounds[name], units[name])}"
        + (f" ({share:+.1%})" if np.isfinite(share) else "")
        for name, share in violations.items()
    )
    return Choice(
        id=str(best["id"]),
        reason=f"none of {counted(len(models), 'complete model')} keeps the limits; this one breaks them least: "
        f"{by_how_much}{_unknown(models, bounds)}",
        feasible=False,
        violations=violations,
        runner_up=str(models.loc[total.index[1], "id"]) if len(total) > 1 else None,
        ties=(),
        values={o.name: float(best[o.name]) for o in objectives},
    )


def _up_to(high: float, unit: str) -> str:
    return "is not known" if np.isnan(high) else f"up to {format_quantity(high, unit)}"


def _unknown(models: pd.DataFrame, bounds: Mapping[str, float]) -> str:
    """How many models a limit on a percentile leaves out, since it was not measured; empty where it is none."""
    counts = {name: int(models[f"{name}_high"].isna().sum()) for name in bounds}
    told = [f"{name} is not known of {n} models, which count as too slow" for name, n in counts.items() if n]
    return f"; {', '.join(told)}" if told else ""


def _reason(
    ranked: pd.DataFrame,
    feasible: pd.DataFrame,
    models: pd.DataFrame,
    objectives: Sequence[ObjectiveInfo],
    bounds: Mapping[str, float],
    rule: str,
) -> str:
    units = limit_units(objectives, bounds)
    if rule == KNEE and len(ranked) == 1:
        why = "the only model on the front"
        if any(o.stage == "trained" for o in objectives):
            why += " that is no worse than half of all"
    elif rule == KNEE:
        medians = " and ".join(
            f"{o.name} ≤ {format_quantity(models[o.name].median(), o.unit)}" for o in objectives if o.stage == "trained"
        )
        why = (
            f"the knee of {len(ranked)} models on the front{f' with {medians} (the median)' if medians else ''}: "
            "nearest to the best of every objective, each measured by its range among them (costs in logarithm)"
        )
    else:
        why = f"lowest {rule} ({format_quantity(ranked.iloc[0][rule], units[rule])})"
    if bounds:
        told = " and ".join(f"{name} ≤ {format_quantity(bound, units[name])}" for name, bound in bounds.items())
        why += (
            f" among the {len(feasible)} of {counted(len(models), 'model')} that "
            f"{'keeps' if len(feasible) == 1 else 'keep'} {told} at the upper end of the intervals"
            f"{_unknown(models, bounds)}"
        )
    return why
