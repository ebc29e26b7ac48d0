import math

import numpy as np
import pytest
import torch
from torch import nn

from nas_moo.data import Dataset, split
from nas_moo.errors import SpaceError, UserInputError
from nas_moo.space import Recipe
from nas_moo.training import Diverged, augment, predict, rate_factor, train, train_folds


def images(n=60, side=8):
    rng = np.random.default_rng(0)
    y = np.arange(n) % 3
    x = rng.normal(size=(n, 1, side, side)) + y[:, None, None, None]
    return Dataset.from_arrays("images", x, y)


DATA = images()
SPLIT = split(DATA, seed=0)[0]


def build():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(256, 3)
    )


def sgd(parameters, rate=0.05):
    return torch.optim.SGD(parameters, lr=rate, momentum=0.9)


def run(build=build, optimizer=sgd, recipe=None, data=SPLIT, **more):
    settings = {"epochs": 3, "seed": 0, "device": "cpu"} | more
    return train(build, optimizer, recipe or Recipe(batch_size=16), data, **settings)


def test_it_learns_and_tells():
    epochs = list(run(epochs=8))
    assert [e.number for e in epochs] == list(range(1, 9))
    assert epochs[-1].train_loss < epochs[0].train_loss / 2
    (last,) = epochs[-1].predictions
    assert last.logits.shape == (len(SPLIT.validation.y), 3)
    assert last.logits.dtype == np.float32
    assert (last.logits.argmax(1) == last.targets).mean() > 0.8
    assert all(e.seconds > 0 for e in epochs)
    assert not epochs[-1].models[0].training


def test_it_equals_a_plain_loop_bit_for_bit():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build()
        optimizer = sgd(model.parameters())
        rates = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / 9)))
        x, y = torch.from_numpy(SPLIT.train.x), torch.from_numpy(SPLIT.train.y)
        for _ in range(3):
            model.train()
            for chosen in torch.randperm(36).split(16):
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(x[chosen]), y[chosen]).backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                rates.step()
    with torch.no_grad():
        expected = model.eval()(torch.from_numpy(SPLIT.validation.x)).numpy()
    assert np.array_equal(list(run())[-1].predictions[0].logits, expected)


@pytest.mark.parametrize("augmentation", ["none", "flip_crop"])
def test_a_seed_repeats_a_run_bit_for_bit(augmentation):
    recipe = Recipe(batch_size=16, augmentation=augmentation)
    one, two, other = (list(run(recipe=recipe, seed=s)) for s in (5, 5, 6))
    assert [e.train_loss for e in one] == [e.train_loss for e in two]
    assert np.array_equal(one[-1].predictions[0].logits, two[-1].predictions[0].logits)
    assert one[-1].train_loss != other[-1].train_loss


def test_the_callers_random_state_is_neither_read_nor_changed():
    undisturbed = [e.train_loss for e in run()]
    torch.manual_seed(11)
    before = torch.get_rng_state()
    losses = []
    for epoch in run():
        assert torch.equal(torch.get_rng_state(), before)
        losses.append(epoch.train_loss)
        torch.rand(100)
        before = torch.get_rng_state()
    assert losses == undisturbed


def test_closing_early_gives_the_random_state_back():
    before = torch.get_rng_state()
    epochs = run()
    next(epochs)
    epochs.close()
    assert torch.equal(torch.get_rng_state(), before)


def test_an_error_while_training_gives_the_random_state_back():
    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.LazyLinear(3)

        def forward(self, x):
            if self.training:
                raise ZeroDivisionError
            return self.layer(x.flatten(1))

    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError):
        next(run(Broken))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_rate_follows_the_schedule_of_each_group():
    seen = []

    def two_groups(parameters):
        first, *rest = parameters
        made = torch.optim.SGD([{"params": [first], "lr": 0.1}, {"params": rest, "lr": 0.01}])
        made.register_step_pre_hook(lambda o, *_: seen.append([g["lr"] for g in o.param_groups]))
        return made

    epochs = list(run(optimizer=two_groups, recipe=Recipe(batch_size=12, schedule="cosine"), epochs=4))
    steps = len(seen)
    assert steps == 4 * 3
    expected = [0.1 * 0.5 * (1 + math.cos(math.pi * i / steps)) for i in range(steps)]
    assert np.allclose([s[0] for s in seen], expected)
    assert np.allclose([s[1] for s in seen], np.array(expected) / 10)
    assert epochs[-1].learning_rate == seen[-1][0]


def test_schedules():
    assert [rate_factor("constant", p) for p in (0, 0.99)] == [1, 1]
    assert [rate_factor("cosine", p) for p in (0, 0.5, 1)] == pytest.approx([1, 0.5, 0])
    assert [rate_factor("step", p) for p in (0, 0.59, 0.6, 0.84, 0.85, 0.99)] == pytest.approx(
        [1, 1, 0.1, 0.1, 0.01, 0.01]
    )


