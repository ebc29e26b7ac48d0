"""How a data set is divided into training, validation and test parts."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas_moo.data.dataset import Dataset
from nas_moo.errors import UserInputError

_TEST_FOLDS = 5
_VALIDATION_FOLDS = 4


@dataclass(frozen=True, eq=False)
class Part:
    """Examples ready for a network: standardised x, and y as in ``Dataset``."""

    x: NDArray[np.float32]
    y: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Scaling:
    """Standardisation by the statistics of one training part: per channel of images, per feature of vectors.

    Attributes:
        mean: Shape (channels, 1, 1) or (features,).
        std: The same; 1 where the training part is constant.
    """

    mean: NDArray[np.float32]
    std: NDArray[np.float32]

    @classmethod
    def of(cls, x: NDArray[np.float32]) -> Scaling:
        """The statistics of these examples."""
        axes = (0, 2, 3) if x.ndim == 4 else (0,)
        shape = (-1, 1, 1) if x.ndim == 4 else (-1,)
        mean, std = x.mean(axes, dtype=np.float64), x.std(axes, dtype=np.float64)
        std = np.where(std > np.finfo(np.float32).eps * np.abs(mean), std, 1.0)
        return cls(mean.astype(np.float32).reshape(shape), std.astype(np.float32).reshape(shape))

    def apply(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Standardise raw examples, as a deployed model has to."""
        return (x - self.mean) / self.std


@dataclass(frozen=True, eq=False)
class Split:
    """One division of a data set; all three parts are standardised by the training part's statistics alone.

    Attributes:
        scaling: What was applied, for those who later feed raw examples to the trained network.
        n_classes: Length of the network's output.
    """

    train: Part
    validation: Part
    test: Part
    scaling: Scaling
    n_classes: int


def split(dataset: Dataset, *, validation: str = "holdout", seed: int) -> tuple[Split, ...]:
    """Divide a data set, each class in proportion.

    A given test part is kept; otherwise a fifth of the examples becomes it.

    Args:
        dataset: What to divide.
        validation: "holdout": one split, whose validation part is a quarter of what the test part leaves (60/20/20
            without a given test part). "kfold:K": K splits with the same test examples, each of the others being
            validated on once.
        seed: Decides who goes where.

    Raises:
        UserInputError: ``validation`` has another form, or a class is too small for it.
    """
    folds = _parse_validation(validation)
    everyone = np.arange(len(dataset.y))
    if dataset.x_test is None or dataset.y_test is None:
        (rest, tested), *_ = _stratified(dataset, everyone, _TEST_FOLDS, seed, "a test part of a fifth")
        x_test, y_test = dataset.x[tested], dataset.y[tested]
    else:
        rest, x_test, y_test = everyone, dataset.x_test, dataset.y_test
    divided = _stratified(dataset, rest, folds or _VALIDATION_FOLDS, seed, validation)
    splits = []
    for trained, validated in divided if folds else divided[:1]:
        scaling = Scaling.of(dataset.x[trained])
        splits.append(
            Split(
                Part(scaling.apply(dataset.x[trained]), dataset.y[trained]),
                Part(scaling.apply(dataset.x[validated]), dataset.y[validated]),
                Part(scaling.apply(x_test), y_test),
                scaling,
                dataset.n_classes,
            )
        )
    return tuple(splits)


def _parse_validation(validation: str) -> int:
    """The number of folds, 0 for hold-out."""
    if validation == "holdout":
        return 0
    match = re.fullmatch(r"kfold:([1-9][0-9]*)", validation)
    if match is None or int(match[1]) < 2:
        raise UserInputError(
            "this is no way to validate", value=validation, do="Give holdout, or kfold:K with K at least 2 (kfold:5)."
        )
    return int(match[1])


def _stratified(
    dataset: Dataset, chosen: NDArray[np.intp], n_folds: int, seed: int, purpose: str
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Pairs of (the rest, one fold) of the chosen examples, each class spread evenly over the folds."""
    from sklearn.model_selection import StratifiedKFold

    y = dataset.y[chosen]
    sizes = np.bincount(y, minlength=dataset.n_classes)
    if sizes.min() < n_folds:
        raise UserInputError(
            f"class {dataset.class_names[int(sizes.argmin())]!r} is too small for {purpose}",
            value=int(sizes.min()),
            do=f"At least {n_folds} examples of each class are needed there. Add some, or leave the class out.",
        )
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(chosen, y)
    return [(chosen[rest], chosen[fold]) for rest, fold in folds]
