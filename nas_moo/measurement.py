"""A number with its unit, its interval and how it was obtained; and the reading of limits such as ``2ms``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from nas_moo.errors import UnknownNameError, UserInputError

EXACT = "exact"
NOT_RECORDED = "no interval recorded"  # the value is uncertain, and nobody knows by how much
# Percentiles of a timing, which a limit may name (latency_p99), and the single calls that each takes: three lie beyond.
TAILS = {"p95": 60, "p99": 300}
DRIFT_LIMIT = 0.02  # by which the reference network moves by itself, relative to before
_SCALES = {
    "n": 1e-9,
    "u": 1e-6,
    "µ": 1e-6,
    "μ": 1e-6,
    "m": 1e-3,
    "": 1.0,
    "k": 1e3,
    "K": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
}
_QUANTITY = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([^\d\s]*)\s*")


@dataclass(frozen=True)
class Measurement:
    """One measured value.

    Attributes:
        value: The number, in ``unit``.
        unit: "fraction", "nats", "FLOPs", "parameters", "ms" ...
        low: Lower end of the interval; equals ``value`` where ``interval`` is "exact" or "no interval recorded".
        high: Upper end of the interval.
        interval: What the interval is, for a reader: "95 % Wilson", "range over 5 folds", "exact".
        n: How many samples, blocks or folds stand behind the value.
        method: How it was obtained. Two values with different methods never share a front.
        details: Whatever else belongs in the record, as plain JSON. Under "caveats": what a reader must know before
            trusting the number, a few words each, "not converged" for example.
    """

    value: float
    unit: str
    low: float
    high: float
    interval: str
    n: int
    method: str
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for end in ("value", "low", "high"):
            if hasattr(getattr(self, end), "item"):  # a scalar of numpy or torch is no plain JSON
                object.__setattr__(self, end, getattr(self, end).item())
        if not all(math.isfinite(v) for v in (self.value, self.low, self.high)):
            raise UserInputError(
                "a measurement is not a finite number",
                value=(self.low, self.value, self.high),
                do="End the trial as failed; only finite values are stored.",
            )
        if not self.low <= self.value <= self.high:
            raise UserInputError(
                "a measurement lies outside its own interval",
                value=(self.low, self.value, self.high),
                do="Give low <= value <= high.",
            )
        if self.n < 1:
            raise UserInputError("a measurement stands on nothing", value=self.n, do="Give n >= 1.")

    @classmethod
    def exact(cls, value: float, unit: str, method: str, **details: Any) -> Measurement:
        """A value without uncertainty, such as a count."""
        return cls(value, unit, value, value, EXACT, 1, method, details)

    def to_dict(self) -> dict[str, Any]:
        """The measurement as plain JSON."""
        return asdict(self) | {"details": dict(self.details)}

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a reader must know before trusting the number; usually nothing."""
        return tuple(self.details.get("caveats", ()))

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Measurement:
        """Read what ``to_dict`` wrote."""
        return cls(**record)


def split_tail(name: str) -> tuple[str, str]:
    """``latency_p99`` as ``("latency", "p99")``; any other name with an empty tail."""
    base, _, tail = name.rpartition("_")
    return (base, tail) if base and tail in TAILS else (name, "")


def surely_at_least(measurements: Mapping[str, Measurement], name: str) -> float | None:
    """The lower end of a measurement, or the percentile that a limit's name ends in; None where it is not known."""
    base, tail = split_tail(name)
    if name in measurements or base not in measurements:
        return measurements[name].low if name in measurements else None
    found = measurements[base].details.get(tail)
    return None if found is None else float(found)


def parse_quantity(text: str | float, unit: str) -> float:
    """Read a limit in ``unit``: ``"2ms"``, ``"500us"``, ``"50M"``, ``"1.2GFLOPs"``, ``"5%"``, ``0.05``.

    A number without a unit is taken in ``unit`` itself.

    Raises:
        UserInputError: no number, or a unit that does not measure the same thing.
    """
    if isinstance(text, int | float) and not isinstance(text, bool):
        return float(text)
    match = _QUANTITY.fullmatch(str(text))
    if match is None:
        raise UserInputError(
            "this is no quantity", value=text, do=f"Write a number and a unit, such as {_example(unit)}."
        )
    number, suffix = float(match[1]), match[2]
    if not suffix:
        return number
    if unit == "fraction":
        scale = {"%": 0.01, "fraction": 1.0}.get(suffix)
    elif unit in ("ms", "s", "MiB"):
        scale = _physical(suffix, unit)
    else:
        stem = suffix.removesuffix(unit).removesuffix(unit.removesuffix("s"))
        scale = _SCALES.get(stem) if stem in ("", "k", "K", "M", "G", "T") else None
    if scale is None:
        raise UnknownNameError("unit", suffix, _known_units(unit), also=f"Write it like {_example(unit)}.")
    return number * scale


def format_quantity(value: float, unit: str, digits: int = 3) -> str:
    """A value as a person writes it: ``12.3 %``, ``1.81 MFLOPs``, ``0.412 ms``."""
    if unit == "fraction":
        return f"{value * 100:.{digits}g} %"
    if unit == "ms":
        scaled, name = (
            (value * 1e3, "µs") if 0 < abs(value) < 0.1 else (value, "ms") if abs(value) < 1e4 else (value / 1e3, "s")
        )
        return f"{scaled:.{digits}g} {name}"
    if unit in ("FLOPs", "parameters"):
        for scale, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
            if abs(value) >= scale:
                return (
                    f"{value / scale:.{digits}g} {prefix}{unit}"
                    if unit == "FLOPs"
                    else f"{value / scale:.{digits}g} {prefix} {unit}"
                )
        return f"{value:.0f} {unit}"
    return f"{value:.{digits}g} {unit}"


def counted(count: float, noun: str, plural: str = "") -> str:
    """A count with its noun: ``1 epoch``, ``2 epochs``, ``1,000 models``; a plural that takes no "s" is given."""
    told = f"{int(count):,}" if count == int(count) else f"{count:,g}"
    return f"{told} {noun if count == 1 else plural or noun + 's'}"


def _physical(suffix: str, unit: str) -> float | None:
    if unit == "MiB":
        return {
            "B": 2**-20,
            "KiB": 2**-10,
            "MiB": 1.0,
            "GiB": 1024.0,
            "kB": 1e3 / 2**20,
            "MB": 1e6 / 2**20,
            "GB": 1e9 / 2**20,
        }.get(suffix)
    if not suffix.endswith("s") or suffix[:-1] not in ("", "m", "u", "µ", "μ", "n"):
        return None
    return _SCALES[suffix[:-1]] / (1e-3 if unit == "ms" else 1.0)


def _known_units(unit: str) -> tuple[str, ...]:
    known = {
        "fraction": ("%",),
        "ms": ("s", "ms", "us", "ns"),
        "s": ("s", "ms", "us", "ns"),
        "MiB": ("KiB", "MiB", "GiB", "MB", "GB"),
    }
    return known.get(unit, ("k", "M", "G", "T", unit))


def _example(unit: str) -> str:
    return {"fraction": "5%", "ms": "2ms", "s": "2s", "MiB": "10MiB"}.get(unit, "50M")
