"""Several studies on one page: whose front is better, how sure that is, who got there sooner, and what differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd

from nas_moo.measurement import format_quantity
from nas_moo.results import StudyResult
from reports import compare_numbers as numbers
from reports import compare_pictures as pictures
from reports import compare_scores as scores
from reports import folder, page, style, tables
from reports.compare_numbers import Group, Panel
from reports.compare_scores import Estimate, Trace, Volumes
from reports.section import Cell, Picture, Section, Table

OUT = "comparison"
MOST_NAMED = 3  # groups, in the heading
LARGE, SMALL = (8.2, 4.5), (5.4, 4.4)  # inches
_FILES = {
    "fronts.csv": "the front of each study",
    "hypervolume.csv": "of each study after each training",
    "differences.csv": "how each study was made, as far as they differ",
}


def write_comparison(results: Sequence[StudyResult], out: str | Path = OUT) -> Path:
    """Write a comparison of studies into a folder, in place of an earlier one. Opens no sealed test value.

    Args:
        results: Two or more, of the same data and objectives.
        out: The folder.

    Returns:
        The path of its ``index.html``.

    Raises:
        UserInputError: fewer than two different studies, or ``out`` holds something else.
        StudyMismatchError: data, objectives or methods differ, or a study was measured under several keys.
        MachineError: the disk refuses.
    """
    out = Path(out)
    numbers.check(results)
    folder.claim(out)
    parts = sections(results)
    images = {picture.name: style.files(picture.draw()) for part in parts for picture in part.pictures}
    contents = {name: tables.as_csv(table) for name, table in _tables(results).items()}
    for name, (vector, pixels) in images.items():
        contents |= {f"{page.FIGURES}/{name}.svg": vector, f"{page.FIGURES}/{name}.png": pixels}
    vectors = {name: vector for name, (vector, _) in images.items()}
    names = [g.name for g in numbers.groups(results)]
    title = " and ".join(names) if len(names) <= MOST_NAMED else f"{len(results)} studies"
    contents[page.PAGE] = page.frame(title, _facts(results), None, parts, vectors, _FILES).encode()
    folder.fill(out, contents)
    return out / page.PAGE


def sections(results: Sequence[StudyResult]) -> tuple[Section, ...]:
    """The page's questions."""
    everyone = numbers.groups(results)
    found = _begun(everyone)
    shown, apart = (numbers.panels(found), numbers.worlds(found)) if found else ((), [])
    measured = [v for name, members in apart if (v := scores.volumes(name, members)) is not None]
    return (
        _fronts(shown, apart, everyone),
        _attained(shown, found),
        _volumes(measured),
        _coverage(apart),
        _made(results, everyone),
    )


def _begun(everyone: Sequence[Group]) -> list[Group]:
    """The groups that have a complete model."""
    return [g for g in everyone if any(len(m.complete) for m in g.members)]


def _facts(results: Sequence[StudyResult]) -> list[tuple[str, str]]:
    data = (results[0].description.get("data") or {}).get("name")
    spaces = dict.fromkeys(str((r.description.get("space") or {}).get("reference")) for r in results)
    return [
        ("studies", f"{len(results):,}"), ("trials", f"{sum(len(r.trials) for r in results):,}"),
        ("complete", f"{sum(len(r.complete) for r in results):,}"), ("data", str(data)), ("space", ", ".join(spaces)),
    ]  # fmt: skip


