"""May I use FLOPs in place of latency here? Where the two put networks in a different order, and what that costs."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from nas_moo.errors import UserInputError
from nas_moo.measurement import counted
from nas_moo.pareto import Array
from nas_moo.results import StudyResult
from reports import style
from reports.labels import Label, place
from reports.proxy_numbers import FASTEST, FRONT, WRONG, Group, Proxy, gather, objectives
from reports.quantities import Column, Quantity, column
from reports.section import Cell, Picture, Section, Table

FEW = 8  # networks; below so many no verdict
WORTH = 0.02  # of the hypervolume: a loss that matters
MOST_BARS = 150
MOST_VECTORS = 300
_SIZE = (8.2, 4.7)  # inches
_PADDING = 0.06


def flops_against_latency(result: StudyResult, latency: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw FLOPs (or parameters, where those were not counted) against a measured latency.

    Args:
        result: The study.
        latency: Name of the objective; by default the study's first latency.
        ax: Where to draw; a new figure without it.

    Raises:
        UserInputError: the study has no such two objectives, or fewer than two networks have both.
    """
    count, latencies = objectives(result)
    found = gather(result, count, latency or latencies[0]) if count is not None and latencies else None
    if found is None:
        raise UserInputError(_why_none(result), value=result.name, do="Search with both objectives.")
    return draw(found, ax)


def section(result: StudyResult) -> Section:
    """The question's part of the page."""
    count, latencies = objectives(result)
    found = [p for name in latencies if count is not None and (p := gather(result, count, name)) is not None]
    if not found:
        return Section("proxy", _question(count), missing=_why_none(result))
    tables = [table for p in found for table in (_agreement_table(p), _factor_table(p), _striking_table(p))]
    return Section(
        "proxy", _question(count), sentences=tuple(s for p in found for s in _sentences(p, alone=len(found) == 1)),
        pictures=tuple(_picture(p) for p in found), tables=tuple(t for t in tables if t is not None),
    )  # fmt: skip


def _question(count: str | None) -> str:
    return f"May I use {'the number of parameters' if count == 'params' else 'FLOPs'} in place of latency here?"


def _why_none(result: StudyResult) -> str:
    count, latencies = objectives(result)
    if not latencies:
        return "This study measures no latency, so nothing is known of what would stand in its place."
    if count is None:
        return "This study counts neither FLOPs nor parameters; add flops to its objectives, which takes milliseconds."
    return "Fewer than two networks have both numbers, so there is no order to compare."


def _picture(found: Proxy) -> Picture:
    name = f"proxy-{found.count.name}-{found.latency.name}"
    alt = (
        f"{_upper(found.latency.label)} against {found.count.label} of {len(found.models):,} networks; "
        f"{len(found.striking)} pairs that flip are marked."
    )
    bars = "all networks" if len(found.models) <= MOST_BARS else "networks on the front and in marked pairs"
    told = [f"Bars are the intervals of {bars}." if found.judged else "The latencies have no intervals."]
    if found.striking:
        told.append(
            f"Lines join the pairs of the last table: the upper end has fewer {found.count.label} and is slower."
        )
    hidden = int(found.models[["count", "latency"]].duplicated().sum())
    if hidden:
        told.append(f"Hidden, exactly behind another one: {counted(hidden, 'point')}.")
    told.append(
        f"{_upper(found.latency.label)}: {found.latency.source}. {_upper(found.count.label)}: {found.count.source}."
    )
    return Picture(name, alt, " ".join(told), lambda: draw(found))


def _sentences(found: Proxy, *, alone: bool) -> list[str]:
    about = "" if alone else f"{_upper(found.latency.label)}: "
    told = [about + _verdict(found), _ranks(found), _search(found)]
    if found.marked:
        have = "has" if found.marked == 1 else "have"
        told.append(f"{found.marked:,} of the latencies {have} a caveat, which may put them out of order.")
    return [t for t in told if t]


def _verdict(found: Proxy) -> str:
    name, n, sure = found.count.label, len(found.models), found.groups[0].pairs
    apart = "whose latency intervals are apart" if found.judged else "whose latencies differ"
    if n < FEW or not found.wrong:
        return f"Too little to say: {n:,} networks with {sure.apart:,} pairs {apart}."
    evidence = (
        f"of {sure.apart:,} pairs {apart}, {sure.flipped:,} flip ({_percent(sure.share)}): the network with fewer "
        f"{name} is the slower one."
    )
    if sure.equal:
        evidence += f" {sure.equal:,} more have the same {name}, which tell nothing of them."
    if found.factor == 1:
        return f"Yes for ranking: {evidence}"
    if found.factor is None:
        factor, share = found.wrong[-1]
        far = f" Even where {name} differ {factor:g} times or more, {_percent(share)} do." if factor > 1 else ""
        return f"No: {evidence}{far}"
    few = dict(found.wrong)[found.factor]
    return (
        f"Only for a coarse ranking, between networks whose {name} differ {found.factor:g} times or more, where "
        f"{_percent(few) if few else 'none'} of the pairs flip. Of all: {evidence}"
    )


