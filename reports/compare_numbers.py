"""Several studies side by side: which may be compared at all, which belong together, and what differs between them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np

from nas_moo.choose import ObjectiveInfo
from nas_moo.errors import StudyMismatchError, UserInputError
from nas_moo.identity import differences
from nas_moo.pareto import Array, nondominated
from nas_moo.results import StudyResult
from reports.quantities import Quantity, passes_tenfold, quantity, trained_objective

SEED = "seed"
_FACTS = {
    "search space": ("space", "reference"), "code of the space": ("space", "code_digest"), "epochs": ("epochs",),
    SEED: ("seed",), "sampler": ("sampler",), "population": ("population",), "screening": ("screening",),
    "pruner": ("pruner",), "pruner's quantile": ("pruner_quantile",), "control share": ("control_share",),
    "pruned ones go on": ("thaw",), "architectures to begin with": ("seed_architectures",),
    "trials asked for": ("trials",), "limits": ("limits",), "device": ("device", "name"), "threads": ("threads",),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Group:
    """Studies that differ in their seed only; often one.

    Attributes:
        name: Short, for a legend.
        members: By seed.
        place: Among all groups, from 0: what it looks like.
    """

    name: str
    members: tuple[StudyResult, ...]
    place: int

    def seeds(self) -> dict[Any, StudyResult]:
        """The members by seed."""
        return {m.description.get("seed"): m for m in self.members}


@dataclass(frozen=True, eq=False)
class Panel:
    """One cost against the error, of studies whose numbers were measured alike.

    Attributes:
        x: The cost.
        y: The error.
        condition: What tells this panel from others of the same cost; empty where there is one.
        fronts: Of each group, of each member: corners in the units that are shown, shape (corners, 2).
        limits: Of both axes; the same for all panels of one cost.
        log: Whether each axis is logarithmic.
    """

    x: Quantity
    y: Quantity
    condition: str
    fronts: tuple[tuple[Group, tuple[Array, ...]], ...]
    limits: tuple[tuple[float, float], tuple[float, float]]
    log: tuple[bool, bool]


def check(results: Sequence[StudyResult]) -> None:
    """Refuse what makes no common picture.

    Raises:
        UserInputError: fewer than two studies, or one twice.
        StudyMismatchError: other data, other objectives, other methods, or one study was measured under several keys.
    """
    names = [r.name for r in results]
    if len(set(names)) < max(len(names), 2):
        raise UserInputError(
            "a comparison needs two different studies", value=", ".join(names), do="Name each of several studies once."
        )
    for result in results:
        result.require_one_key()
    first = results[0]
    for other in results[1:]:
        for what, one, two in _bases(first, other):
            if one != two:
                raise StudyMismatchError(
                    f"studies {first.name!r} and {other.name!r} differ in their {what}, so they make no common front",
                    value=f"{one} and {two}",
                    do="Compare studies of the same data, objectives and methods.",
                )


def _bases(one: StudyResult, other: StudyResult) -> Iterable[tuple[str, str, str]]:
    """What has to be the same: in words, and of both studies."""
    for what, path in (("data", ("data", "digest")), ("validation", ("validation",))):
        yield what, _text(_at(one, path)), _text(_at(other, path))
    yield "objectives", _names(one), _names(other)
    known = {o.name: o for o in other.objectives}
    for o in one.objectives:
        if o.stage != "device":  # of what a device measures, each method gets a picture of its own
            yield f"method of {o.name}", f"{o.unit}, {o.method}", f"{known[o.name].unit}, {known[o.name].method}"


def _names(result: StudyResult) -> str:
    return ", ".join(sorted(o.name for o in result.objectives))


def facts(result: StudyResult) -> dict[str, str]:
    """How the study was made, as far as studies of the same data can differ."""
    found = {name: _text(_at(result, path)) for name, path in _FACTS.items()}
    for o in (o for o in result.objectives if o.stage == "device"):
        method, key = json.loads(condition(result, o))
        found[f"{o.name}: method"] = method
        found |= {f"{o.name}: {name.replace('_', ' ')}": _text(value) for name, value in key.items()}
    return found | {f"version of {k}": _text(v) for k, v in (result.description.get("versions") or {}).items()}


def _at(result: StudyResult, path: Sequence[str]) -> Any:
    value: Any = result.description
    for step in path:
        value = (value or {}).get(step)
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} at most {v}" for k, v in sorted(value.items()))
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else "" if value is None else str(value)


def groups(results: Sequence[StudyResult]) -> tuple[Group, ...]:
    """The studies, those that differ in their seed only together, in the order in which they were named."""
    found: dict[tuple[str, int], list[StudyResult]] = {}
    for result in results:
        made = facts(result)
        seed = made.pop(SEED)
        told = json.dumps(made, sort_keys=True)
        again = sum(told == other and seed in map(_seed, of) for (other, _), of in found.items())  # the same run twice
        found.setdefault((told, again), []).append(result)
    ordered = [sorted(members, key=lambda m: (len(_seed(m)), _seed(m))) for members in found.values()]
    names = [_name([m.name for m in members]) for members in ordered]
    names = [n if names.count(n) == 1 else members[0].name for n, members in zip(names, ordered, strict=True)]
    return tuple(Group(n, tuple(m), i) for i, (n, m) in enumerate(zip(names, ordered, strict=True)))


def _seed(result: StudyResult) -> str:
    return _text(result.description.get(SEED))


def _name(names: Sequence[str]) -> str:
    """What the names of a group's studies have in common."""
    if len(names) == 1:
        return names[0]
    same = takewhile(lambda signs: len(set(signs)) == 1, zip(*names, strict=False))
    shared = re.sub(r"[-_.]*(?:s|seed)?[-_.]*\d*$", "", "".join(signs[0] for signs in same))
    return f"{shared or names[0]} ({len(names)} seeds)"


