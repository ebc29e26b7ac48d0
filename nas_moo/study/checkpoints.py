"""What pruned trials keep on the disk, so that their training can go on; bounded, and no code in it.

A file holds the snapshots of one trial, one a fold: tensors as safetensors, the plain numbers as JSON in its header.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from nas_moo.errors import CorruptError
from nas_moo.snapshot import Snapshot
from nas_moo.study import tensor_files
from nas_moo.study.tensor_files import SUFFIX

MOST_BYTES = 2**30  # of all checkpoints of a study
_HEADER = "nas_moo"


def save(folder: Path, number: int, snapshots: Sequence[Snapshot]) -> None:
    """Keep the snapshots of a trial."""
    from safetensors.torch import save_file

    tensors = {f"{fold}/{name}": value for fold, s in enumerate(snapshots) for name, value in s.tensors.items()}
    header = {_HEADER: json.dumps([dict(s.numbers) for s in snapshots])}
    tensor_files.write(_path(folder, number), lambda partial: save_file(tensors, partial, metadata=header))


def load(folder: Path, number: int, *, folds: int, epoch: int) -> tuple[Snapshot, ...]:
    """The snapshots of a trial.

    Args:
        folder: Of the study.
        number: Of the trial.
        folds: How many there have to be.
        epoch: After which they have to be taken.

    Raises:
        CorruptError: the file is not what was written, or of another training.
    """
    from safetensors import SafetensorError, safe_open

    path = _path(folder, number)
    tensor_files.check(path, do="Its trial begins anew.")
    try:
        with safe_open(path, framework="pt", device="cpu") as stored:
            numbers = json.loads(stored.metadata()[_HEADER])
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - it is no mapping
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CorruptError(
            f"a checkpoint cannot be read ({error})", value=str(path), do="Its trial begins anew."
        ) from error
    found = tuple(
        Snapshot({n.removeprefix(f"{fold}/"): v for n, v in tensors.items() if n.startswith(f"{fold}/")}, plain)
        for fold, plain in enumerate(numbers)
    )
    if [s.epoch for s in found] != [epoch] * folds:
        raise CorruptError("a checkpoint is of another training", value=str(path), do="Its trial begins anew.")
    return found


def kept(folder: Path) -> dict[int, int]:
    """Bytes of each checkpoint, by the number of its trial."""
    sizes = {}
    for path in (folder / "checkpoints").glob(f"*{SUFFIX}"):
        try:
            sizes[int(path.name.removesuffix(SUFFIX))] = path.stat().st_size
        except (FileNotFoundError, ValueError):  # another worker removed it just now, or it is none of ours
            continue
    return sizes


def remove(folder: Path, number: int) -> None:
    """Delete the checkpoint of a trial, where there is one."""
    tensor_files.remove(_path(folder, number))


def to_drop(sizes: Mapping[int, int], hopelessness: Mapping[int, float], most: int = MOST_BYTES) -> list[int]:
    """Which checkpoints have to go so that the rest takes at most ``most`` bytes: the oldest and most hopeless first.

    Args:
        sizes: Bytes by trial number.
        hopelessness: Larger is worse; a trial without one counts as the worst.
        most: Bytes that may stay.
    """
    by_age = sorted(sizes, reverse=True)
    by_hope = sorted(sizes, key=lambda n: (hopelessness.get(n, float("inf")), -n))
    place = {n: by_age.index(n) + by_hope.index(n) for n in sizes}
    total, gone = sum(sizes.values()), []
    for number in sorted(sizes, key=lambda n: (-place[n], n)):
        if total <= most:
            break
        gone.append(number)
        total -= sizes[number]
    return gone


def _path(folder: Path, number: int) -> Path:
    return folder / "checkpoints" / f"{number}{SUFFIX}"
