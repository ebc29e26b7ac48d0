"""Can the timing be trusted? How finely models are told apart, what ails their timings, and under which conditions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from nas_moo.finalists import DeviceFront, is_latency
from nas_moo.measurement import DRIFT_LIMIT, EXACT, TAILS
from nas_moo.results import StudyResult
from reports.quantities import quantity
from reports.section import Cell, Picture, Section, Table, laid_out
from reports.trust_numbers import Reference, Timings, gather, timed
from reports.trust_pictures import MOST_MODELS, digits_of, draw_reference, draw_timings

QUESTION = "Can the timing be trusted?"
COARSE = 0.1  # of a latency: what cannot tell models apart that differ by less is no ranking of a front
MOST_ROWS, MOST_NAMED, FEW_TIMES = 60, 8, 8
_LIMIT = f"{100 * DRIFT_LIMIT:.0f} %"
HOW = (
    "A value is trusted as far as its 95 % interval reaches, or as far as its second measurement lies away where that "
    "is farther. Two models count as equal while they differ by less than the root of the sum of the squares of both "
    "and of the drift."
)
_CONDITIONS = {
    "device": "device", "uuid": "UUID", "mode": "mode", "batch": "batch", "input_shape": "input", "dtype": "precision",
    "memory_format": "memory format", "cache": "cache", "threads": "threads", "torch": "PyTorch", "cuda": "CUDA",
    "cudnn": "cuDNN", "driver": "driver", "runtime": "runtime", "power_cap_w": "power cap (W)", "clock": "clock",
    "protocol": "protocol",
}  # fmt: skip


def section(result: StudyResult, fronts: Sequence[DeviceFront] = ()) -> Section:
    """The question's part of the page; ``fronts`` holds what was timed again."""
    objectives = timed(result)
    untimed = _untimed(result)
    if not objectives:
        return Section("trust", QUESTION, missing=_why_nothing(result, untimed))
    found = [gather(result, o.name, fronts) for o in objectives]
    sentences, tables = [], []
    pictures: list[Callable[[float], Picture]] = []
    for one in found:
        sentences += [f"{_upper(one.shown.label)}: {s}" if len(found) > 1 else s for s in _verdict(one)]
        if len(one.models) and one.judged:
            pictures.append(partial(_timings_picture, one))
            tables.append(_table(one))
        tables.append(_conditions(one))
    if (watched := found[0].reference) is not None and len(watched.times) > 1:
        pictures.append(partial(_reference_picture, watched))
        tables.append(_reference_table(watched))
    return Section(
        "trust", QUESTION, sentences=(*sentences, *untimed), pictures=laid_out(pictures), tables=tuple(tables)
    )  # fmt: skip


def _why_nothing(result: StudyResult, untimed: Iterable[str]) -> str:
    if any(o.stage == "device" for o in result.objectives) and result.measurements.empty:
        return "Nothing has been timed yet."
    told = "This study times nothing, so there is no timing to judge: its objectives are "
    return " ".join([f"{told}{', '.join(o.label for o in result.objectives)}.", *untimed])


def _untimed(result: StudyResult) -> list[str]:
    """What is of the device and was not timed: memory."""
    rows = result.measurements
    exact = set(rows.loc[rows["interval"] == EXACT, "objective"]) - set(
        rows.loc[rows["interval"] != EXACT, "objective"]
    )
    labels = [
        (o.label, quantity(result, o.name).method) for o in result.objectives if o.stage == "device" and o.name in exact
    ]
    return [f"{_upper(label)} is no timing and has no interval ({method})." for label, method in labels]


def _verdict(found: Timings) -> list[str]:
    models = found.models
    if models.empty:
        return ["No model is on the front yet, so no timing is judged; the conditions are below."]
    if not found.judged:
        return ["It cannot be said: these values were recorded without intervals, so nobody knows which are apart."]
    if len(models) == 1:
        reach = _share(models["reach"].iloc[0])
        told = [f"One model is on the front, so nothing has to be ranked: its value is trusted to ±{reach}."]
    else:
        told = [_ranking(found)]
    return [*told, _evidence(found), *_doubts(found)]


