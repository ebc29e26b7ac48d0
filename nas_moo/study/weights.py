"""The trained weights of the models on the front: safetensors files with their SHA-256 beside them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nas_moo.data import Scaling
from nas_moo.errors import CorruptError, UserInputError
from nas_moo.genome import Architecture
from nas_moo.space import load_space
from nas_moo.study import tensor_files
from nas_moo.study.tensor_files import SUFFIX

if TYPE_CHECKING:
    from torch import nn


def save(folder: Path, digest: str, model: nn.Module) -> Path:
    """Write a model's weights; a file is there whole or not at all."""
    from safetensors.torch import save_model

    target = _path(folder, digest)
    tensor_files.write(target, lambda partial: save_model(model, partial))
    return target


def load(folder: Path, digest: str, architecture: Architecture, description: Mapping[str, Any]) -> nn.Module:
    """The trained network with its standardisation, in evaluation mode, on the CPU.

    Raises:
        UserInputError: its weights were not kept, since it is not on the front.
        CorruptError: the file is not what was written, or the space builds another network now.
    """
    from safetensors.torch import load_model

    from nas_moo.study.network import StandardisedNetwork

    path = _path(folder, digest)
    if not path.is_file():
        raise UserInputError(
            "the weights of this model were not kept",
            value=digest,
            do="Weights are kept for the models on the front; choose one of those.",
        )
    tensor_files.check(path, do="Train the model again.")
    data = description["data"]
    loaded = load_space(description["space"]["reference"])
    if loaded.code_digest != description["space"]["code_digest"]:
        raise CorruptError(
            "the code of the space is not what the model was trained with",
            value=loaded.reference,
            do="Take the version of the space that the study was made with.",
        )
    space = loaded.space
    shape = tuple(data["input_shape"])
    by_channel = (shape[0], 1, 1) if len(shape) == 3 else shape
    unknown = Scaling(np.zeros(by_channel, np.float32), np.ones(by_channel, np.float32))
    model = StandardisedNetwork(space.build(architecture, shape, data["n_classes"]), unknown)
    try:
        load_model(model, str(path))
    except RuntimeError as error:
        raise CorruptError(
            "the space now builds another network than the one that was trained",
            value=description["space"]["reference"],
            do="Take the version of the space that the study was made with.",
        ) from error
    return model.eval()


def sweep(folder: Path, gone: Collection[str]) -> None:
    """Delete the weights of these digests."""
    for digest in gone:
        tensor_files.remove(_path(folder, digest))


def kept(folder: Path) -> set[str]:
    """Digests whose weights are there."""
    return {p.name.removesuffix(SUFFIX) for p in (folder / "weights").glob(f"*{SUFFIX}")}


def _path(folder: Path, digest: str) -> Path:
    return folder / "weights" / f"{digest}{SUFFIX}"