def _ranks(found: Proxy) -> str:
    told = [
        f"{_two(g.ranks.kendall)} {_among(g)}" for g in found.groups if g.ranks.n > 2 and math.isfinite(g.ranks.kendall)
    ]
    return f"Kendall's tau between the two orders is {', '.join(told)}." if told else ""


def _among(group: Group) -> str:
    where = {FRONT: "on the front", FASTEST: "in the fastest half"}.get(group.name, "over all networks")
    drawn = f" drawn from {group.ranks.n:,}" if group.ranks.used < group.ranks.n else ""
    return f"{where} (n = {group.ranks.used:,}{drawn})"


def _search(found: Proxy) -> str:
    if found.kept is None:
        return ""
    lost = 1 - found.kept
    name = found.count.label
    if lost < 5e-4:
        return f"The front by error and {name} alone has all of the hypervolume in error and {found.latency.label}."
    matters = "a search by them would miss good models" if lost > WORTH else "little is lost by searching with them"
    return (
        f"The front by error and {name} alone has {_percent(found.kept)} of the hypervolume in error and "
        f"{found.latency.label} of all complete models: {matters}."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if 0 < share < 0.9995 else f"{100 * share:.0f} %"


def _upper(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def draw(found: Proxy, ax: Axes | None = None, size: tuple[float, float] = _SIZE) -> Axes:
    """Draw a point a network, the pairs that flip most joined by lines, and return the axes."""
    with style.applied():
        ax = style.axes(ax, size)
        models = found.models
        drawn = _barred(found)
        limits = (
            _limits(models["count"].to_numpy(dtype=float), log=found.log[0]),
            _limits(np.r_[models["latency"], drawn["latency_low"], drawn["latency_high"]], log=found.log[1]),
        )
        if found.judged and len(drawn):
            spread = [drawn["latency"] - drawn["latency_low"], drawn["latency_high"] - drawn["latency"]]
            ax.errorbar(drawn["count"], drawn["latency"], yerr=spread, fmt="none", ecolor=style.MUTED, elinewidth=0.8,
                        alpha=0.6, zorder=2.5, rasterized=len(drawn) > style.MANY_POINTS)  # fmt: skip
        _draw_models(ax, models)
        if len(models) > 2:
            ax.axhline(float(models.loc[models["fast"], "latency"].max()), color=style.MUTED, linewidth=1,
                       linestyle=(0, (4, 3)), zorder=1.5, label="below: the fastest half")  # fmt: skip
        labels = _draw_striking(ax, found)
        style.scale_axis(ax.xaxis, found.count, *limits[0], log=found.log[0])
        style.scale_axis(ax.yaxis, found.latency, *limits[1], log=found.log[1])
        style.legend(ax)
        place(ax, labels, np.vstack([models[["count", "latency"]].to_numpy(dtype=float), *_lines(found)]))
    return ax


def _barred(found: Proxy) -> pd.DataFrame:
    if len(found.models) <= MOST_BARS:
        return found.models
    marked = [i for pair in found.striking for i in pair]
    return found.models[found.models["front"] | found.models.index.isin(marked)]


def _limits(values: Array, *, log: bool) -> tuple[float, float]:
    values = values[values > 0] if log else values
    low, high = float(values.min()), float(values.max())
    if log:
        room = (high / low) ** _PADDING
        return low / room, high * room
    room = (high - low) * _PADDING or abs(high) * _PADDING or 1.0
    return low - room, high + room


def _draw_models(ax: Axes, models: pd.DataFrame) -> None:
    looks = (
        (False, "not on the front", style.STATE_COLOURS["complete"], style.STATE_MARKERS["complete"], 20, 0.6, 3),
        (True, "on the front", style.FRONT, "o", 40, 1.0, 4),
    )
    for on_front, label, colour, marker, size, alpha, order in looks:
        rows = models[models["front"] == on_front]
        many = len(rows) > MOST_VECTORS  # pixels, without what makes them many bytes: edges and shades
        if len(rows):
            ax.scatter(
                rows["count"], rows["latency"], s=size * (0.4 if many else 1), color=colour, marker=marker,
                alpha=1.0 if many else alpha, zorder=order, edgecolor="none" if many else style.PAPER, linewidth=0.6,
                label=f"{label} ({len(rows):,})", rasterized=many,
            )  # fmt: skip


def _draw_striking(ax: Axes, found: Proxy) -> list[Label]:
    labels = []
    for k, pair in enumerate(found.striking, 1):
        ends = found.models.iloc[list(pair)]
        ax.plot(ends["count"], ends["latency"], color=style.CHOSEN, linewidth=1.4, marker="o", markersize=9,
                markerfacecolor="none", markeredgewidth=1.4, zorder=5,
                label="pairs that flip most" if k == 1 else None)  # fmt: skip
        labels += [Label(float(m["count"]), float(m["latency"]), f"{k}: {m['id']}") for m in ends.to_dict("records")]
    return labels


def _lines(found: Proxy) -> list[Array]:
    """Points along the lines of the marked pairs, so that labels can avoid them."""
    along = []
    for pair in found.striking:
        ends = found.models.iloc[list(pair)][["count", "latency"]].to_numpy(dtype=float)
        spaced = [np.geomspace if log else np.linspace for log in found.log]
        along.append(np.column_stack([s(a, b, 30) for s, a, b in zip(spaced, *ends, strict=True)]))
    return along


def _agreement_table(found: Proxy) -> Table:
    name = found.count.label
    rows = tuple(
        (
            g.name, f"{g.ranks.n:,}", _coefficient(g.ranks.spearman, g.ranks.spearman_interval),
            _coefficient(g.ranks.kendall, g.ranks.kendall_interval), f"{g.pairs.apart:,}", f"{g.pairs.flipped:,}",
            _percent(g.pairs.share) if g.pairs.apart else "–", f"{g.pairs.equal:,}",
        )
        for g in found.groups
    )  # fmt: skip
    first = found.groups[0]
    told = "In small print: 95 % bootstrap intervals over networks"
    if first.ranks.used < first.ranks.n:
        told += f"; coefficients of groups above {first.ranks.used:,} are of so many drawn from them"
    if first.pairs.used < first.ranks.n:
        told += f", pairs of {first.pairs.used:,}"
    apart = (
        f"A pair is apart where its latency intervals do not overlap and its {name} differ"
        if found.judged
        else "The latencies have no intervals, so a pair is apart where they differ at all, real or not, and its "
        f"{name} differ"
    )
    flip = (
        f"it flips where the network with fewer {name} is the slower one. A network counts once, however often trained."
    )
    head = ("networks", "n", "Spearman", "Kendall", "apart", "flip", "share", f"same {name}")
    title = f"{_upper(name)} and {found.latency.label}: how far they agree"
    return Table(head, rows, numbers=tuple(range(1, 8)), title=title,
                 notes=(f"{told}. {apart}; {flip}",))  # fmt: skip


def _coefficient(value: float, interval: tuple[float, float]) -> Cell:
    if not math.isfinite(value):
        return Cell("–")
    return Cell(_two(value), f"{_two(interval[0])} to {_two(interval[1])}" if math.isfinite(interval[0]) else "")


def _two(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _factor_table(found: Proxy) -> Table | None:
    if not found.wrong:
        return None
    name = found.count.label
    head = (f"{name} differ by at least", *("anything" if f == 1 else f"{f:g} times" for f, _ in found.wrong))
    shares = tuple(Cell(_percent(share), strong=share <= WRONG) for _, share in found.wrong)
    note = f"Of the pairs that are apart; up to {_percent(WRONG)} may flip where the answer is yes."
    return Table(head, (("flip", *shares),), numbers=tuple(range(1, len(head))), title="How coarse a ranking holds",
                 notes=(note,))  # fmt: skip


def _striking_table(found: Proxy) -> Table | None:
    if not found.striking:
        return None
    counts, times = (_shown(q, found.models[c]) for q, c in ((found.count, "count"), (found.latency, "latency")))
    rows = []
    for k, pair in enumerate(found.striking, 1):
        one, other = (found.models.iloc[i] for i in pair)
        rows.append(
            (
                str(k), *_ends(one, counts, times), *_ends(other, counts, times),
                f"{other['count'] / one['count']:.2f}×", f"{one['latency_low'] / other['latency_high']:.2f}×",
            )
        )  # fmt: skip
    name = found.count.label
    head = (
        "pair", "slower", counts.unit, f"latency ({times.unit})", "faster", counts.unit, f"latency ({times.unit})",
        f"fewer {name}", "slower by",
    )  # fmt: skip
    note = (
        "Slower by: at least, inside both intervals." if found.judged else "Slower by: as recorded, without intervals."
    )
    title = f"Fewer {name} and slower: the pairs that flip most"
    return Table(head, tuple(rows), numbers=(2, 3, 5, 6, 7, 8), title=title,
                 notes=(f"{note} No two pairs share a number of {name}.",))  # fmt: skip


def _ends(m: pd.Series, counts: Column, times: Column) -> tuple[str | Cell, ...]:
    shown = Cell(times.text(m["latency"]), times.interval(m["latency_low"], m["latency_high"]))
    return str(m["id"]), counts.text(m["count"]), shown


def _shown(shown: Quantity, values: pd.Series) -> Column:
    """Of numbers that are in the shown unit already."""
    found = column(shown, values / shown.scale)
    return Column(found.unit, found.scale / shown.scale, found.decimals)
