"""What a network is measured by: one file an objective.

The nouns:

- a *Candidate* is what is measured: an architecture, the network it makes, and, once trained, its *Predictions*;
- an *Objective* turns a candidate into a *Measurement*. All are minimised;
- its *stage* says when it can: ``static`` needs the untrained network, ``device`` the device at hand, alone, and
  ``trained`` the predictions of the trained network.

The built-in ones are error, balanced_error and nll (trained), params and flops (static), and those of the device: the
latencies (``latency_eager``, ``latency_compiled``, ``latency_onnx``, ``latency_trt``), ``throughput`` (or
``throughput@20ms``, with the best batch within a latency) and ``memory``. ``latency`` stands for the one of the device
at hand: the replay of a CUDA graph on a GPU, ``latency_eager`` on a CPU. A class of your own with the members of
``Objective`` is one too: ``file.py:Name``.

Importing this package imports no torch and no fvcore; each objective brings its own when it is loaded.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, cast, runtime_checkable

from nas_moo.errors import UnknownNameError, UserInputError
from nas_moo.measurement import parse_quantity
from nas_moo.space import load_object

if TYPE_CHECKING:
    import torch
    from torch import nn

    from nas_moo.evaluation import Predictions
    from nas_moo.genome import Architecture
    from nas_moo.measurement import Measurement

__all__ = ["STAGES", "Candidate", "Conditioned", "Objective", "Stage", "known_objectives", "load_objective"]

Stage: TypeAlias = Literal["static", "device", "trained"]
STAGES: tuple[Stage, ...] = ("static", "device", "trained")
_HOMES = {
    "error": "error:Error",
    "balanced_error": "error:BalancedError",
    "nll": "error:NLL",
    "params": "params:Params",
    "flops": "flops:Flops",
    "latency_eager": "latency:LatencyEager",
    "latency_compiled": "latency:LatencyCompiled",
    "latency_onnx": "latency:LatencyOnnx",
    "latency_trt": "latency:LatencyTrt",
    "throughput": "throughput:Throughput",
    "memory": "memory:Memory",
}
_GRAPH = "latency:LatencyGraph"  # what latency is on a GPU
_LATENCY = "latency"
_TEXTS = ("name", "unit", "label", "method")


@dataclass(frozen=True, eq=False)
class Candidate:
    """What is measured.

    Attributes:
        architecture: The active genes.
        model: The network, on any device; an objective leaves it as it was.
        input_shape: Of one example, without the batch.
        n_classes: Length of the network's output.
        device: The device at hand, where latency is measured.
        predictions: Of the trained network, one entry a fold; empty before training.
    """

    architecture: Architecture
    model: nn.Module
    input_shape: tuple[int, ...]
    n_classes: int
    device: torch.device
    predictions: tuple[Predictions, ...] = ()


class Objective(Protocol):
    """One number a network is measured by, always minimised."""

    @property
    def name(self) -> str:
        """An identifier: the column's name, and what limits are given for."""
        ...

    @property
    def unit(self) -> str:
        """The unit of each measurement: "fraction", "FLOPs", "ms" ..."""
        ...

    @property
    def label(self) -> str:
        """For an axis or a table's head."""
        ...

    @property
    def stage(self) -> Stage:
        """When it can be measured."""
        ...

    @property
    def log(self) -> bool:
        """Whether its axis and its share of the hypervolume are logarithmic: true for a cost, false for an error."""
        ...

    @property
    def method(self) -> str:
        """How it is obtained. Values with different methods never share a front."""
        ...

    def measure(self, candidate: Candidate) -> Measurement:
        """Measure the candidate, and leave its model as it was."""
        ...


@runtime_checkable
class Conditioned(Protocol):
    """An objective whose values hold on one device, under one set of conditions, and are compared only there."""

    @property
    def conditions(self) -> list[str]:
        """What values depend on beside the network and its input, one a text."""
        ...

    def is_same(self, candidate: Candidate, known: Measurement) -> bool:
        """Whether a stored measurement is what ``measure`` would give."""
        ...


