"""What a study shows: one question a file, and a page that puts the answers together.

- a *gather* function takes a ``StudyResult`` to a small frozen record: pure, and what the tests compare with numbers;
- a *draw* function takes the record and, if wanted, matplotlib axes, and returns the axes;
- the functions named below do both at once, for notebooks and papers: ``reports.pareto(nas_moo.load_study(name))``;
- ``write`` makes the folder that ``nas-moo report`` leaves: ``index.html``, figures and tables.

Each name is loaded when it is first used; importing this package imports neither seaborn nor pandas.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.clock import timeline
    from reports.curves import learning_curves
    from reports.finalists_pictures import finalist_devices, finalist_front, finalist_ranks
    from reports.front import pareto
    from reports.importance_pictures import importance
    from reports.lines import parallel
    from reports.page import write
    from reports.progress import hypervolume
    from reports.proxy import flops_against_latency
    from reports.slicing import slice_plot, slices
    from reports.trust_pictures import reference_drift, timings
    from reports.unseen import validation_against_test

_HOMES = {
    "finalist_devices": "finalists_pictures",
    "finalist_front": "finalists_pictures",
    "finalist_ranks": "finalists_pictures",
    "flops_against_latency": "proxy",
    "hypervolume": "progress",
    "importance": "importance_pictures",
    "learning_curves": "curves",
    "parallel": "lines",
    "pareto": "front",
    "reference_drift": "trust_pictures",
    "slice_plot": "slicing",
    "slices": "slicing",
    "timeline": "clock",
    "timings": "trust_pictures",
    "validation_against_test": "unseen",
    "write": "page",
}

__all__ = [
    "finalist_devices",
    "finalist_front",
    "finalist_ranks",
    "flops_against_latency",
    "hypervolume",
    "importance",
    "learning_curves",
    "parallel",
    "pareto",
    "reference_drift",
    "slice_plot",
    "slices",
    "timeline",
    "timings",
    "validation_against_test",
    "write",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