def test_gradients_are_clipped():
    norms = []

    def watched(parameters):
        held = list(parameters)
        made = sgd(held)
        made.register_step_pre_hook(
            lambda *_: norms.append(torch.linalg.vector_norm(torch.cat([p.grad.flatten() for p in held])).item())
        )
        return made

    list(run(optimizer=watched, recipe=Recipe(batch_size=16, clip_norm=0.01), epochs=1))
    assert max(norms) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize(
    ("batch_size", "sizes"), [(35, [36]), (7, [7, 7, 7, 7, 8]), (12, [12, 12, 12]), (5, [5] * 6 + [6]), (100, [36])]
)
def test_every_example_is_seen_and_no_batch_has_one(batch_size, sizes):
    seen = []

    class Watching(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = build()

        def forward(self, x):
            if self.training:
                seen.append(x.clone())
            return self.net(x)

    next(run(Watching, recipe=Recipe(batch_size=batch_size)))
    assert [len(x) for x in seen] == sizes
    together = torch.cat(seen).flatten(1).sum(1).sort().values
    assert torch.allclose(together, torch.from_numpy(SPLIT.train.x).flatten(1).sum(1).sort().values)


def test_a_batch_size_of_one_is_honoured():
    def without_norm():
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))

    assert next(run(without_norm, recipe=Recipe(batch_size=1))).number == 1


@pytest.mark.parametrize("rate", [1e30, math.inf])
def test_divergence_is_noticed(rate):
    with pytest.raises(Diverged) as caught:
        list(run(optimizer=lambda p: sgd(p, rate), recipe=Recipe(clip_norm=1e9), epochs=5))
    assert 1 <= caught.value.epoch <= 5


@pytest.mark.parametrize("wrong", [lambda: nn.Linear(8, 3), lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 4))])
def test_a_wrong_output_is_named(wrong):
    with pytest.raises(SpaceError, match=r"\(batch, n_classes\) = \(2, 3\)"):
        next(run(wrong))


def test_no_epochs():
    with pytest.raises(UserInputError, match="nothing to train for"):
        next(run(epochs=0))


def test_vectors_are_not_augmented():
    data = Dataset.from_arrays("v", DATA.x.reshape(60, -1), DATA.y)
    with pytest.raises(SpaceError, match="is for images"):
        next(run(recipe=Recipe(augmentation="flip"), data=split(data, seed=0)[0]))


def test_flip_mirrors_some_images():
    x = torch.arange(200 * 4.0).reshape(200, 1, 1, 4)
    flipped = (augment(x, "flip") != x).flatten(1).any(1)
    assert 60 < flipped.sum() < 140
    assert torch.equal(augment(x, "flip").sort(3).values, x)


def test_crop_shifts_by_at_most_an_eighth():
    x = torch.zeros(300, 2, 16, 8)
    x[:, :, 8, 4] = 1
    cropped = augment(x, "crop")
    assert cropped.shape == x.shape
    _, _, rows, columns = cropped.nonzero(as_tuple=True)
    assert set((rows - 8).tolist()) == {-2, -1, 0, 1, 2}
    assert set((columns - 4).tolist()) == {-1, 0, 1}
    assert torch.equal(cropped[:, 0], cropped[:, 1])


def test_folds_advance_together():
    splits = split(DATA, validation="kfold:3", seed=0)
    merged = list(train_folds(build, sgd, Recipe(batch_size=16), splits, epochs=2, seed=4, device="cpu"))
    assert [e.number for e in merged] == [1, 2]
    assert len(merged[0].predictions) == len(merged[0].models) == 3
    alone = [list(run(data=s, epochs=2, seed=4 + i)) for i, s in enumerate(splits)]
    assert merged[1].train_loss == pytest.approx(np.mean([fold[1].train_loss for fold in alone]))
    for i, fold in enumerate(alone):
        assert np.array_equal(merged[1].predictions[i].logits, fold[1].predictions[0].logits)


def test_folds_can_be_stopped_early():
    splits = split(DATA, validation="kfold:2", seed=0)
    before = torch.get_rng_state()
    epochs = train_folds(build, sgd, Recipe(), splits, epochs=5, seed=0, device="cpu")
    next(epochs)
    epochs.close()
    assert torch.equal(torch.get_rng_state(), before)


def test_predict_is_the_validation_in_batches():
    epoch = list(run())[-1]
    model = epoch.models[0].train()
    said = predict(model, SPLIT.validation, "cpu", batch_size=5)
    assert np.allclose(said.logits, epoch.predictions[0].logits, atol=1e-6)
    assert np.array_equal(said.targets, SPLIT.validation.y)
    assert model.training


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_it_learns_on_cuda():
    before = torch.cuda.get_rng_state()
    epochs = list(run(epochs=8, device="cuda", recipe=Recipe(batch_size=16, augmentation="crop")))
    last = epochs[-1].predictions[0]
    assert (last.logits.argmax(1) == last.targets).mean() > 0.7
    assert torch.equal(torch.cuda.get_rng_state(), before)
