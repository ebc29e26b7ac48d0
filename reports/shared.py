"""What the models of the front have in common: how often each value is on it, and among all that were trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.stats import hypergeom

from nas_moo.pareto import Array
from nas_moo.results import StudyResult
from reports.coded import Coded
from reports.quantities import trained_objective
from reports.section import Cell, Table

FEWEST_MODELS = 5  # on the front; fewer have a lot in common by chance
SURPRISING = 0.05  # expected among all genes, were the front a random pick
MOST_NAMED, MOST_ROWS = 5, 60
_QUARTERS = (0.25, 0.5, 0.75)
_INACTIVE = "inactive"


@dataclass(frozen=True)
class Share:
    """How often one gene has one value, or lies in one quarter of what was tried."""

    value: str
    front: int
    everywhere: int


@dataclass(frozen=True)
class Shared:
    """One gene on the front and everywhere.

    Attributes:
        gene: The gene.
        shares: Of each value that was tried, where the gene is inactive too; in the gene's order.
        most: The value that is more frequent on the front than everywhere, by the most.
        luck: In what share of random picks of as many models that value would be as frequent.
        stands_out: No gene of the study would be expected to show that by luck.
    """

    gene: str
    shares: tuple[Share, ...]
    most: Share
    luck: float
    stands_out: bool


def gather(result: StudyResult, genes: Sequence[Coded]) -> tuple[tuple[Shared, ...], int, int]:
    """Each of the genes, how many models are on the front, and how many there are in all.

    All are those that were trained, or the complete ones of a study that trains nothing; each model counts once.
    """
    trials = result.trials
    tried = trials["trained"] if trained_objective(result) is not None else trials["state"] == "complete"
    rows = (
        trials[tried | trials["front"]].sort_values("front", ascending=False, kind="stable").drop_duplicates("digest")
    )
    at = trials.index.get_indexer(rows.index)
    front = rows["front"].to_numpy(dtype=bool)
    if not front.any():
        return (), 0, len(rows)
    return tuple(_of(g, g.values[at], front, len(genes)) for g in genes), int(front.sum()), len(rows)


def _of(gene: Coded, values: Array, front: np.ndarray[tuple[int], np.dtype[np.bool_]], genes: int) -> Shared:
    groups, names = _groups(gene, values)
    everywhere = np.bincount(groups, minlength=len(names))
    on_front = np.bincount(groups[front], minlength=len(names))
    shares = [Share(n, int(f), int(e)) for n, f, e in zip(names, on_front, everywhere, strict=True) if e]
    total = int(front.sum())
    most = max(shares, key=lambda s: s.front / total - s.everywhere / len(values))
    luck = float(hypergeom.sf(most.front - 1, len(values), most.everywhere, total))
    return Shared(gene.name, tuple(shares), most, luck, total >= FEWEST_MODELS and luck * genes < SURPRISING)


def _groups(gene: Coded, values: Array) -> tuple[np.ndarray[tuple[int], np.dtype[np.intp]], list[str]]:
    """The group of each model and the groups' names: values, or quarters of what was tried; the last is "inactive"."""
    levels, active = gene.levels, np.isfinite(values)
    if len(levels):
        places = ((np.where(active, values, gene.low) - gene.low) / gene.step).round().astype(np.intp)
        names = [gene.text(level) for level in levels]
    else:
        seen = values[active]
        cuts = np.unique(np.quantile(seen, _QUARTERS)) if len(seen) else np.zeros(0)
        places = np.searchsorted(cuts, np.where(active, values, gene.low), side="left")
        ends = [gene.low, *cuts, gene.high]
        names = [f"{gene.text(a)} to {gene.text(b)}" for a, b in pairwise(ends)]
    return np.where(active, places, len(names)), [*names, _INACTIVE]


def sentences(shared: Sequence[Shared], front: int, everywhere: int) -> tuple[str, ...]:
    """The largest contrasts that a random pick would hardly show."""
    if front < FEWEST_MODELS:
        are = "model is" if front == 1 else "models are"
        return (f"{front} {are} on the front, too few to say what they have in common.",) if front else ()
    named = [s for s in shared if s.stands_out]
    if not named:
        return (
            f"No single value stands out on the front: among {len(shared)} genes, a random pick of {front:,} of all "
            f"{everywhere:,} models would show contrasts as large.",
        )
    named.sort(key=lambda s: s.most.everywhere / everywhere - s.most.front / front)
    told = "; ".join(f"{s.gene} {s.most.value} on {_of_all(s.most, front, everywhere)}" for s in named[:MOST_NAMED])
    more = f" {len(named) - MOST_NAMED} more contrasts are in the table." if len(named) > MOST_NAMED else ""
    return (f"What the {front:,} front models share, against all {everywhere:,}: {told}.{more}",)


def _of_all(share: Share, front: int, everywhere: int) -> str:
    count = f"all {front:,}" if share.front == front else f"{share.front:,} of {front:,}"
    return f"{count} ({_percent(share.everywhere, everywhere)} of all)"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %"


def table(shared: Sequence[Shared], front: int, everywhere: int) -> Table:
    """A row a gene, the largest contrast first; a study of many genes has them all in ``trials.csv``."""
    ranked = sorted(shared, key=lambda s: s.most.everywhere / everywhere - s.most.front / front)
    rows: tuple[tuple[str | Cell, ...], ...] = tuple(
        (
            Cell(s.gene, strong=s.stands_out),
            Cell(s.most.value, ", ".join(f"{v.value}: {v.front} of {v.everywhere}" for v in s.shares)),
            f"{s.most.front:,} of {front:,}",
            _percent(s.most.front, front),
            _percent(s.most.everywhere, everywhere),
            f"{s.luck:.2g}" if s.luck >= 0.001 else "< 0.001",
        )
        for s in ranked[:MOST_ROWS]
    )
    hidden = f" The first {MOST_ROWS} of {len(ranked)} genes." if len(ranked) > MOST_ROWS else ""
    return Table(
        ("gene", "more frequent on the front", "front", "share", "of all", "by luck"),
        rows, numbers=(2, 3, 4, 5), title="What the front's models share",
        notes=(
            f"In small print, for each value: models with it on the front, of all {everywhere:,} with it that were "
            f"trained. By luck: the share of random picks of {front:,} of them in which the value is at least as "
            f"frequent (hypergeometric). Bold: so small that none of {len(shared)} genes would be expected to show it "
            f"(below {SURPRISING:g} / {len(shared)}), on a front of {FEWEST_MODELS} models or more. Genes with many "
            "values are cut into quarters of what was tried. The contrast is with what the sampler tried, not with "
            f"the space.{hidden}",
        ),
    )  # fmt: skip