def _ranking(found: Timings) -> str:
    models, finer = found.models, _share(found.resolution)
    disturbed, loose = models[models["disturbed"]], models[models["loose"]]
    if 2 * len(disturbed) > len(models):
        told = (
            f"Do not trust it to rank close models: {len(disturbed)} of {len(models)} on the front were timed while "
            "something else used the device or held its clock down, which no interval holds. By the intervals alone, "
            f"models that differ by more than {finer} could be ranked"
        )
    else:
        begin = "Trust it to rank models" if found.resolution < COARSE else "It ranks only models"
        told = f"{begin} that differ by more than {finer}, not closer ones"
        if len(disturbed):
            told += f"; not {_listed(disturbed['id'])}, timed while something else used the device"
    if len(loose):
        named = [f"{i} (±{_share(r)})" for i, r in zip(loose["id"], loose["reach"], strict=True)]
        told += f"; less certain than that: {_listed(named)}"
    if not found.undecided:
        return f"{told}. All {len(models)} models of the front are farther apart than their own uncertainty."
    again = "time them again before you choose between them (nas-moo measure)"
    if len(models) == 2:
        return f"{told}. The two models of the front are closer than they are known: {again}."
    of_pairs = f"Of {len(models) - 1} pairs of neighbours on the front, {found.undecided}"
    return f"{told}. {of_pairs} {'is' if found.undecided == 1 else 'are'} closer than the two are known: {again}."


def _listed(names: Iterable[str]) -> str:
    """The names, the first few of many."""
    given = [str(n) for n in names]
    more = f" and {len(given) - MOST_NAMED} more" if len(given) > MOST_NAMED else ""
    return f"{', '.join(given[:MOST_NAMED])}{more}"


def _evidence(found: Timings) -> str:
    """Intervals, convergence and drift, in numbers."""
    models = found.models
    reaches = models[["below", "above"]].max(axis=1)
    told = f"Intervals reach {_range(reaches.min(), reaches.max())} to either side"
    known = [d["converged"] for d in found.details if "converged" in d]
    if known:
        told += f", {sum(known):,} of {len(known):,} timings converged"
    told += "; "
    if found.reference is None:
        return f"{told}how the device drifted is not in this: the study has kept no times of the reference network."
    times = found.reference.times
    if len(times) == 1:
        return told + "the reference network was timed only once, so nothing is known of a drift."
    moved = int(times["moved"].sum())
    low, high = _signed(times["share"].min()), _signed(times["share"].max())
    told += f"the reference network, timed {len(times):,} times, lay {low} to {high} from its median"
    return told + (f" and moved by more than {_LIMIT} {_times(moved)}." if moved else ".")


def _doubts(found: Timings) -> list[str]:
    """Marks, second measurements and later ones; nothing where there are none."""
    told = []
    if found.marked:
        marks = ", ".join(f"{mark} {n:,}" for mark, n in found.marked.items())
        told.append(f"Of {found.every:,} timings, with a remark: {marks}.")
    if found.again:
        changes = np.abs(found.again)
        own = found.models["again"].dropna().abs()
        here = f", of those on the front {_share(own.max())} at most" if len(own) else ""
        told.append(
            f"{len(changes):,} were measured again after the reference had moved, and changed by "
            f"{_share(float(np.median(changes)))} (median){here}."
        )
    if found.retimed is not None:
        spread, n = found.retimed
        told.append(
            f"Timed again later under the same conditions, {n} finalists changed relative to each other by "
            f"{_share(spread)} at most."
        )
    return told


