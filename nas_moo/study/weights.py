"""The trained weights of the models on the front: safetensors files with their SHA-256 beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nas_moo.data import Scaling
from nas_moo.errors import CorruptError, MachineError, UserInputError
from nas_moo.genome import Architecture
from nas_moo.space import load_space

if TYPE_CHECKING:
    from torch import nn

_SUFFIX, _SUM = ".safetensors", ".sha256"


def save(folder: Path, digest: str, model: nn.Module) -> Path:
    """Write a model's weights; a file is there whole or not at all."""
    from safetensors import SafetensorError
    from safetensors.torch import save_model

    target = _path(folder, digest)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    try:
        save_model(model, str(partial))
    except SafetensorError as error:
        raise MachineError(
            f"weights cannot be written ({error})", value=str(target), do="Free space on the disk, and search on."
        ) from error
    target.with_suffix(_SUM).write_text(_sha256(partial) + "\n", encoding="ascii")
    partial.replace(target)
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
    stored = (
        path.with_suffix(_SUM).read_text(encoding="ascii").strip() if path.with_suffix(_SUM).is_file() else "missing"
    )
    if stored != _sha256(path):
        raise CorruptError("a weights file is not what was written", value=str(path), do="Train the model again.")
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
        for suffix in (_SUFFIX, _SUM):
            _path(folder, digest).with_suffix(suffix).unlink(missing_ok=True)


def kept(folder: Path) -> set[str]:
    """Digests whose weights are there."""
    return {p.name.removesuffix(_SUFFIX) for p in (folder / "weights").glob(f"*{_SUFFIX}")}


def _path(folder: Path, digest: str) -> Path:
    return folder / "weights" / f"{digest}{_SUFFIX}"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
