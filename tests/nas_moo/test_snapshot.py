"""A training that goes on from its snapshot is the one that was never stopped."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from nas_moo.data import Dataset, split
from nas_moo.errors import CorruptError, UserInputError
from nas_moo.snapshot import Snapshot
from nas_moo.space import Recipe
from nas_moo.training import train, train_folds

RNG = np.random.default_rng(0)
Y = np.arange(60) % 3
DATA = Dataset.from_arrays("images", RNG.normal(size=(60, 1, 8, 8)) + Y[:, None, None, None], Y)
RECIPE = Recipe(batch_size=16, schedule="cosine", augmentation="flip_crop")
EPOCHS, STOP = 5, 2


class Net(nn.Module):
    """Batch statistics, dropout, a buffer that no state_dict has, and a parameter that two layers share."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.3)
        self.a, self.b, self.out = nn.Linear(256, 8), nn.Linear(256, 8), nn.Linear(8, 3)
        self.b.weight = self.a.weight
        self.register_buffer("seen", torch.zeros(()), persistent=False)

    def forward(self, x):
        if self.training:
            self.seen += 1.0
        x = self.drop(torch.relu(self.norm(self.conv(x))).flatten(1))
        return self.out(torch.relu(self.a(x) + self.b(x))) / (1 + 0.1 * self.seen)


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "plain sgd": lambda p: torch.optim.SGD(p, lr=0.05),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.8, 0.9), amsgrad=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.003, momentum=0.5, centered=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.01),
}


def run(validation="holdout", optimizer="sgd", build=Net, **more):
    splits = split(DATA, validation=validation, seed=0)
    return train_folds(build, OPTIMIZERS[optimizer], RECIPE, splits, epochs=EPOCHS, seed=3, device="cpu", **more)


def stored(snapshot):
    """As it comes back from a file."""
    tensors = {n: torch.from_numpy(v.numpy().copy()) for n, v in snapshot.tensors.items()}
    return Snapshot(tensors, json.loads(json.dumps(snapshot.numbers)))


def stopped(**more):
    """Trained up to ``STOP``, and what was kept of it."""
    for epoch in run(**more):
        if epoch.number == STOP:
            return tuple(stored(s) for s in epoch.snapshots())
    raise AssertionError


@pytest.mark.parametrize(("validation", "optimizer"), [("kfold:3", "sgd"), *(("holdout", o) for o in OPTIMIZERS)])
def test_it_goes_on_bit_for_bit(validation, optimizer):
    whole = list(run(validation, optimizer))
    snapshots = stopped(validation=validation, optimizer=optimizer)
    torch.rand(7)  # whoever draws in between
    rest = list(run(validation, optimizer, resume=snapshots))
    assert [e.number for e in rest] == list(range(STOP + 1, EPOCHS + 1))
    for was, now in zip(whole[STOP:], rest, strict=True):
        assert (was.train_loss, was.learning_rate) == (now.train_loss, now.learning_rate)
        assert all((a.logits == b.logits).all() for a, b in zip(was.predictions, now.predictions, strict=True))
    for was, now in zip(whole[-1].models, rest[-1].models, strict=True):
        assert all((a == b).all() for a, b in zip(was.state_dict().values(), now.state_dict().values(), strict=True))


def test_it_can_be_taken_again_after_it_went_on():
    second = next(run(resume=stopped())).snapshots()[0]
    assert second.epoch == STOP + 1
    rest = list(run(resume=(stored(second),)))
    assert (rest[-1].predictions[0].logits == list(run())[-1].predictions[0].logits).all()


def test_a_snapshot_is_a_copy_that_training_leaves_alone():
    epochs = run()
    snapshot = next(epochs).snapshots()[0]
    before = {n: v.clone() for n, v in snapshot.tensors.items()}
    list(epochs)
    list(run(resume=(snapshot,)))
    assert all((snapshot.tensors[n] == v).all() for n, v in before.items())


def test_another_network_is_refused():
    with pytest.raises(CorruptError, match="another network"):
        next(run(resume=stopped(), build=lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 3))))


def test_another_optimizer_is_refused():
    (snapshot,) = stopped(optimizer="adamw")
    groups = lambda p: torch.optim.SGD([{"params": [q]} for q in p], lr=0.1)  # noqa: E731
    with pytest.raises(CorruptError, match="another optimizer"):
        next(train(Net, groups, RECIPE, split(DATA, seed=0)[0], epochs=3, seed=0, device="cpu", resume=snapshot))


def test_state_that_is_no_number_is_not_stored():
    class Odd(torch.optim.SGD):
        def step(self, closure=None):
            super().step(closure)
            for group in self.param_groups:
                for p in group["params"]:
                    self.state[p]["memory"] = {1, 2}

    epoch = next(train(Net, lambda p: Odd(p, lr=0.1), RECIPE, split(DATA, seed=0)[0], epochs=2, seed=0, device="cpu"))
    with pytest.raises(UserInputError, match="cannot be stored"):
        epoch.snapshots()
