"""Labelled examples, checked when they are made."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nas_moo.errors import UserInputError
from nas_moo.measurement import counted


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled examples, with a test part of their own or without.

    Attributes:
        name: Short and fit for a study's name.
        reference: What ``load_data`` finds it by again; empty for arrays passed from Python.
        x: Images of shape (examples, channels, height, width) or vectors of shape (examples, features), float32.
        y: Classes numbered 0 to K - 1, shape (examples,), int64. Each class has an example.
        class_names: One a class, in the order of their numbers.
        x_test: The given test part, or None where ``split`` has to cut one off.
        y_test: Its classes.
        digest: SHA-256 over all arrays, their shapes and the class names.

    Raises:
        UserInputError: anything of this does not hold, or a value of x is not finite.
    """

    name: str
    reference: str
    x: NDArray[np.float32]
    y: NDArray[np.int64]
    class_names: tuple[str, ...]
    x_test: NDArray[np.float32] | None = None
    y_test: NDArray[np.int64] | None = None
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        _check_part("training", self.x, self.y)
        _check_classes(self.y, self.n_classes)
        if self.x_test is not None and self.y_test is not None:
            _check_part("test", self.x_test, self.y_test)
            _check_range("test", self.y_test, self.n_classes)
            if self.x_test.shape[1:] != self.input_shape:
                raise UserInputError(
                    "training and test examples differ in shape",
                    value=(self.input_shape, self.x_test.shape[1:]),
                    do="Bring them to one shape.",
                )
        elif self.x_test is not None or self.y_test is not None:
            raise UserInputError(
                "the test part is half there",
                value="y_test is missing" if self.y_test is None else "x_test is missing",
                do="Give both x_test and y_test, or neither.",
            )
        object.__setattr__(self, "digest", _digest(self))

    @property
    def n_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of one example: (channels, height, width) or (features,)."""
        return self.x.shape[1:]

    @classmethod
    def from_arrays(
        cls,
        name: str,
        x: ArrayLike,
        y: ArrayLike,
        x_test: ArrayLike | None = None,
        y_test: ArrayLike | None = None,
        *,
        class_names: Sequence[str] | None = None,
        reference: str = "",
    ) -> Dataset:
        """Make a data set of arrays.

        Images of shape (examples, height, width) get a channel axis, and unsigned bytes are divided by 255. Labels are
        taken as they are and never renumbered: a network's output k means class k of the user's own numbering.

        Raises:
            UserInputError: the arrays do not make a data set; the message says what is wrong.
        """
        inputs, labels = _inputs("x", x), _labels("y", y)
        if x_test is not None and (_array("x", x).dtype == np.uint8) != (_array("x_test", x_test).dtype == np.uint8):
            raise UserInputError(
                "only one of x and x_test holds unsigned bytes, so that they would be scaled differently",
                value=(str(np.asarray(x).dtype), str(np.asarray(x_test).dtype)),
                do="Give both with one type.",
            )
        n_classes = min(int(labels.max(initial=-1)), len(labels)) + 1  # a label beyond that leaves a class empty
        return cls(
            name,
            reference,
            inputs,
            labels,
            tuple(map(str, range(n_classes))) if class_names is None else tuple(class_names),
            None if x_test is None else _inputs("x_test", x_test),
            None if y_test is None else _labels("y_test", y_test),
        )


def _array(name: str, given: ArrayLike) -> NDArray[Any]:
    try:
        return np.asarray(given)
    except (ValueError, TypeError, RuntimeError) as error:  # rows of unequal length; a tensor that needs its gradient
        raise UserInputError(
            f"{name} makes no array ({error})",
            value=type(given).__name__,
            do="Give numpy arrays, or lists of one length.",
        ) from error


def _inputs(name: str, given: ArrayLike) -> NDArray[np.float32]:
    array = _array(name, given)
    if array.dtype.kind not in "biuf":
        raise UserInputError(f"{name} holds no real numbers", value=str(array.dtype), do="Give floats or integers.")
    with np.errstate(over="ignore"):  # a value beyond float32 becomes infinite and is refused as such
        x = array.astype(np.float32)
    if array.dtype == np.uint8:
        x /= 255
    if x.ndim == 3:
        x = x[:, None]
    if x.ndim not in (2, 4) or 0 in x.shape:
        raise UserInputError(
            f"{name} has the wrong shape",
            value=array.shape,
            do="Give (examples, features), (examples, height, width) or (examples, channels, height, width).",
        )
    if x.ndim == 4 and x.shape[3] in (1, 3, 4) and x.shape[3] < min(x.shape[1:3]):
        raise UserInputError(
            f"{name} seems to have its channels last", value=array.shape, do=f"Give {name}.transpose(0, 3, 1, 2)."
        )
    return np.ascontiguousarray(x)


def _labels(name: str, given: ArrayLike) -> NDArray[np.int64]:
    array = _array(name, given)
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise UserInputError(
            f"{name} is no list of whole numbers",
            value=f"{array.dtype} of shape {array.shape}",
            do="Give one class number an example: np.unique(labels, return_inverse=True)[1] makes them.",
        )
    return array.astype(np.int64)


def _check_part(part: str, x: NDArray[np.float32], y: NDArray[np.int64]) -> None:
    if x.dtype != np.float32 or y.dtype != np.int64 or x.ndim not in (2, 4) or y.ndim != 1:
        raise UserInputError(
            f"the {part} arrays have the wrong type or shape",
            value=f"x {x.dtype} {x.shape}, y {y.dtype} {y.shape}",
            do="Make the data set with Dataset.from_arrays.",
        )
    if len(x) != len(y) or not len(x):
        raise UserInputError(
            f"the {part} part has unequal numbers of examples and labels, or none",
            value=(len(x), len(y)),
            do="Give one label an example.",
        )
    bad = np.flatnonzero(~np.isfinite(x).reshape(len(x), -1).all(axis=1))
    if bad.size:
        raise UserInputError(
            f"{counted(bad.size, f'{part} example')} with NaN or infinity",
            value=f"first at index {bad[0]}",
            do="Remove or impute them.",
        )


def _check_classes(y: NDArray[np.int64], n_classes: int) -> None:
    _check_range("training", y, n_classes)
    empty = np.flatnonzero(np.bincount(y, minlength=n_classes) == 0)
    if empty.size or n_classes < 2:
        raise UserInputError(
            "a class has no example" if empty.size else "there are fewer than two classes",
            value=empty[:20].tolist() or n_classes,
            do="Number the classes 0 to K - 1 without gaps: np.unique(labels, return_inverse=True)[1].",
        )


def _check_range(part: str, y: NDArray[np.int64], n_classes: int) -> None:
    outside = np.unique(y[(y < 0) | (y >= n_classes)])
    if outside.size:
        raise UserInputError(
            f"a {part} label is out of range",
            value=outside[:20].tolist(),
            do="Number the classes 0 to K - 1 without gaps.",
        )


def _digest(dataset: Dataset) -> str:
    digest = hashlib.sha256(repr(dataset.class_names).encode())
    for array in (dataset.x, dataset.y, dataset.x_test, dataset.y_test):
        if array is None:
            digest.update(b"none")
        else:
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
