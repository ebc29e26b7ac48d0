"""Data: a *Dataset* is found by its name and divided into a *Split* of training, validation and test parts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nas_moo.data import sources
from nas_moo.data.dataset import Dataset
from nas_moo.data.sources import Arrays
from nas_moo.data.splits import Part, Scaling, Split, split
from nas_moo.errors import UnknownNameError, UserInputError
from nas_moo.space import load_object, user_path

__all__ = ["Dataset", "Part", "Scaling", "Split", "load_data", "split"]

FORMS = (
    "Or your own: file.npz (x, y), a folder of class folders with images, a folder of MNIST's idx files, "
    "file.py:function, package.module:function."
)


def load_data(reference: str | Dataset) -> Dataset:
    """Find a data set.

    Args:
        reference: ``digits``; ``file.npz``; a folder with one folder of images a class; a folder of MNIST's idx files;
            ``file.py:function`` or ``package.module:function`` that returns a Dataset, a dictionary as in an npz, or a
            tuple (x, y) or (x, y, x_test, y_test); or a Dataset, which is returned as it is.

    Raises:
        UnknownNameError: none of these forms.
        UserInputError: it is there and cannot be read, or is no sound data set.
    """
    if isinstance(reference, Dataset):
        return reference
    path = user_path(reference)
    if reference == "digits":
        return _made("digits", "digits", sources.digits())
    if path.suffix == ".npz":
        if not path.is_file():
            raise UserInputError("there is no such data file", value=reference, do="Check the path.")
        return _made(path.stem, str(path), sources.from_npz(path))
    if path.is_dir():
        idx = sources.is_idx_folder(path)
        read = sources.from_idx_folder if idx else sources.from_image_folder
        return _made(path.name, str(path), read(path))
    if ":" in reference:
        function, where = load_object(reference, kind="data function")
        return _made(where.rpartition(":")[2], where, sources.from_function(function, where))
    raise UnknownNameError("data set", reference, ["digits"], also=FORMS)


def _made(name: str, reference: str, found: Any) -> Dataset:
    if isinstance(found, Dataset):
        return replace(found, reference=reference)
    if not isinstance(found, Arrays):
        raise UserInputError(
            "a data function returned no data",
            value=type(found).__name__,
            do="Return a nas_moo.Dataset, a dictionary with x and y, or a tuple (x, y) or (x, y, x_test, y_test).",
        )
    return Dataset.from_arrays(
        name, found.x, found.y, found.x_test, found.y_test, class_names=found.class_names, reference=reference
    )
