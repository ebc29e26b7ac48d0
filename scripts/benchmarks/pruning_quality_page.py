"""The tables of ``pruning_quality``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from compare_samplers_scores import interval
from pruning_quality_arms import ARMS, BASELINES
from pruning_quality_record import CutsRecord
from search_quality_page import markdown
from search_quality_record import Record, Search
from search_quality_runs import load
from search_quality_scores import Curves, Ratio, against_best, curves, mean_ratio, ratios

from nas_moo.objectives.intervals import wilson
from nas_moo.pareto import Array
from nas_moo.replay.description import read_description
from nas_moo.replay.judge import Judge, on_grid

POINTS = (25, 50, 100)
BEST = "the best peer of each table"


def regret_table(record: Record, baselines: Record, tables: Sequence[Path]) -> str:
    """Markdown: regret and hypervolume of each arm on each table."""
    rows = [["table", "arm", "seeds", *(f"regret, {f} fulls" for f in POINTS), *(f"volume, {f}" for f in POINTS)]]
    for path in tables:
        table = load(path)
        judge = Judge(table)
        for arm, searches in _of(table.name, record, baselines).items():
            found, volumes = curves(judge, searches), _volumes(judge, searches)
            regrets = [_spread(found.quartiles(f)) if f <= found.fulls else "–" for f in POINTS]
            shares = [f"{np.median(volumes[:, f - 1]):.3f}" if f <= volumes.shape[1] else "–" for f in POINTS]
            rows.append([table.name, f"`{arm}`", str(len(searches)), *regrets, *shares])
    return markdown(rows)


def ratio_table(record: Record, baselines: Record, tables: Sequence[Path]) -> str:
    """Markdown: how many times fewer fulls each pruned arm of ours needs, each family of tables counting once."""
    family = {load(path).name: read_description(path).table.stem for path in tables}
    found = {load(p).name: _curves(p, record, baselines) for p in tables}
    peers = {load(p).name: _peers(p, baselines) for p in tables}
    rows = [["arm", "against", *(f"its regret after {f}" for f in POINTS)]]
    for arm in (a for a in ARMS if a.startswith("nsga2")):
        for against in ("nsga2", "optuna-nsga2-50", BEST):
            by_table = {
                table: against_best(arms[arm], peers[table]) if against == BEST else ratios(arms[arm], arms[against])
                for table, arms in found.items()
                if arm in arms
            }
            rows.append([f"`{arm}`", against, *(_mean(by_table, f, family) for f in POINTS)])
    return markdown(rows)


def paired_table(record: Record, baselines: Record, tables: Sequence[Path]) -> str:
    """Markdown: what each pruned arm of ours has more of the hypervolume than no pruning, seed by seed."""
    rows = [["table", "arm", *(f"hypervolume after {f}, more than unpruned" for f in (25, 35, *POINTS[1:]))]]
    for path in tables:
        table = load(path)
        judge, found = Judge(table), _of(table.name, record, baselines)
        volumes = {arm: _volumes(judge, s) for arm, s in found.items() if arm.startswith("nsga2")}
        plain = volumes.pop("nsga2")
        for arm, pruned in volumes.items():
            both = min(len(pruned), len(plain))
            more = pruned[:both] - plain[:both, : pruned.shape[1]]
            rows.append([table.name, f"`{arm}`", *(_more(more[:, f - 1]) for f in (25, 35, *POINTS[1:]))])
    return markdown(rows)


def _more(differences: Array) -> str:
    mean, low, high = (f"{v:+.3f}".replace("-", "−") for v in interval(differences))
    return f"{mean} ({low} to {high})"


def cuts_table(record: CutsRecord) -> str:
    """Markdown: what each arm gave up, what of it wrongly, and what its control arm says of that."""
    head = ["arm", "searches", "trained", "given up", "of them outbid", "went on", "wrong, of all stopped"]
    rows = [
        [
            *head,
            "wrong, of controls",
            "intervals that hold the truth",
            "controls below their bound",
            "true front given up",
            "volume lost",
        ]
    ]
    for arm in ARMS:
        cuts = record.of(arm)
        if len(cuts):
            rows.append([f"`{arm}`", str(len(cuts)), *_cells(cuts)])
    return markdown(rows)


def _cells(cuts: pd.DataFrame) -> list[str]:
    total, told = cuts.sum(numeric_only=True), cuts[cuts["controls"] > 0]
    outbid = cuts["pruned"] + cuts["controls"] - cuts["stopped"]
    return [
        *(f"{mean:.0f}" for mean in cuts.assign(outbid=outbid)[["trained", "pruned", "outbid", "thawed"]].mean()),
        _share(total["wrong"], total["stopped"]),
        _share(total["nondominated"], total["controls"]),
        f"{int(told['covered'].sum())} of {len(told)}" if len(told) else "–",
        _share(total["below"], total["bounded"]),
        f"{cuts['front_pruned'].mean():.1%}",
        f"{cuts['volume_lost'].mean():.2%}",
    ]


def _share(hits: float, n: float) -> str:
    if not n:
        return "–"
    low, high = wilson(int(hits), int(n))
    return f"{int(hits)} of {int(n)} ({low:.1%} to {high:.1%})"


def _of(table: str, record: Record, baselines: Record) -> dict[str, list[Search]]:
    """Arm to searches, the baselines with no more seeds and trials than the others have."""
    found = {arm: [s for s in record.searches.values() if (s.table, s.arm) == (table, arm)] for arm in ARMS}
    most = max((s.seed for searches in found.values() for s in searches), default=-1)
    for arm in BASELINES:
        found[arm] = [s for s in baselines.searches.values() if (s.table, s.arm) == (table, arm) and s.seed <= most]
    return {arm: sorted(s, key=lambda one: one.seed) for arm, s in found.items() if s}


def _curves(path: Path, record: Record, baselines: Record) -> dict[str, Curves]:
    judge = Judge(load(path))
    return {arm: curves(judge, s) for arm, s in _of(load(path).name, record, baselines).items()}


def _peers(path: Path, baselines: Record) -> list[Curves]:
    """All arms of search_quality that are not ours and were run with enough seeds."""
    table, judge = load(path), Judge(load(path))
    arms = {s.arm for s in baselines.searches.values() if s.table == table.name and not s.arm.startswith("nsga2")}
    found = [curves(judge, baselines.of(table, arm)) for arm in sorted(arms)]
    return [c for c in found if len(c.seeds) >= 10]


def _volumes(judge: Judge, searches: Sequence[Search]) -> Array:
    grid = np.arange(1, min(s.trials for s in searches) + 1, dtype=float)
    return np.array([on_grid(judge.hypervolume(s.trace()), s.trace().fulls, grid) for s in searches])


def _mean(by_table: Mapping[str, Mapping[int, Ratio]], fulls: int, family: Mapping[str, str]) -> str:
    at = {table: found[fulls] for table, found in by_table.items() if fulls in found}
    if not at:
        return "–"
    ratio = mean_ratio(at, family)
    low, high = ratio.interval
    return f"{'' if ratio.reached[0] else 'at most '}{ratio.values[0]:.2f} ({low:.2f} to {high:.2f})"


def _spread(quartiles: tuple[float, float, float]) -> str:
    low, middle, high = (f"{v:.2f}".replace("-", "−") for v in quartiles)
    return f"{middle} ({low} to {high})"