def _fronts(
    shown: Sequence[Panel], apart: Sequence[tuple[str, tuple[Group, ...]]], everyone: Sequence[Group]
) -> Section:
    question = "Whose front is better?"
    if not shown:
        return Section("fronts", question, missing="There is no front of two objectives with a complete model yet.")
    sentences = [_origin(name, members) for name, members in apart]
    if len(apart) > 1:
        sentences.append(
            "Costs that were measured under different conditions stand in pictures of their own, on the same axes: one "
            "front is never made of two methods."
        )
    sentences.append(
        "All errors are validation errors; no test value was opened. Studies with different seeds divide the data "
        "differently, so they validate on other examples."
    )
    made = tuple(
        Picture(
            f"fronts-{p.x.name}-{i}", f"{_alt(p)}.", _caption(p, "Each line is the front of one study."),
            partial(pictures.draw_fronts, p, size=_size(i, shown)),
        )
        for i, p in enumerate(shown)
    )  # fmt: skip
    return Section("fronts", question, sentences=tuple(sentences), pictures=made, tables=(_front_table(everyone),))


def _size(place: int, shown: Sequence[object]) -> tuple[float, float]:
    """The page gives the first of an odd number both columns."""
    return LARGE if place == 0 and len(shown) % 2 else SMALL


def _origin(name: str, members: Sequence[Group]) -> str:
    counted = scores.pooled(members)
    parts = ", ".join(f"{n:,} from {group}" for group, n in counted.items())
    told = f"Under {name}: of" if name else "Of"
    return f"{told} all models together, {sum(counted.values()):,} are on the front: {parts}."


def _alt(panel: Panel) -> str:
    names, under = ", ".join(g.name for g, _ in panel.fronts), f" ({panel.condition})" if panel.condition else ""
    return f"Fronts of {panel.y.label} against {panel.x.label}{under}: {names}"


def _caption(panel: Panel, first: str) -> str:
    under = f" Measured under: {panel.condition}." if panel.condition else ""
    return f"{first} {_upper(panel.x.title)}: {panel.x.source}. {_upper(panel.y.title)}: {panel.y.source}.{under}"


