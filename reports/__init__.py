"""What a study shows: one question a file, and a page that puts the answers together.

- a *gather* function takes a ``StudyResult`` to a small frozen record: pure, and what the tests compare with numbers;
- a *draw* function takes the record and, if wanted, matplotlib axes, and returns the axes;
- ``pareto``, ``hypervolume`` and ``learning_curves`` do both at once, for notebooks and papers;
- ``write`` makes the folder that ``nas-moo report`` leaves: ``index.html``, figures and tables; ``write_comparison``
  that of ``nas-moo compare``, of several studies.

Each name is loaded when it is first used; importing this package imports neither seaborn nor pandas.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.compare import write_comparison
    from reports.curves import learning_curves
    from reports.front import pareto
    from reports.page import write
    from reports.progress import hypervolume

_HOMES = {
    "hypervolume": "progress",
    "learning_curves": "curves",
    "pareto": "front",
    "write": "page",
    "write_comparison": "compare",
}

__all__ = ["hypervolume", "learning_curves", "pareto", "write", "write_comparison"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
