"""Training of one network, or of one a fold in lockstep, as a generator of epochs.

Plain PyTorch: data live on the device, the learning rate follows the recipe's schedule step by step, gradients are
clipped, and nothing waits for the device within an epoch. On CUDA the training runs channels-last in mixed precision;
predictions are always made in float32, which is what is deployed. On a CPU the same seed repeats a run bit for bit; on
CUDA it repeats the order of examples and the initial weights, while some of cuDNN's kernels add in varying order.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from nas_moo.data import Part, Split
from nas_moo.errors import SpaceError, UserInputError
from nas_moo.evaluation import Predictions
from nas_moo.snapshot import Randomness, Snapshot, restore, take
from nas_moo.space import Augmentation, Recipe, Schedule

Build = Callable[[], nn.Module]
MakeOptimizer = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
_CROP_SHARE = 8
_STEPS_DOWN = (0.6, 0.85)


class Diverged(Exception):  # noqa: N818 - a way a training ends, not a fault
    """The training loss or the validation logits are no longer finite after this epoch."""

    def __init__(self, epoch: int) -> None:
        super().__init__(f"training diverged in epoch {epoch}")
        self.epoch = epoch


@dataclass(frozen=True, eq=False)
class Epoch:
    """The state after one epoch.

    Attributes:
        number: Counted from 1.
        train_loss: Mean cross-entropy over the epoch's examples, in nats; mean over folds.
        learning_rate: Of the epoch's last step, first parameter group.
        seconds: Wall time of training and validation; sum over folds.
        predictions: On the validation part, one a fold.
        models: The networks themselves, one a fold, in evaluation mode. They go on changing when the next epoch is
            asked for.
        snapshots: Copies what a later training needs to go on from here, one a fold; of use only until the next epoch
            is asked for. Raises ``UserInputError`` where the optimizer's state cannot be stored.
    """

    number: int
    train_loss: float
    learning_rate: float
    seconds: float
    predictions: tuple[Predictions, ...]
    models: tuple[nn.Module, ...]
    snapshots: Callable[[], tuple[Snapshot, ...]]


def train(
    build: Build,
    make_optimizer: MakeOptimizer,
    recipe: Recipe,
    split: Split,
    *,
    epochs: int,
    seed: int,
    device: torch.device | str,
    resume: Snapshot | None = None,
) -> Iterator[Epoch]:
    """Train one network and yield after every epoch; stop asking to stop the training.

    PyTorch's global random state is borrowed while an epoch runs and given back before each yield, so that neither
    side sees the other.

    Args:
        build: Makes the untrained network; called once, under the seed.
        make_optimizer: Given the network's parameters.
        recipe: Batch size, schedule, augmentation and clipping. A trailing batch of a single example joins the one
            before it, because batch normalisation cannot learn from one.
        split: Its test part is not touched.
        epochs: Also the length of the schedule.
        seed: Of initial weights, order of examples, augmentation and dropout.
        device: Where to train.
        resume: Of an earlier training with the same arguments: it goes on from there, with the next epoch.

    Raises:
        CorruptError: ``resume`` is of another network.
        SpaceError: the network's output is not one logit a class, or images are to be augmented and there are none.
        Diverged: a loss or a logit is not finite; looked at once an epoch.
    """
    if epochs < 1:
        raise UserInputError("there is nothing to train for", value=epochs, do="Give at least 1 epoch.")
    device = torch.device(device)
    x, y = _on_device(split.train, device)
    x_validation, _ = _on_device(split.validation, device)
    if recipe.augmentation != "none" and x.ndim != 4:
        raise SpaceError(
            f"augmentation {recipe.augmentation!r} is for images",
            value=tuple(x.shape[1:]),
            do="Use a space without an augmentation gene, or data of shape (channels, height, width).",
        )
    randomness = Randomness(seed, device)
    with randomness.borrowed():
        model = build().to(device)
        if _is_channels_last(x):
            model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        _check_output(model, x[:2], split.n_classes)
        stepper = _Stepper(model, _checked_optimizer(make_optimizer(model.parameters())), recipe, device)
    done = 0 if resume is None else stepper.restore(resume, randomness)
    n_steps = epochs * len(_batches(torch.arange(len(y)), recipe.batch_size))
    for number in range(done + 1, epochs + 1):
        started = time.perf_counter()
        with randomness.borrowed():
            loss = stepper.run_epoch(x, y, n_steps)
            logits = _logits(model, x_validation)
        if not math.isfinite(loss) or not np.isfinite(logits).all():
            raise Diverged(number)
        seconds = time.perf_counter() - started
        predictions = Predictions(logits, split.validation.y)
        snapshots = partial(stepper.snapshots, number, randomness)
        yield Epoch(number, loss, stepper.learning_rate, seconds, (predictions,), (model,), snapshots)


def train_folds(
    build: Build,
    make_optimizer: MakeOptimizer,
    recipe: Recipe,
    splits: Sequence[Split],
    *,
    epochs: int,
    seed: int,
    device: torch.device | str,
    resume: Sequence[Snapshot] | None = None,
) -> Iterator[Epoch]:
    """Train one network a split, one epoch of each in turn, and yield the merged epoch.

    Args:
        build: As for ``train``, called once a fold.
        make_optimizer: As for ``train``.
        recipe: As for ``train``.
        splits: One for hold-out, K for K folds.
        epochs: As for ``train``.
        seed: Fold i trains under seed + i.
        device: As for ``train``; it holds all folds at once.
        resume: As for ``train``, one a fold.

    Raises:
        SpaceError: as ``train``.
        Diverged: one of the folds did.
    """
    starts: Sequence[Snapshot | None] = resume or [None] * len(splits)
    with ExitStack() as cleanup:
        runs = [
            train(build, make_optimizer, recipe, split, epochs=epochs, seed=seed + fold, device=device, resume=start)
            for fold, (split, start) in enumerate(zip(splits, starts, strict=True))
        ]
        for run in runs:
            cleanup.callback(run.close)  # type: ignore[attr-defined]
        for folds in zip(*runs, strict=True):
            yield Epoch(
                folds[0].number,
                sum(fold.train_loss for fold in folds) / len(folds),
                folds[0].learning_rate,
                sum(fold.seconds for fold in folds),
                tuple(p for fold in folds for p in fold.predictions),
                tuple(m for fold in folds for m in fold.models),
                partial(_snapshots, folds),
            )


def _snapshots(folds: Iterable[Epoch]) -> tuple[Snapshot, ...]:
    return tuple(snapshot for fold in folds for snapshot in fold.snapshots())


def predict(model: nn.Module, part: Part, device: torch.device | str, batch_size: int = 1024) -> Predictions:
    """What a network says of one part of the data, in float32; its training mode is left as it was."""
    device = torch.device(device)
    x, _ = _on_device(part, device)
    was_training = model.training
    logits = _logits(model.to(device), x, batch_size)
    model.train(was_training)
    return Predictions(logits, part.y)


class _Stepper:
    """One network, its optimizer and what they need to take steps."""

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, recipe: Recipe, device: torch.device
    ) -> None:
        self.model, self.optimizer, self.recipe, self.device = model, optimizer, recipe, device
        self.parameters = list(model.parameters())
        self.base_rates = [group["lr"] for group in optimizer.param_groups]
        self.steps_taken = 0
        self.precision = _training_precision(device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == torch.float16)

    @property
    def learning_rate(self) -> float:
        return float(self.optimizer.param_groups[0]["lr"])

    def run_epoch(self, x: Tensor, y: Tensor, n_steps: int) -> float:
        """Train on each example once and return the mean loss."""
        self.model.train()
        total = torch.zeros((), device=self.device)
        order = torch.randperm(len(y)).to(self.device)  # drawn on the CPU: the same order on every device
        for chosen in _batches(order, self.recipe.batch_size):
            self._schedule(self.steps_taken / n_steps)
            total += self._step(augment(x[chosen], self.recipe.augmentation), y[chosen]) * len(chosen)
            self.steps_taken += 1
        return total.item() / len(y)

    def snapshots(self, epoch: int, randomness: Randomness) -> tuple[Snapshot]:
        numbers = {
            "epoch": epoch,
            "steps": self.steps_taken,
            "base_rates": self.base_rates,
            "scaler": self.scaler.state_dict(),
        }
        return (take(self.model, self.optimizer, randomness.states, numbers),)

    def restore(self, snapshot: Snapshot, randomness: Randomness) -> int:
        """Go on from a snapshot; gives the epoch after which it was taken."""
        randomness.states = restore(snapshot, self.model, self.optimizer)
        self.base_rates, self.steps_taken = snapshot.numbers["base_rates"], snapshot.numbers["steps"]
        if snapshot.numbers["scaler"]:
            self.scaler.load_state_dict(snapshot.numbers["scaler"])
        return snapshot.epoch

    def _schedule(self, progress: float) -> None:
        factor = rate_factor(self.recipe.schedule, progress)
        for group, base in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = base * factor

    def _step(self, x: Tensor, y: Tensor) -> Tensor:
        with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
            loss = functional.cross_entropy(self.model(x), y)
        self.optimizer.zero_grad()
        torch.autograd.backward(self.scaler.scale(loss))
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.detach()


def rate_factor(schedule: Schedule, progress: float) -> float:
    """What the base learning rate is multiplied by, when this share of all steps is taken."""
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * progress))
    if schedule == "step":
        return 0.1 ** sum(progress >= mark for mark in _STEPS_DOWN)
    return 1.0


def augment(x: Tensor, kind: Augmentation) -> Tensor:
    """Flip and shift each image of a batch at random.

    Args:
        x: Shape (batch, channels, height, width).
        kind: "flip" mirrors half of the images left to right; "crop" pads by an eighth of each side (at least a pixel)
            with zeros, the mean colour, and cuts the old size out at random; "flip_crop" does both.
    """
    n = len(x)
    if kind in ("flip", "flip_crop"):
        x = torch.where(torch.rand(n, 1, 1, 1, device=x.device) < 0.5, x.flip(3), x)
    if kind in ("crop", "flip_crop"):
        height, width = x.shape[2:]
        tall, wide = max(1, height // _CROP_SHARE), max(1, width // _CROP_SHARE)
        padded = functional.pad(x, (wide, wide, tall, tall)).permute(0, 2, 3, 1)
        rows = torch.randint(2 * tall + 1, (n, 1), device=x.device) + torch.arange(height, device=x.device)
        columns = torch.randint(2 * wide + 1, (n, 1), device=x.device) + torch.arange(width, device=x.device)
        images = torch.arange(n, device=x.device)[:, None, None]
        x = padded[images, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    return x


def _on_device(part: Part, device: torch.device) -> tuple[Tensor, Tensor]:
    x, y = torch.from_numpy(part.x).to(device), torch.from_numpy(part.y).to(device)
    return (x.contiguous(memory_format=torch.channels_last) if _is_channels_last(x) else x), y


def _is_channels_last(x: Tensor) -> bool:
    return x.device.type == "cuda" and x.ndim == 4


def _training_precision(device: torch.device) -> torch.dtype:
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def _batches(order: Tensor, size: int) -> list[Tensor]:
    batches = list(torch.split(order, size))
    if len(batches) > 1 and len(batches[-1]) == 1 < size:
        batches[-2:] = [order[-size - 1 :]]
    return batches


def _checked_optimizer(made: object) -> torch.optim.Optimizer:
    if not isinstance(made, torch.optim.Optimizer):
        raise SpaceError(
            "optimizer() returned no optimizer",
            value=type(made).__name__,
            do="Return a torch.optim.Optimizer, such as torch.optim.SGD(parameters, lr=0.1).",
        )
    return made


def _check_output(model: nn.Module, x: Tensor, n_classes: int) -> None:
    model.eval()
    with torch.no_grad():
        output = model(x)
    if not isinstance(output, Tensor) or output.shape != (len(x), n_classes):
        raise SpaceError(
            f"the network's output is not (batch, n_classes) = ({len(x)}, {n_classes})",
            value=tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__,
            do="Let build() end in one logit a class, for example nn.Flatten() and nn.Linear(features, n_classes).",
        )


def _logits(model: nn.Module, x: Tensor, batch_size: int = 1024) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    model.eval()
    with torch.no_grad():
        batches = [model(batch) for batch in torch.split(x, batch_size)]
    return torch.cat(batches).float().cpu().numpy()