def condition(result: StudyResult, objective: ObjectiveInfo) -> str:
    """What the objective was measured under: the method, and the key without the network."""
    own = result.measurements.loc[result.measurements["objective"] == objective.name, "details"]
    key: Mapping[str, Any] = next((d["key"] for d in own if "key" in d), {})
    return json.dumps([objective.method, {k: v for k, v in key.items() if k != "network"}], sort_keys=True)


def told_apart(conditions: Sequence[str]) -> dict[str, str]:
    """Each condition in words: what it has that others have not; nothing where there is one."""
    distinct = list(dict.fromkeys(conditions))
    keys = [json.loads(c)[1] for c in distinct]
    names = list(differences(keys)) if all(keys) else []
    told = {}
    for text, key in zip(distinct, keys, strict=True):
        words = [f"{n.replace('_', ' ')} {key[n]}" for n in names if key.get(n) is not None]
        told[text] = "" if len(distinct) == 1 else ", ".join(words) or json.loads(text)[0]
    return told


def worlds(found: Sequence[Group]) -> list[tuple[str, tuple[Group, ...]]]:
    """The groups by what all objectives were measured under: only inside one of these may volumes be compared."""

    def under(group: Group) -> tuple[str, ...]:
        first = group.members[0]
        return tuple(condition(first, o) for o in sorted(first.objectives, key=lambda o: o.name))

    apart = [told_apart(column) for column in zip(*(under(g) for g in found), strict=True)]
    split: dict[tuple[str, ...], list[Group]] = {}
    for group in found:
        split.setdefault(under(group), []).append(group)
    return [
        (", ".join(dict.fromkeys(w for told, c in zip(apart, key, strict=True) if (w := told[c]))), tuple(members))
        for key, members in split.items()
    ]


def panels(found: Sequence[Group]) -> tuple[Panel, ...]:
    """Each cost against the error; one for each condition under which a cost was measured."""
    first = found[0].members[0]
    error = trained_objective(first) or first.objectives[0]
    made: list[Panel] = []
    for cost in (o for o in first.objectives if o.name != error.name):
        under = {g.place: condition(g.members[0], _objective(g.members[0], cost.name)) for g in found}
        told = told_apart(list(under.values()))
        corners = {g.place: tuple(_corners(m, cost.name, error.name) for m in g.members) for g in found}
        seen = np.vstack([c for of in corners.values() for c in of] or [np.zeros((0, 2))])
        if not len(seen):
            continue
        log = passes_tenfold(seen[:, 0]), passes_tenfold(seen[:, 1])
        limits = _limits(seen[:, 0], log[0]), _limits(seen[:, 1], log[1])
        for text, words in told.items():
            here = [g for g in found if under[g.place] == text]
            x, y = (quantity(here[0].members[0], o.name) for o in (cost, error))
            made.append(Panel(x, y, words, tuple((g, corners[g.place]) for g in here), limits, log))
    return tuple(made)


def _objective(result: StudyResult, name: str) -> ObjectiveInfo:
    return next(o for o in result.objectives if o.name == name)


def _corners(result: StudyResult, x: str, y: str) -> Array:
    """The front of a pair of objectives as the corners of its line, by ascending x."""
    values = result.complete[[x, y]].to_numpy(dtype=float)
    values = np.unique(values[nondominated(values)], axis=0)
    return np.asarray(values * [quantity(result, x).scale, quantity(result, y).scale])


def _limits(values: Array, log: bool) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    if log:
        room = (high / low) ** 0.08
        return low / room, high * room
    room = (high - low) * 0.08 or abs(high) * 0.08 or 1.0
    return low - room, high + room


def differing(results: Sequence[StudyResult]) -> dict[str, list[str]]:
    """What is not the same for all studies: in words, and of each."""
    made = [facts(r) for r in results]
    names = dict.fromkeys(name for of in made for name in of)
    rows = {name: [of.get(name, "") for of in made] for name in names}
    return {name: values for name, values in rows.items() if len(set(values)) > 1}
