"""nas-moo: multi-objective architecture search that ends in a model you can deploy, and the evidence for it.

The nouns, in the order a reader meets them:

- a *Genome* is the list of genes of a search space; ``Integer``, ``Real`` and ``Categorical`` are genes;
- an *Architecture* is one choice of values, without weights;
- a *SearchSpace* turns an architecture into a network, and a *Recipe* says how that is trained;
- an *objective* measures a network: each *Measurement* has a unit, an interval and a method;
- ``search`` runs a study and returns its *StudyResult*: frozen tables, the front, and the models on it.

Importing this package imports neither torch nor optuna nor pandas; each name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas_moo.data import Dataset
    from nas_moo.errors import NasMooError
    from nas_moo.genes import Categorical, Integer, Real, at_least, one_of
    from nas_moo.genome import Architecture, Genome
    from nas_moo.measurement import Measurement
    from nas_moo.results import StudyResult
    from nas_moo.space import Recipe, SearchSpace, load_space
    from nas_moo.study.run import search
    from nas_moo.study.storage import load_study

__version__ = "0.1.0"

_HOMES = {
    "Architecture": "genome",
    "Categorical": "genes",
    "Dataset": "data",
    "Genome": "genome",
    "Integer": "genes",
    "Measurement": "measurement",
    "NasMooError": "errors",
    "Real": "genes",
    "Recipe": "space",
    "SearchSpace": "space",
    "StudyResult": "results",
    "at_least": "genes",
    "load_space": "space",
    "load_study": "study.storage",
    "one_of": "genes",
    "search": "study.run",
}

__all__ = [
    "Architecture",
    "Categorical",
    "Dataset",
    "Genome",
    "Integer",
    "Measurement",
    "NasMooError",
    "Real",
    "Recipe",
    "SearchSpace",
    "StudyResult",
    "at_least",
    "load_space",
    "load_study",
    "one_of",
    "search",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
