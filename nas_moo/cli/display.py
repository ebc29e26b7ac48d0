"""What a person sees of a search: a live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from nas_moo.measurement import counted, format_quantity
from nas_moo.pareto import nondominated
from nas_moo.samplers.grid import duration
from nas_moo.study.progress import Event

if TYPE_CHECKING:
    from nas_moo.results import StudyResult
    from nas_moo.study.config import Setup

ROWS = 15  # of the live table; more do not fit a small terminal


class Display:
    """Listens to a search and shows it on standard error."""

    def __init__(self, setup: Setup) -> None:
        self._objectives = [(o.name, o.unit) for o in setup.objectives]
        self._console = Console(stderr=True)
        self._live = (
            Live(console=self._console, auto_refresh=False, transient=True) if self._console.is_terminal else None
        )
        self._front: list[tuple[str, list[float]]] = []
        self._muted = False
        self._begun, self._first_done, self._counts = time.monotonic(), 0, dict[str, int]()
        self._waited = 0.0  # for others on the device, which says nothing of how long trainings take

    def __enter__(self) -> Display:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if event["event"] == "start":
            self._first_done = event["done"]
            begun = "Goes on with" if event["done"] else "Begins"
            self._line(f"{begun} study {event['study']}: {event['done']} of {counted(event['asked'], 'training')} done")
        elif event["event"] in _TEXTS:
            if text := _TEXTS[event["event"]](event):
                self._line(text)
        elif event["event"] == "exhausted":
            self._line(f"Stops early: {event['reason']} ({event['architectures']}). {event['do']}")
        elif event["event"] == "contended":
            self._line(
                f"Something else used the device: the reference network moved by {event['drift']:+.1%}; the latencies "
                f"of {counted(len(event['networks']), 'network')} are marked, and were measured again"
            )
        elif event["event"] == "end":
            reached = "The time limit is reached: " if event["out_of_time"] else ""
            elsewhere = f", {n} running in other workers" if (n := event["running_elsewhere"]) else ""
            self._line(reached + self._status(event) + elsewhere)
        elif event["event"] == "trial":
            self._trial(event)

    def _trial(self, event: Event) -> None:
        self._waited += event["seconds_waiting"]
        self._counts[event["state"]] = self._counts.get(event["state"], 0) + 1
        if event["state"] == "complete":
            self._add(event["id"], [event["values"][name] for name, _ in self._objectives])
        if self._live is not None:
            self._live.update(Group(self._table(), Text(self._status(event))), refresh=True)
            return
        told = "  ".join(
            f"{name} {format_quantity(event['values'][name], unit)}{_caveats(event['caveats'].get(name, ()))}"
            for name, unit in self._objectives
            if name in event["values"]
        )
        why = f"  ({event['reason']})" if event["reason"] else ""
        self._line(
            f"{event['done']:>4}/{event['asked']}  {event['id']}  {event['state']:<9} {told}{why}  {self._time(event)}"
        )

    def _add(self, model: str, values: list[float]) -> None:
        grown = [*self._front, (model, values)]
        keep = nondominated(np.array([v for _, v in grown]))
        self._front = [entry for entry, kept in zip(grown, keep, strict=True) if kept]

    def _table(self) -> Table:
        table = Table(title=f"front so far: {counted(len(self._front), 'model')}", title_justify="left")
        table.add_column("model")
        for name, _ in self._objectives:
            table.add_column(name, justify="right")
        shown = sorted(self._front, key=lambda entry: entry[1])
        for model, values in shown[:ROWS]:
            table.add_row(model, *(format_quantity(v, u) for v, (_, u) in zip(values, self._objectives, strict=True)))
        if len(shown) > ROWS:
            table.add_row(f"… {len(shown) - ROWS} more", *[""] * len(self._objectives))
        return table

    def _status(self, event: Event) -> str:
        counts = ", ".join(f"{n} {state}" for state, n in sorted(self._counts.items()))
        return f"{event['done']} of {counted(event['asked'], 'training')} ({counts})   {self._time(event)}"

    def _time(self, event: Event) -> str:
        elapsed = time.monotonic() - self._begun
        working, here = max(elapsed - self._waited, 0.0), event["done"] - self._first_done
        if not here or event["done"] >= event["asked"]:
            return f"{duration(elapsed)}"
        return f"{duration(elapsed)}, about {duration(working / here * (event['asked'] - event['done']))} to go"

    def _line(self, text: str) -> None:
        if self._live is not None:
            self._live.console.print(text, highlight=False)
        elif not self._muted:
            try:
                print(text, file=sys.stderr, flush=True)
            except BrokenPipeError:  # nobody watches any more; the search goes on
                self._muted = True


def _judged(event: Event) -> str:
    """A decision to stop is told with its trial's end; one that was overruled, at once."""
    if not event["control"]:
        return ""
    return f"Trial {event['number']} trains on, to see whether {event['pruner']} is right: {event['reason']}"


def _thawed(event: Event) -> str:
    promises = "it promises more than a new one" if event["by"] == "sampler" else "the pruner would no longer stop it"
    if not event["epoch"]:
        return f"Trains {event['id']} anew, which was pruned: {promises}, and its checkpoint is not here"
    return f"Goes on with {event['id']}, which was pruned after epoch {event['epoch']}: {promises}"


_TEXTS: Mapping[str, Callable[[Event], str]] = {
    "note": lambda e: str(e["text"]),
    "anew": lambda e: f"Begins {e['study']} anew: {e['reason']}",
    "lost": lambda e: f"Trial {e['number']} is lost: {e['reason']}",
    "interrupted": lambda e: f"Trial {e['number']} was interrupted ({e['reason']}) and will not count",
    "judged": _judged,
    "thawed": _thawed,
}


def _caveats(caveats: Sequence[str]) -> str:
    return f" ({', '.join(caveats)})" if caveats else ""


def print_front(result: StudyResult) -> None:
    """The front as a table on standard output."""
    front = result.front()
    table = Table(
        title=f"Pareto front of {result.name}: {len(front)} of {counted(len(result.complete), 'complete model')}"
    )
    table.add_column("model", no_wrap=True)
    for o in result.objectives:
        table.add_column(o.name, justify="right", no_wrap=True)
    for _, row in front.iterrows():
        table.add_row(row["id"], *(interval_text(row, o.name, o.unit) for o in result.objectives))
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def interval_text(row: Any, name: str, unit: str) -> str:
    """A value with its interval: ``3.1 % (1.8 – 5.2)``; without, where it is exact."""
    value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    if low == high:
        return format_quantity(value, unit)
    scale = 100.0 if unit == "fraction" else 1.0
    return f"{format_quantity(value, unit)} ({low * scale:.3g} – {high * scale:.3g})"
