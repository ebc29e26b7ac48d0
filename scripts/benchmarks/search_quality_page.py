"""The tables and the picture of ``search_quality``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from search_quality_arms import ARMS
from search_quality_runs import Failure
from search_quality_scores import Curves, Ratio, against_best, mean_ratio, ratios

from nas_moo.replay.compare import CHECKPOINTS

BEST = "the best peer of each table"
OPPONENTS = ("optuna-nsga2-50", "tpe", BEST)


def arms_table(arms: Iterable[str]) -> str:
    """Markdown: what each arm takes."""
    rows = [["arm", "common start", "asks costs of candidates", "trains partly", "known architectures", "seeds"]]
    for name in arms:
        arm = ARMS[name]
        seeds = "one (every seed is the same)" if arm.one_seed else "few" if arm.slow else "all"
        rows.append(
            [f"`{name}`", *(("–", "yes")[takes] for takes in (arm.start, arm.costs, arm.partly)), arm.distinct, seeds]
        )
    return markdown(rows)


def regret_table(arms: Sequence[Curves]) -> str:
    """Markdown: regret of each arm on one table."""
    rows = [["arm", "seeds", *(f"{f} fulls" for f in CHECKPOINTS), "CPU ms a proposal"]]
    for curves in arms:
        cells = [_spread(curves.quartiles(f)) if f <= curves.fulls else "–" for f in CHECKPOINTS]
        rows.append(
            [f"`{curves.arm}`", "any" if curves.same else str(len(curves.seeds)), *cells, f"{curves.cpu_ms:.2g}"]
        )
    return markdown(rows)


def ratio_table(ours: str, found: Mapping[str, Mapping[str, Curves]], family: Mapping[str, str]) -> str:
    """Markdown: how many times fewer fulls ours needs, table by table and in the mean.

    Args:
        ours: The arm.
        found: Table to arm to curves.
        family: Table to family.
    """
    rows = [["against", "table", *(f"its regret after {f}" for f in CHECKPOINTS)]]
    for opponent in OPPONENTS:
        by_table = {table: _against(opponent, ours, arms) for table, arms in found.items() if ours in arms}
        for table, at in by_table.items():
            seeds = len(found[table][ours].seeds)
            rows.append([opponent, table, *(_ratio(at.get(f), seeds, name=opponent == BEST) for f in CHECKPOINTS)])
        means = (_mean({t: at[f] for t, at in by_table.items() if f in at}, family) for f in CHECKPOINTS)
        rows.append([opponent, "**geometric mean**", *means])
    return markdown(rows)


def failures(failed: Sequence[Failure]) -> str:
    """Lines: each message with the searches that ended in it."""
    if not failed:
        return "No search failed."
    seeds: dict[tuple[str, str, str], list[int]] = {}
    for f in failed:
        seeds.setdefault((f.table, f.arm, f.message), []).append(f.seed)
    lines = (f"- {arm} on {table}, seeds {sorted(s)}: {message}" for (table, arm, message), s in seeds.items())
    return "\n".join((f"{len(failed)} searches FAILED:", *lines))


def _against(opponent: str, ours: str, arms: Mapping[str, Curves]) -> dict[int, Ratio]:
    if opponent == BEST:
        return against_best(arms[ours], [c for name, c in arms.items() if not ARMS[name].ours])
    return ratios(arms[ours], arms[opponent]) if opponent in arms else {}


def _mean(by_table: Mapping[str, Ratio], family: Mapping[str, str]) -> str:
    if not by_table:
        return "–"
    ratio = mean_ratio(by_table, family)
    return _ratio(ratio, ratio.seeds, note="" if len(by_table) == len(family) else f"{len(by_table)} tables")


def _ratio(ratio: Ratio | None, seeds: int, *, name: bool = False, note: str = "") -> str:
    """The ratio with its interval, the peer's name where asked for, and its seeds where ours has more."""
    if ratio is None:
        return "–"
    low, high = ratio.interval
    bound = "" if ratio.reached[0] else "at most "
    few = "" if ratio.seeds == seeds else f"{ratio.seeds} seeds"
    notes = [f"{low:.2f} to {high:.2f}", *(n for n in (ratio.peer if name else "", few, note) if n)]
    return f"{bound}{ratio.values[0]:.2f} ({', '.join(notes)})"


def _spread(quartiles: tuple[float, float, float]) -> str:
    low, middle, high = (f"{v:.2f}".replace("-", "−") for v in quartiles)
    return f"{middle} ({low} to {high})"


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table; the first row is its head."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])
