"""What happens in a search, as events: always one JSON line each in the study's log, and to whoever listens."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from nas_moo.study.storage import now

Event: TypeAlias = dict[str, Any]
Listener: TypeAlias = Callable[[Event], None]


class EventLog:
    """Appends events to ``log.jsonl`` and hands them on.

    An event has ``event`` (anew, start, note, interrupted, lost, judged, thawed, trial, contended, exhausted, end),
    ``time`` and its own fields. A line is written whole, so that several workers can share the file.
    """

    def __init__(self, folder: Path, listener: Listener | None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self._listener = folder / "log.jsonl", listener

    def __call__(self, event: str, **fields: Any) -> None:
        """Log one event."""
        told = {"event": event, "time": now(), **fields}
        with self.path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(told) + "\n")
        if self._listener is not None:
            self._listener(told)
