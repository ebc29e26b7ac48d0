"""Where data comes from: files, folders and functions, read into plain arrays.

What is read here is checked by ``nas_moo.data.dataset``; this file only knows formats.
"""

from __future__ import annotations

import gzip
import math
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_moo.errors import UserInputError

KEYS = ("x", "y", "x_test", "y_test", "class_names")
LARGEST_SIDE = 224
LISTED_PROBLEMS = 20
_IDX_TRAIN = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
_IDX_TEST = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_IDX_UNSIGNED_BYTE = 0x08
_DEEP_MODES = ("I", "F")  # more than 8 bits a channel: Pillow would clip them


@dataclass(frozen=True, eq=False)
class Arrays:
    """Examples and labels as they were found, unchecked."""

    x: Any
    y: Any
    x_test: Any = None
    y_test: Any = None
    class_names: tuple[str, ...] | None = None


def digits() -> Arrays:
    """1,797 handwritten digits of 8 by 8 pixels, scaled to 0 to 1 (scikit-learn's ``load_digits``)."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return Arrays((found.images / 16).astype(np.float32), found.target)


def from_npz(path: Path) -> Arrays:
    """Read the arrays ``x``, ``y`` and, where they are there, ``x_test``, ``y_test``, ``class_names`` of an ``.npz``.

    Pickled objects are refused: they can run code.
    """
    with _reading(path):
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("one array, not an archive of named arrays")  # noqa: TRY004 - the file's fault
        with archive:
            found = {name: archive[name] for name in archive.files}
    return from_mapping(found, str(path))


def from_mapping(found: Mapping[str, Any], where: str) -> Arrays:
    """Name the arrays of a dictionary.

    Raises:
        UserInputError: ``x`` or ``y`` is missing, or a key means nothing here.
    """
    lacking = [key for key in ("x", "y") if key not in found]
    if lacking:
        raise UserInputError(
            f"{where} has no {' and no '.join(lacking)}",
            value=sorted(found),
            do="Name the examples x and their classes y: np.savez(file, x=..., y=...).",
        )
    unknown = sorted(set(found) - set(KEYS))
    if unknown:
        raise UserInputError(f"{where} has arrays of unknown meaning", value=unknown, do=f"Known: {', '.join(KEYS)}.")
    names = found.get("class_names")
    if names is not None and (isinstance(names, str) or np.ndim(names) != 1):
        raise UserInputError("class_names is no list", value=names, do="Give one name a class, in their order.")
    return Arrays(
        found["x"],
        found["y"],
        found.get("x_test"),
        found.get("y_test"),
        None if names is None else tuple(str(name) for name in names),
    )


def from_function(function: Any, reference: str) -> Any:
    """Call a user's function without arguments.

    Returns:
        ``Arrays`` where the function returned a dictionary or a tuple (x, y) or (x, y, x_test, y_test); anything else
        as it is.

    Raises:
        UserInputError: the function fails.
    """
    try:
        found = function() if callable(function) else function
    except (Exception, SystemExit) as error:
        raise UserInputError(
            f"the data function failed ({type(error).__name__}: {error})",
            value=reference,
            do="Call it in Python without arguments, and mend it.",
        ) from error
    if isinstance(found, Mapping):
        return from_mapping(found, reference)
    if isinstance(found, Sequence) and len(found) in (2, 4):
        return Arrays(*found)
    return found


def is_idx_folder(folder: Path) -> bool:
    """Whether the folder has the training images of MNIST's layout."""
    return _idx_file(folder, _IDX_TRAIN[0]) is not None


def from_idx_folder(folder: Path) -> Arrays:
    """Read the four idx files of MNIST's layout, gzipped or not; ``t10k`` becomes the test part.

    Source: http://yann.lecun.com/exdb/mnist (the format's description).
    """
    x, y = (_read_idx(_needed(folder, name)) for name in _IDX_TRAIN)
    if not any(_idx_file(folder, name) for name in _IDX_TEST):
        return Arrays(x, y)
    x_test, y_test = (_read_idx(_needed(folder, name)) for name in _IDX_TEST)
    return Arrays(x, y, x_test, y_test)


