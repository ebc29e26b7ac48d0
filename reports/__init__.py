"""What a study shows: one question a file, and a page that puts the answers together.

- a *gather* function takes a ``StudyResult`` to a small frozen record: pure, and what the tests compare with numbers;
- a *draw* function takes the record and, if wanted, matplotlib axes, and returns the axes;
- ``pareto``, ``hypervolume``, ``learning_curves``, ``importance``, ``slice_plot``, ``slices`` and ``parallel`` do both
  at once, for notebooks and papers;
- ``write`` makes the folder that ``nas-moo report`` leaves: ``index.html``, figures and tables.

Each name is loaded when it is first used; importing this package imports neither seaborn nor pandas.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.curves import learning_curves
    from reports.front import pareto
    from reports.importance_pictures import importance
    from reports.lines import parallel
    from reports.page import write
    from reports.progress import hypervolume
    from reports.slicing import slice_plot, slices

_HOMES = {
    "hypervolume": "progress",
    "importance": "importance_pictures",
    "learning_curves": "curves",
    "parallel": "lines",
    "pareto": "front",
    "slice_plot": "slicing",
    "slices": "slicing",
    "write": "page",
}

__all__ = ["hypervolume", "importance", "learning_curves", "parallel", "pareto", "slice_plot", "slices", "write"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
