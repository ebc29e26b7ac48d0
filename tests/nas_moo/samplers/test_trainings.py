"""What trainings will end with that were given up on the way."""

import numpy as np
import pytest

from nas_moo.genes import Categorical, Integer
from nas_moo.genome import Genome
from nas_moo.samplers import trainings
from nas_moo.samplers.codes import Codes
from nas_moo.samplers.trainings import BASE, FEWEST, Training, Trainings, base, log_above

GENOME = Genome(Integer("width", 1, 40), Categorical("kind", ("fast", "slow")))


class World:
    """Trainings of three points whose end depends on genes and luck; a slow kind starts far above and ends as well."""

    def __init__(self, seed=0):
        self.codes, self.rng = Codes(GENOME), np.random.default_rng(seed)

    def training(self, *, kind=None, points=3, luck=None):
        kind = kind or self.rng.choice(["fast", "slow"])
        width = int(self.rng.integers(1, 41))
        luck = self.rng.normal(0, 0.4) if luck is None else luck
        end = 0.5 * np.exp(luck) / np.sqrt(width)
        noise = np.exp(self.rng.normal(0, 0.05, 2))
        curve = (end * (4.0 if kind == "slow" else 1.5) * noise[0], end * 1.2 * noise[1], end)
        row = self.codes.encode({"width": width, "kind": kind})
        point, costs = self.codes.points(row[None])[0], np.array([np.log(width)])
        return Training(row, point, costs, end if points == 3 else None, tuple(map(float, curve[:points]))), end

    def trainings(self, count):
        found = Trainings(self.codes, 1, np.random.default_rng(0))
        for _ in range(count):
            assert found.learn(self.training()[0]) in (True, False)
        return found


def test_an_early_error_tells_what_genes_and_costs_do_not():
    world = World()
    known = world.trainings(60)
    begun = [world.training(points=1) for _ in range(40)]
    target = log_above(np.array([end for _, end in begun]), known.errors)
    ending = known.ending([t for t, _ in begun])
    off = np.abs(ending.mean - target)
    assert np.median(off) < 0.15, "luck alone has a standard deviation of 0.4"
    assert np.mean(off < 2 * np.hypot(ending.std, 0.05)) > 0.8


def test_a_kind_that_starts_slowly_is_not_taken_for_a_bad_one():
    world = World()
    known = world.trainings(60)
    slow, end = world.training(kind="slow", points=1, luck=-0.5)
    fast = Training(slow.row * [1, 0], slow.point * [1, 0], slow.costs, None, slow.curve)
    as_slow, as_fast = (float(known.ending([t]).mean[0]) for t in (slow, fast))
    truth = float(log_above(np.array([end]), known.errors)[0])
    assert abs(as_slow - truth) < 0.35
    assert as_fast > as_slow + 0.5, "the same error of a fast one is a bad one"


def test_the_later_the_surer():
    world = World()
    known = world.trainings(40)
    whole, _ = world.training()
    std = [known.ending([Training(*vars(whole).values())]) for _ in range(1)]
    assert std == [None], "of what has ended nothing is predicted"
    early, late = (
        known.ending([Training(whole.row, whole.point, whole.costs, None, whole.curve[:n])]).std[0] for n in (1, 2)
    )
    assert late < early


def test_endings_are_known_predicted_or_unknown_in_the_order_of_learning():
    world = World()
    known = world.trainings(FEWEST - 1)
    begun = [world.training(points=n)[0] for n in (1, 2, 0)]
    for training in begun:
        assert known.learn(training)
    n = len(known.known)
    assert np.isnan(known.endings().mean[-3:]).all(), "too few have ended"
    while len(known.errors) < FEWEST:
        known.learn(world.training()[0])
    told = known.endings()
    assert len(told.mean) == len(known.known)
    assert np.isfinite(told.mean[n - 3 : n]).tolist() == [True, True, False]
    ended = np.array([t.error is not None for t in known.known])
    assert (told.std[ended] == 0).all()
    assert (told.std[n - 3 : n - 1] > 0).all()
    expected = log_above(np.array([t.error for t in known.known if t.error is not None]), known.errors)
    assert told.mean[ended] == pytest.approx(expected)
    place, first = n - 3, begun[0]
    assert not known.learn(Training(first.row, first.point, first.costs, 0.2, (0.4, 0.3, 0.2)))
    assert known.known[place].error == 0.2
    assert known.endings().std[place] == 0


def test_errors_of_any_sign_have_a_logarithm_above_their_base():
    for errors in (np.array([0.1, 0.2, 0.9]), np.array([0.0, 0.2]), np.array([-3.0, -1.0, 2.0]), np.array([0.5, 0.5])):
        assert base(errors) < errors.min()
        told = log_above(errors, errors)
        assert np.isfinite(told).all()
        assert (np.diff(told) >= 0).all()
        below = log_above(np.array([errors.min() - 5.0]), errors)[0]
        assert np.isfinite(below)
        assert below < told.min()
    assert base(np.array([0.1, 0.2])) == pytest.approx(BASE * 0.1)


def test_the_ends_of_the_last_that_were_pruned_are_predicted(monkeypatch):
    monkeypatch.setattr(trainings, "MOST_PRUNED", 2)
    world = World()
    known = world.trainings(FEWEST)
    while len(known.errors) < FEWEST:
        known.learn(world.training()[0])
    n = len(known.known)
    for _ in range(3):
        assert known.learn(world.training(points=1)[0])
    assert np.isfinite(known.endings().mean[n:]).tolist() == [False, True, True]
