"""What ``search_quality`` has run: a parquet file with a row a complete training, and a journal of what ran since.

What was paid for trainings that were not completed is added to the next one that was: no score changes by that.
The journal gets a line a search when it ends, so a run that is cut off loses one search; the next run packs it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Set
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from nas_moo.errors import UserInputError
from nas_moo.replay.table import RecordedTable
from nas_moo.replay.trace import Trace

Key: TypeAlias = tuple[str, str, int]  # table, arm, seed


@dataclass(frozen=True)
class Search:
    """One finished search.

    Attributes:
        digest: Of what the table held.
        trials: Full trainings that it was allowed.
        cpu_ms: CPU milliseconds a proposal, the mean.
        asked: Distinct architectures whose costs it asked for.
        rows: Of the complete trainings, in their order.
        fulls: What was paid since the one before, in full trainings.
    """

    table: str
    digest: str
    arm: str
    seed: int
    trials: int
    cpu_ms: float
    asked: int
    rows: list[int]
    fulls: list[float]

    @property
    def key(self) -> Key:
        """What no second search has."""
        return self.table, self.arm, self.seed

    def trace(self) -> Trace:
        """For the judge; of the proposals only the mean is known."""
        n = len(self.rows)
        return Trace(
            seed=self.seed,
            rows=np.array(self.rows, dtype=np.intp),
            fulls=np.array(self.fulls),
            complete=np.ones(n, dtype=bool),
            proposing=np.full(n, self.cpu_ms / 1000),
            asked=np.full(n, self.asked, dtype=np.intp),
            duplicates=0,
        )


def finished(table: RecordedTable, arm: str, trials: int, trace: Trace) -> Search:
    """A search as it is recorded."""
    paid = np.cumsum(trace.fulls)[trace.complete]
    return Search(
        table=table.name,
        digest=table.digest,
        arm=arm,
        seed=trace.seed,
        trials=trials,
        cpu_ms=round(1000 * float(trace.proposing.mean()), 4),
        asked=int(trace.asked[-1]),
        rows=trace.rows[trace.complete].tolist(),
        fulls=np.diff(paid, prepend=0.0).round(9).tolist(),
    )


class Record:
    """The searches in a parquet file and its journal."""

    def __init__(self, path: Path) -> None:
        self.path, self.journal = path, path.with_suffix(".jsonl")
        searches = [*_read_packed(path), *_read_journal(self.journal)]
        self.searches: dict[Key, Search] = {s.key: s for s in searches}  # the journal is newer

    def add(self, search: Search) -> None:
        """Write a search into the journal."""
        self.searches[search.key] = search
        self.journal.parent.mkdir(parents=True, exist_ok=True)
        with self.journal.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(search)) + "\n")

    def forget(self, arms: Set[tuple[str, str]]) -> None:
        """Drop all searches of these pairs of table and arm."""
        self.searches = {key: s for key, s in self.searches.items() if key[:2] not in arms}
        self.pack()

    def pack(self) -> None:
        """Write all into the parquet file, a row group a table, and remove the journal."""
        unpacked = self.path.with_suffix(".part")
        by_table: dict[str, list[Search]] = {}
        for search in sorted(self.searches.values(), key=lambda s: s.key):
            by_table.setdefault(search.table, []).append(search)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(unpacked, _SCHEMA, **_SMALL) as writer:
            for searches in by_table.values():
                writer.write_table(_columns(searches))
        unpacked.replace(self.path)
        self.journal.unlink(missing_ok=True)

    def of(self, table: RecordedTable, arm: str) -> list[Search]:
        """The searches of an arm on a table, by seed.

        Raises:
            UserInputError: the table held something else then.
        """
        found = [s for s in self.searches.values() if (s.table, s.arm) == (table.name, arm)]
        for search in found:
            if search.digest != table.digest:
                raise UserInputError(
                    f"{arm} searched a table {table.name} with other contents",
                    value=str(self.path),
                    do="Give another --out.",
                )
        return sorted(found, key=lambda s: s.seed)


_SCHEMA = pa.schema(
    [
        ("table", pa.string()),
        ("digest", pa.string()),
        ("arm", pa.string()),
        ("seed", pa.int16()),
        ("trials", pa.int32()),
        ("cpu_ms", pa.float32()),
        ("asked", pa.int32()),
        ("row", pa.int32()),
        ("fulls", pa.float64()),
    ]
)
_OF_SEARCH = ("table", "digest", "arm", "seed", "trials", "cpu_ms", "asked")
_SMALL: dict[str, Any] = {  # two thirds of the bytes of the default
    "use_dictionary": [*_OF_SEARCH, "fulls"],
    "column_encoding": {"row": "BYTE_STREAM_SPLIT"},
    "compression": "brotli",
    "compression_level": 11,
}


def _columns(searches: Iterable[Search]) -> pa.Table:
    frames = []
    for search in searches:
        frame = pd.DataFrame({"row": search.rows, "fulls": search.fulls})
        frames.append(frame.assign(**{name: getattr(search, name) for name in _OF_SEARCH}))
    return pa.Table.from_pandas(pd.concat(frames), schema=_SCHEMA, preserve_index=False)


def _read_packed(path: Path) -> list[Search]:
    if not path.is_file():
        return []
    frame = pd.read_parquet(path)
    found = []
    for _, part in frame.groupby(["table", "arm", "seed"], sort=False):
        about: dict[str, Any] = {name: part[name].tolist()[0] for name in _OF_SEARCH}
        found.append(Search(**about, rows=part["row"].tolist(), fulls=part["fulls"].tolist()))
    return found


def _read_journal(path: Path) -> list[Search]:
    """Its searches; a last line that was cut off is dropped."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [Search(**json.loads(line)) for line in lines[:-1]]