def _timings_picture(found: Timings, width: float) -> Picture:
    models = found.models
    most = f" {MOST_MODELS} of {len(models):,} models, evenly along the front." if len(models) > MOST_MODELS else ""
    caption = (
        f"Each row is one model, relative to its own value; bars are intervals ({found.shown.interval}), pale dots the "
        f"medians of its blocks, diamonds second measurements, ticks and arrows p95.{most} The band is what two models "
        f"must differ by to be ranked. {_upper(found.shown.title)}: {found.shown.method}."
    )
    alt = (
        f"Intervals of {len(models):,} models of the front, reaching at most "
        f"{_share(models[['below', 'above']].max(axis=1).max())} to either side of the value."
    )
    return Picture(f"timings-{found.shown.name}", alt, caption, lambda: draw_timings(found, width=width))


def _reference_picture(watched: Reference, width: float) -> Picture:
    shares = watched.times["share"]
    span = f"{_signed(shares.min())} to {_signed(shares.max())}"
    alt = f"Time of the reference network over the study, {span} from its median."
    caption = (
        "A small fixed network, timed when a worker starts, after every 20 networks and at the end; a line is one "
        f"worker. Where it moved by more than {_LIMIT}, something else used the device, or its clock changed: the "
        "networks in between are marked as contended and measured again, and their first value stays."
    )
    return Picture("reference-drift", alt, caption, lambda: draw_reference(watched, width=width))


def _reference_table(watched: Reference) -> Table:
    """The timings of the reference that moved, and some along the study."""
    times = watched.times.reset_index(drop=True)
    along = np.linspace(0, len(times) - 1, FEW_TIMES).round().astype(int)
    kept = sorted({*along.tolist(), *np.flatnonzero(times["moved"])[:FEW_TIMES].tolist()})
    rows = tuple(
        (
            f"{t['number']:,}", f"{t['ms']:#.4g}", _signed(t["share"]),
            f"more than {_LIMIT} from the last" if t["moved"] else "",
        )
        for t in times.iloc[kept].to_dict("records")
    )  # fmt: skip
    some = f"{len(kept)} of {len(times):,} timings. " if len(kept) < len(times) else ""
    pair = (
        f"Two moments of the study differ by up to {_share(watched.pair)} in 95 % of all cases, single outliers apart."
    )
    head = ("trial", "time (ms)", "against the median", "")
    return Table(head, rows, numbers=(0, 1, 2), title="The reference network", notes=(f"{some}{pair}",))


def _tails(found: Timings) -> str:
    """Of how many models the percentiles are known, and why not of the rest."""
    models, n = found.models, len(found.models)
    counts = {tail: int(models[tail].notna().sum()) for tail in TAILS}
    if all(count == n for count in counts.values()):
        return ""
    together = int((models["calls"].astype(float) > 1).sum())
    told = ", ".join(f"{tail} of {count} of {n} models" for tail, count in counts.items())
    fewest = " or ".join(f"{number} ({tail})" for tail, number in TAILS.items())
    why = f"calls of {together} were timed several together, and " if together else ""
    told = f"Known are {told}: {why}a percentile takes {fewest} calls one by one."
    if not is_latency(found.shown.name):
        return told
    return f"{told} A search with --max {found.shown.name}_p99=... times so; slow networks need --precision 1% as well."


def _table(found: Timings) -> Table:
    digits = digits_of(found)
    rows = []
    models = found.models.head(MOST_ROWS)
    nexts = [*found.models[["value", "network"]].iloc[1:].itertuples(index=False), (math.nan, "")]
    for m, (value, network) in zip(models.to_dict("records"), nexts, strict=False):
        gap, closer = value / m["value"] - 1, "" if m["told"] else "closer than both are known"
        told = "the same network" if network == m["network"] else closer
        rows.append(
            (
                m["id"],
                Cell(digits.text(m["value"]), digits.interval(m["low"], m["high"])),
                f"±{_share(m['reach'])}",
                _cell(m["p95"]),
                _cell(m["p99"]),
                _cell(m["again"]),
                "–" if math.isnan(gap) else Cell(_signed(gap), told),
                Cell("", ", ".join(m["marks"])),
            )
        )
    cut = f" The fastest {MOST_ROWS} of {len(found.models):,}." if len(found.models) > MOST_ROWS else ""
    head = (
        "model", f"{found.shown.label} ({digits.unit})", "trusted to", "p95", "p99", "measured again",
        "next slower one", "remarks",
    )  # fmt: skip
    relative = f"p95, p99, the second value and the next model are relative to the value.{cut} {HOW}"
    return Table(
        head, tuple(rows), numbers=(1, 2, 3, 4, 5, 6), title=f"How the front was timed: {found.shown.label}",
        notes=(relative, *filter(None, [_tails(found)])),
    )  # fmt: skip


