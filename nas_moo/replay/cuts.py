"""What pruning did in the searches of one arm: told by the control arm, and beside it the truth that a table knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nas_moo.pruners.control import Share
from nas_moo.replay.pruning import PruningTrace
from nas_moo.replay.table import RecordedTable
from nas_moo.replay.trace import Trace


def describe_cuts(table: RecordedTable, traces: Sequence[Trace]) -> dict[str, Any]:
    """For JSON: means over the searches, shares over all their controls.

    ``truth`` is the share of all stopped trainings, controls included, that end non-dominated among the complete ones;
    ``covered`` counts the searches whose Wilson interval of the same share of controls holds it.
    """
    cuts = [t.pruning for t in traces if t.pruning is not None]
    shares = [c.report.nondominated for c in cuts]
    return {
        "pruned": _mean([len(c.pruned) for c in cuts]),
        "thawed": _mean([c.thawed for c in cuts]),
        "trained": _mean([len(set(t.rows.tolist())) for t in traces]),
        "fulls_of_pruned": _mean([sum(table.share(p) for p in c.points.tolist()) for c in cuts]),
        "controls": {
            "nondominated": _pooled(shares).to_dict(),
            "below_bound": _pooled([c.report.below for c in cuts]).to_dict(),
            "hypervolume_loss": _mean([c.report.hypervolume.estimate for c in cuts if c.report.hypervolume]),
            "regret_loss": _mean([c.report.regret.estimate for c in cuts if c.report.regret]),
        },
        "truth": Share(sum(c.wrong for c in cuts), sum(c.stopped for c in cuts)).to_dict(),
        "covered": Share(sum(_holds(c) for c in cuts), len(cuts)).to_dict(),
        "true_front_pruned": _mean([np.isin(table.front, c.pruned).mean() for c in cuts]),
        "turned_more_cautious": _mean([c.level for c in cuts]),
    }


def _holds(cuts: PruningTrace) -> bool:
    """Whether the control arm's interval holds the truth; so it does where nothing was stopped."""
    low, high = cuts.report.nondominated.interval
    return not cuts.stopped or low <= cuts.wrong / cuts.stopped <= high


def _pooled(shares: Sequence[Share]) -> Share:
    return Share(sum(s.hits for s in shares), sum(s.n for s in shares))


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if len(values) else None
