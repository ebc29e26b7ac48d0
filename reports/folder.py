"""A report's folder: taken only where nothing of another's is lost, and written so that no file is ever half there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from nas_moo.errors import MachineError, UserInputError

MARKER = ".nas-moo-report.json"
_PARTIAL = ".partial"


def claim(out: Path) -> None:
    """Make sure that a report may be written into ``out``.

    Raises:
        UserInputError: it is a file, or a folder with something else in it.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise UserInputError("the report's folder is a file", value=str(out), do="Give the name of a folder.")
    if any(out.iterdir()) and not (out / MARKER).is_file():
        raise UserInputError(
            "the report's folder holds something that is no report",
            value=str(out),
            do="Give a new or empty folder; an earlier report is replaced.",
        )


def fill(out: Path, files: Mapping[str, bytes]) -> None:
    """Write the files; each replaces its predecessor at once, and what an earlier report alone had is removed.

    The last file is written last: give the page there, so that it never speaks of a file that is not there yet.

    Raises:
        MachineError: the disk refuses.
    """
    try:
        earlier = _earlier(out)
        _replace(out / MARKER, _marker({*files, *earlier}))  # first: a cut-off write still is our folder
        for name, content in files.items():
            _replace(out / name, content)
        for name in sorted(earlier - set(files)):
            (out / name).unlink(missing_ok=True)
        _replace(out / MARKER, _marker(set(files)))
    except OSError as error:
        raise MachineError(
            f"the report cannot be written: {error.strerror or error}",
            value=str(out),
            do="Free space, or give another folder.",
        ) from error


def _marker(names: set[str]) -> bytes:
    return (json.dumps({"format": 1, "files": sorted(names)}, indent=1) + "\n").encode()


def _earlier(out: Path) -> set[str]:
    """Names that an earlier report lists; only plain ones inside the folder, whatever the file says."""
    try:
        listed = json.loads((out / MARKER).read_text())["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    names = {n for n in listed if isinstance(n, str)} if isinstance(listed, list) else set()
    return {n for n in names if not Path(n).is_absolute() and ".." not in Path(n).parts}


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name.lstrip('.')}{_PARTIAL}")
    partial.write_bytes(content)
    partial.replace(path)
