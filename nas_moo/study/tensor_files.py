"""Files of tensors: safetensors, there whole or not at all, with their SHA-256 beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from nas_moo.errors import CorruptError, MachineError

SUFFIX, SUM = ".safetensors", ".sha256"


def write(target: Path, save: Callable[[str], object]) -> None:
    """Write a file and its sum.

    Args:
        target: Ends in ``SUFFIX``.
        save: Writes what is kept to the path that it is given.

    Raises:
        MachineError: the disk refuses.
    """
    from safetensors import SafetensorError

    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    try:
        save(str(partial))
    except SafetensorError as error:
        raise MachineError(
            f"weights cannot be written ({error})", value=str(target), do="Free space on the disk, and search on."
        ) from error
    target.with_suffix(SUM).write_text(_sha256(partial) + "\n", encoding="ascii")
    partial.replace(target)


def check(path: Path, *, do: str) -> None:
    """Raise where a file is not what was written.

    Raises:
        CorruptError: it, or its sum, was changed or is gone; says what to ``do``.
    """
    beside = path.with_suffix(SUM)
    try:
        same = beside.read_text(encoding="ascii").strip() == _sha256(path)
    except FileNotFoundError:  # another worker may have removed it a moment ago
        same = False
    if not same:
        raise CorruptError("a weights file is not what was written", value=str(path), do=do)


def remove(path: Path) -> None:
    """Delete a file and its sum, where they are there."""
    for suffix in (SUFFIX, SUM):
        path.with_suffix(suffix).unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