def _conditions(found: Timings) -> Table:
    rows = [*_key(found.details), *_procedure(found.details), *_states(found.details)]
    method = found.shown.method
    return Table(("", ""), tuple(rows) or (("method", method),), title=f"Conditions of {found.shown.label}")


def _key(details: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    key: dict[str, Any] = dict(next((d["key"] for d in details if "key" in d), {}))
    if batches := [d["batch"] for d in details if "batch" in d]:  # of a throughput, which may find one for each model
        key["batch"] = _span(batches)
    return [(title, _plain(key[name])) for name, title in _CONDITIONS.items() if key.get(name) not in (None, "")]


def _procedure(details: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    told = []
    if presets := sorted({str(d["preset"]) for d in details if "preset" in d}):
        asked = ", ".join(f"{p:.2g}" for p in sorted({100 * d["precision"] for d in details if "precision" in d}))
        told.append(("asked for", f"±{asked} % ({', '.join(presets)})"))
    blocks = [len(d["block_medians"]) for d in details if d.get("block_medians")]
    if blocks:
        told.append(("blocks a network", _span(blocks)))
    return told


def _states(details: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Clocks, temperature and what held the GPU down; contention of a CPU; whether the host was the limit."""
    told = []
    states = [state for d in details for state in d.get("gpu") or ()]
    for name, title in (("sm_mhz", "clock (MHz)"), ("memory_mhz", "memory clock (MHz)"),
                        ("temperature_c", "temperature (°C)"), ("power_w", "power (W)")):  # fmt: skip
        if seen := [s[name] for s in states if s.get(name) is not None]:
            told.append((title, _span(seen)))
    if states:
        reasons = sorted({r for s in states for r in s.get("slowed_by") or ()})
        told.append(("slowed down by", ", ".join(reasons) or "nothing"))
    hosts = [d["host_bound"] for d in details if d.get("host_bound") is not None]
    if hosts:
        told.append(("waited for the host", f"{sum(hosts):,} of {len(hosts):,} networks"))
    if ratios := [d["wall_over_thread"] for d in details if d.get("wall_over_thread") is not None]:
        told.append(("wall over thread time", _span([round(r, 2) for r in ratios])))
    return told


def _cell(share: float) -> str:
    return "–" if math.isnan(share) else _signed(share)


def _span(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:,.5g}" if low == high else f"{low:,.5g} to {high:,.5g}"


def _plain(value: Any) -> str:
    return " × ".join(map(str, value)) if isinstance(value, list) else str(value)


def _share(share: float) -> str:
    """In per cent, with two digits that count, and no more than a hundredth."""
    return f"{100 * share:.2f} %" if share < 0.001 else f"{100 * share:.{1 if share < 0.1 else 0}f} %"


def _range(low: float, high: float) -> str:
    return _share(low) if _share(low) == _share(high) else f"{_share(low).removesuffix(' %')} to {_share(high)}"


def _signed(share: float) -> str:
    if abs(share) < 0.00005:
        return "0 %"
    return f"{'−' if share < 0 else '+'}{_share(abs(share))}"


def _times(n: int) -> str:
    return {1: "once", 2: "twice"}.get(n, f"{n:,} times")


def _upper(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