def from_image_folder(folder: Path) -> Arrays:
    """Read a folder with one folder of images for each class.

    Classes are numbered in alphabetical order. Every image is brought to the size of the first one (longest side at
    most 224 pixels): scaled to cover it, the overhang cut evenly. Images are grey if all of them are, else RGB.
    Names that begin with a dot, and files beside the class folders, are passed over.

    Raises:
        UserInputError: no class folders, an empty one, or files that are no readable image (up to 20 are listed).
    """
    classes = sorted(d for d in folder.iterdir() if d.is_dir() and not d.name.startswith("."))
    files = [(f, label) for label, d in enumerate(classes) for f in _visible(d)]
    problems = [f"{d.name}/: no image in it" for d in classes if not _visible(d)]
    modes = {file: _probe(file, problems) for file, _ in files}
    if not classes or problems:
        _refuse(folder, problems)
    mode = "L" if all(m in ("1", "L", "LA") for m in modes.values()) else "RGB"
    size = _size_of(files[0][0])
    pixels = [_pixels(file, mode, size) for file, _ in files]
    x = np.stack(pixels)
    return Arrays(
        x if mode == "L" else np.ascontiguousarray(x.transpose(0, 3, 1, 2)),
        np.array([label for _, label in files], np.int64),
        class_names=tuple(d.name for d in classes),
    )


def _visible(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if not f.name.startswith("."))


def _probe(file: Path, problems: list[str]) -> str:
    """Decode an image and return its mode; a failure is added to ``problems``."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            image.load()
            if image.mode.startswith(_DEEP_MODES):
                problems.append(f"{file.parent.name}/{file.name}: more than 8 bits a channel")
            return image.mode
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        problems.append(f"{file.parent.name}/{file.name}: {type(error).__name__}")
        return "L"


def _refuse(folder: Path, problems: Sequence[str]) -> None:
    if not problems:
        raise UserInputError(
            "the folder has no class folders and no idx files",
            value=str(folder),
            do="Make one folder of images for each class, or give MNIST's four idx files.",
        )
    more = len(problems) - LISTED_PROBLEMS
    raise UserInputError(
        f"the image folder has {len(problems)} fault(s)",
        value="; ".join(problems[:LISTED_PROBLEMS]) + (f"; and {more} more" if more > 0 else ""),
        do="Remove or replace these.",
    )


def _size_of(file: Path) -> tuple[int, int]:
    from PIL import Image, ImageOps

    with Image.open(file) as image:
        width, height = ImageOps.exif_transpose(image).size
    shrink = min(1.0, LARGEST_SIDE / max(width, height))
    return max(1, round(width * shrink)), max(1, round(height * shrink))


def _pixels(file: Path, mode: str, size: tuple[int, int]) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    with Image.open(file) as image:
        upright = ImageOps.exif_transpose(image).convert(mode)
    return np.asarray(upright if upright.size == size else ImageOps.fit(upright, size))


def _idx_file(folder: Path, name: str) -> Path | None:
    return next((p for p in (folder / name, folder / f"{name}.gz") if p.is_file()), None)


def _needed(folder: Path, name: str) -> Path:
    path = _idx_file(folder, name)
    if path is None:
        raise UserInputError(
            "an idx file is missing", value=str(folder / name), do="Images and labels go together; .gz is fine too."
        )
    return path


def _read_idx(path: Path) -> NDArray[np.uint8]:
    opened: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    with _reading(path), opened(path, "rb") as file:
        raw = file.read()
        zero, kind, n_dimensions = struct.unpack_from(">HBB", raw)
        if zero or kind != _IDX_UNSIGNED_BYTE:
            raise ValueError("no idx file of unsigned bytes")
        shape = struct.unpack_from(f">{n_dimensions}I", raw, 4)
        start = 4 + 4 * n_dimensions
        if len(raw) - start != math.prod(shape):
            raise ValueError(f"its head promises {math.prod(shape)} bytes, {len(raw) - start} follow")
        return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn everything that an unreadable file can raise into one error with the file's name."""
    try:
        yield
    except (OSError, EOFError, ValueError, KeyError, zlib.error, struct.error, zipfile.BadZipFile) as error:
        raise UserInputError(
            f"the file cannot be read ({type(error).__name__}: {error})",
            value=str(path),
            do="Check that it is complete and has no pickled objects in it; write it again.",
        ) from error