def _upper(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _front_table(everyone: Sequence[Group]) -> Table:
    members = [(g, m) for g in everyone for m in g.members]
    objectives = members[0][1].objectives
    rows: list[tuple[str | Cell, ...]] = []
    for group, m in members:
        best = [m.complete[o.name].min() if len(m.complete) else None for o in objectives]
        texts = ("–" if b is None else format_quantity(float(b), o.unit) for b, o in zip(best, objectives, strict=True))
        name = Cell(m.name, "" if group.name == m.name else group.name)
        rows.append((name, f"{len(m.complete):,}", f"{int(m.trials['front'].sum()):,}", *texts))
    head = ("study", "complete", "on its front", *(f"lowest {o.label}" for o in objectives))
    return Table(head, tuple(rows), numbers=tuple(range(1, len(head))), title="Fronts")


def _attained(shown: Sequence[Panel], found: Sequence[Group]) -> Section:
    question = "How much of that is chance?"
    several = [g for g in found if len([m for m in g.members if len(m.complete)]) > 1]
    panels = [p for p in shown if any(g in several for g, _ in p.fronts)]
    if not panels:
        return Section(
            "attained", question,
            missing="No two of these studies differ in their seed only, so nothing is known of chance. Search again "
            "with --seed 1, 2, ... under other names, and compare all of them.",
        )  # fmt: skip
    named = ", ".join(g.name for g in several)
    sentences = (
        f"Studies that differ in their seed only: {named}. The line is what half of them attain, the band lies between "
        "what the best and what the worst of them attain (empirical attainment function).",
    )
    made = tuple(
        Picture(
            f"attained-{p.x.name}-{i}", f"Median attainment surfaces. {_alt(p)}.",
            _caption(p, "Groups of two seeds and more; the table of hypervolumes has the same in numbers."),
            partial(pictures.draw_attained, p, size=_size(i, panels)),
        )
        for i, p in enumerate(panels)
    )  # fmt: skip
    return Section("attained", question, sentences=sentences, pictures=made)


def _volumes(measured: Sequence[Volumes]) -> Section:
    question = "Who got there sooner?"
    if not measured:
        return Section("volumes", question, missing="No trial is complete yet, so there is no hypervolume.")
    made = tuple(
        Picture(
            f"hypervolume-{i}", f"Hypervolume over trainings of {', '.join(g.name for g, _ in v.traces)}.",
            f"Lines: the median of the seeds; bands: from the lowest to the highest, as far as all of them came. "
            f"{f'Under {v.condition}.' if v.condition else ''}",
            partial(pictures.draw_volumes, v, size=_size(i, measured)),
        )
        for i, v in enumerate(measured)
    )  # fmt: skip
    sentences = [s for v in measured for s in (_verdict(v), _reference(v))]
    return Section("volumes", question, sentences=tuple(sentences), pictures=made, tables=tuple(map(_table, measured)))


def _reference(shown: Volumes) -> str:
    of = {o.name: o for o in shown.traces[0][0].members[0].objectives}
    told = {of[name].label: format_quantity(value, of[name].unit) for name, value in shown.reference.items()}
    corner = ", ".join(text if text.endswith(label) else f"{label} {text}" for label, text in told.items())
    whose = "the studies measured so" if shown.condition else "the studies"
    logs = "Costs count in their natural logarithm. " if any(o.log for o in of.values()) else ""
    return (
        f"All of it is measured from one point, the worst value of any of {whose} × 1.1: {corner}. {logs}Other "
        "studies beside these would move the point, so these volumes are not those of reports."
    )


def _verdict(shown: Volumes) -> str:
    told = f"Under {shown.condition}: a" if shown.condition else "A"
    if len(shown.traces) < 2:
        return f"{told}ll complete models are of one group of studies, so there is nothing to compare."
    ranked = sorted(shown.traces, key=lambda t: -fmean(_at(t[1], shown.reached).values()))
    (best, first), (second, other) = ranked[:2]
    ahead = scores.difference(_at(first, shown.reached), _at(other, shown.reached))
    told += f"fter {shown.reached:,} trainings, which all have come to, {best.name} is ahead of {second.name}"
    told += f" by {ahead.mean:.3g}"
    if not ahead.known:
        return f"{told} in hypervolume; without several seeds of both nobody knows whether that is more than chance."
    sure = "more than chance" if ahead.low > 0 else "within chance"
    how = "paired by seed" if ahead.paired else "independent seeds"
    return f"{told} in hypervolume (95 %: {ahead.low:.3g} to {ahead.high:.3g}, {how}): {sure}."


def _at(of: Mapping[Any, Trace], trainings: int) -> dict[Any, float]:
    """The hypervolume of each study by seed."""
    return {seed: trace.at(trainings) for seed, trace in of.items()}


def _table(shown: Volumes) -> Table:
    reached, (_, first) = shown.reached, shown.traces[0]
    rows = []
    for group, of in shown.traces:
        now = scores.estimate(list(_at(of, reached).values()))
        gap = None if of is first else scores.difference(_at(of, reached), _at(first, reached))
        ends = sorted({int(t.trainings[-1]) for t in of.values()})
        final = scores.estimate([float(t.volume[-1]) for t in of.values()])
        rows.append(
            (
                Cell(group.name, strong=True), f"{len(of)}", _cell(now), "" if gap is None else _cell(gap, "+"),
                f"{ends[0]}" if len(ends) == 1 else f"{ends[0]} to {ends[-1]}", _cell(final),
            )
        )  # fmt: skip
    head = (
        "studies", "seeds", f"hypervolume after {reached:,} trainings", f"more than {shown.traces[0][0].name}",
        "trainings at the end", "hypervolume at the end",
    )  # fmt: skip
    notes = (
        "Means over seeds; in small print: 95 % t-intervals, which take differences between seeds as normal. "
        "Differences are paired where two seeds or more are shared; otherwise the samples are independent (Welch).",
    )
    return Table(head, tuple(rows), numbers=(1, 2, 3, 4, 5), title=shown.condition, notes=notes)


def _cell(found: Estimate, sign: str = "") -> Cell:
    paired = ", paired" if found.paired else ""
    note = f"{found.low:{sign}.4g} to {found.high:{sign}.4g}{paired}" if found.known else "one seed"
    return Cell(f"{found.mean:{sign}.4g}", note)


def _coverage(apart: Sequence[tuple[str, tuple[Group, ...]]]) -> Section:
    question = "Whose front beats whose?"
    made = tuple(_coverage_table(name, members) for name, members in apart if len(members) > 1)
    if not made:
        return Section(
            "coverage", question,
            missing="No two groups of studies were measured under the same conditions, so none can beat another.",
        )  # fmt: skip
    told = (
        "A model of a front is beaten where one of the other front is no worse in every objective and better in one "
        "(C-metric). Both shares can be small, where the fronts are good at different costs.",
    )
    return Section("coverage", question, sentences=told, tables=made)


def _coverage_table(name: str, members: Sequence[Group]) -> Table:
    rows: list[tuple[str | Cell, ...]] = []
    for of in members:
        cells = [Cell("–") if by is of else _share(scores.covered(by, of)) for by in members]
        rows.append((Cell(of.name, strong=True), *cells))
    head = ("share of the front of", *(f"beaten by {g.name}" for g in members))
    note = (
        "Mean over pairs of one seed, or over all pairs where no seed is shared; in small print the range over pairs."
    )
    return Table(head, tuple(rows), numbers=tuple(range(1, len(head))), title=name, notes=(note,))


def _share(shares: Sequence[float]) -> Cell:
    if not shares:
        return Cell("–", "no complete model")
    note = f"{100 * min(shares):.0f} to {100 * max(shares):.0f} %, {len(shares)} pairs" if len(shares) > 1 else ""
    return Cell(f"{100 * sum(shares) / len(shares):.0f} %", note)


def _made(results: Sequence[StudyResult], found: Sequence[Group]) -> Section:
    question = "What differs in how they were made?"
    rows: list[tuple[str | Cell, ...]] = []
    for name, values in numbers.differing(results).items():
        rows.append((Cell(name, strong=True), *(v or "–" for v in values)))
    if not rows:
        return Section("made", question, sentences=("Nothing that is recorded of them differs.",))
    told = (
        "Only what differs is listed; whatever else is recorded of how they were made is the same.",
        f"Studies that differ in their seed only count as one group: {'; '.join(map(_members, found))}.",
    )
    head = ("", *(r.name for r in results))
    return Section("made", question, sentences=told, tables=(Table(head, tuple(rows)),))


def _members(group: Group) -> str:
    names = ", ".join(m.name for m in group.members)
    return group.name if names == group.name else f"{group.name}: {names}"


def _tables(results: Sequence[StudyResult]) -> dict[str, pd.DataFrame]:
    found = numbers.groups(results)
    names = {m.name: g.name for g in found for m in g.members}
    fronts = pd.concat([r.front().assign(study=r.name, group=names[r.name]) for r in results], ignore_index=True)
    first = ["study", "group", "id"]
    differing = [(what, *values) for what, values in numbers.differing(results).items()]
    return {
        "fronts.csv": fronts[[*first, *(c for c in fronts.columns if c not in first)]],
        "hypervolume.csv": pd.DataFrame(
            _steps(_begun(found)), columns=["study", "group", "measured under", "trainings", "hypervolume"]
        ),
        "differences.csv": pd.DataFrame(differing, columns=["what", *(r.name for r in results)]),
    }


def _steps(found: Sequence[Group]) -> list[tuple[str, str, str, int, float]]:
    """A row each complete trial."""
    return [
        (member.name, group.name, shown.condition, int(n), float(v))
        for name, members in (numbers.worlds(found) if found else ())
        if (shown := scores.volumes(name, members)) is not None
        for group, of in shown.traces
        for seed, member in group.seeds().items()
        if seed in of
        for n, v in zip(of[seed].trainings, of[seed].volume, strict=True)
    ]