def known_objectives() -> tuple[str, ...]:
    """The names that ``load_objective`` knows."""
    return (*_HOMES, _LATENCY)


def load_objective(
    reference: str,
    *,
    device: torch.device,
    batch: int = 1,
    precision: float | None = None,
    cold_cache: bool = False,
    percentiles: bool = False,
    allow_uncounted: bool = False,
) -> Objective:
    """Find an objective.

    Args:
        reference: A name from ``known_objectives``, ``file.py:Name`` or ``package.module:Name``; there, a class that
            can be made without arguments, or an instance.
        device: The device at hand; chooses what ``latency`` means, and is where it is measured.
        batch: Examples a call, for the latency objectives. FLOPs are always those of one example.
        precision: Of latencies: the share of the value that the interval may reach to either side; None is the quick
            preset of a search.
        cold_cache: Latencies are timed with emptied caches.
        percentiles: Latencies are timed call by call, so that p95 and p99 are known of quick networks, too.
        allow_uncounted: For flops: leave out operators whose count is not known, and mark the measurement.

    Raises:
        UnknownNameError: no such name.
        UserInputError: what was found is no objective, or there is no such device.
    """
    if ":" in reference:
        found, _ = load_object(reference, kind="objective")
        return _checked(found, reference)
    name, at, limit = reference.partition("@")
    home = _HOMES.get(name)
    if name == _LATENCY:
        home = _GRAPH if str(device).startswith("cuda") else _HOMES["latency_eager"]
    if home is None or (at and name != "throughput"):
        raise UnknownNameError("objective", reference, known_objectives(), also="Or your own: my_file.py:Name.")
    module, _, attribute = home.partition(":")
    made = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    if name == "flops":
        return cast("Objective", made(allow_uncounted=allow_uncounted))
    if module not in ("latency", "throughput", "memory"):
        return cast("Objective", made())
    if str(device).startswith("cuda"):
        from nas_moo.device import resolve_device

        resolve_device(str(device))  # refuses one that is not there
    if module == "memory":
        return cast("Objective", made(device, batch=batch))
    from nas_moo.objectives.timing import one_by_one, with_precision

    preset = one_by_one(with_precision(precision)) if percentiles else with_precision(precision)
    how: dict[str, Any] = {"batch": batch, "preset": preset, "cold_cache": cold_cache}
    return cast("Objective", made(device, **how, **({"limit_ms": parse_quantity(limit, "ms")} if at else {})))


def _checked(found: Any, reference: str) -> Objective:
    if isinstance(found, type):
        try:
            found = found()
        except Exception as error:
            raise UserInputError(
                f"the objective cannot be made without arguments ({type(error).__name__}: {error})",
                value=reference,
                do="Give its __init__ defaults, or name an instance.",
            ) from error
    lacking = [m for m in (*_TEXTS, "stage", "log", "measure") if not hasattr(found, m)]
    if lacking:
        raise UserInputError(
            f"this is no objective: it lacks {', '.join(lacking)}",
            value=reference,
            do="An objective has name, unit, label, stage, log, method and measure(candidate) -> Measurement.",
        )
    for member in _TEXTS:
        if not isinstance(getattr(found, member), str) or not getattr(found, member):
            raise _wrong(member, getattr(found, member), reference, "a text that is not empty")
    if not found.name.isidentifier():
        raise _wrong("name", found.name, reference, "letters, digits and underscores")
    if found.stage not in STAGES:
        raise _wrong("stage", found.stage, reference, f"one of {', '.join(STAGES)}")
    if not isinstance(found.log, bool):
        raise _wrong("log", found.log, reference, "True or False")
    if not callable(found.measure):
        raise _wrong("measure", found.measure, reference, "a method that takes a Candidate")
    return cast("Objective", found)


def _wrong(member: str, value: Any, reference: str, wanted: str) -> UserInputError:
    return UserInputError(f"the {member} of objective {reference} is wrong", value=value, do=f"Make it {wanted}.")
