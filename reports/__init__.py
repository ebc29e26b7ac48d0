"""What a study shows: one question a file, and a page that puts the answers together.

- a *gather* function takes a ``StudyResult`` to a small frozen record: pure, and what the tests compare with numbers;
- a *draw* function takes the record and, if wanted, matplotlib axes, and returns the axes;
- ``pareto``, ``hypervolume``, ``learning_curves``, ``validation_against_test`` and
  ``flops_against_latency`` do both at once, for notebooks and papers;
- ``write`` makes the folder that ``nas-moo report`` leaves: ``index.html``, figures and tables.

Each name is loaded when it is first used; importing this package imports neither seaborn nor pandas.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.curves import learning_curves
    from reports.front import pareto
    from reports.page import write
    from reports.progress import hypervolume
    from reports.proxy import flops_against_latency
    from reports.unseen import validation_against_test

_HOMES = {
    "flops_against_latency": "proxy",
    "hypervolume": "progress",
    "learning_curves": "curves",
    "pareto": "front",
    "validation_against_test": "unseen",
    "write": "page",
}

__all__ = [
    "flops_against_latency",
    "hypervolume",
    "learning_curves",
    "pareto",
    "validation_against_test",
    "write",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
