"""Screening: expectations in closed form, a surrogate that learns, costs predicted and asked, limits kept."""

import itertools
import math

import numpy as np
import pytest

from nas_moo.genes import Categorical, Integer
from nas_moo.genome import Genome
from nas_moo.samplers import Problem, SamplerOptions, load_sampler
from nas_moo.samplers.codes import Codes
from nas_moo.samplers.costs import CostModel
from nas_moo.samplers.improvement import ToBeat, lognormal_improvement
from nas_moo.samplers.screening import EXPLORED, SHORTLIST, Screening
from nas_moo.samplers.seeded import RepeatingSampler
from nas_moo.samplers.surrogate import LEAST_NOISE, GaussianProcess, Kernel

LINE = Genome(Integer("a", 0, 400))
NONE = np.zeros((0, 1))


def nothing_known(_):
    return False


def on_a_line(ask=lambda a: {"cost": 1.0 + a["a"]}, limits=None):
    """Screening after 12 trainings at a = 0, 10, ... 110: the larger, the better and the dearer."""
    problem = Problem(error=0, costs=("cost",), log=(True,), ask=ask, limits=limits or {})
    codes = Codes(LINE)
    screening = Screening(codes, problem, np.random.default_rng(0))
    for a in range(0, 120, 10):
        error = 0.6 - a / 250
        screening.learn(codes.encode({"a": a}), np.array([error, 1.0 + a]), falling(error))
    return screening, codes


def falling(error):
    """A curve of three points."""
    return (1.5 * error, 1.2 * error, error)


def beating(errors, costs, worst):
    """Budgets reach as far as the costs."""
    return ToBeat(errors, costs, costs.min(axis=0), costs.max(axis=0), worst)


def rows(codes, *values):
    return np.array([codes.encode({"a": a}) for a in values])


def test_the_expected_improvement_is_that_of_many_draws():
    rng = np.random.default_rng(0)
    draws = np.exp(rng.normal(-2.0, 0.5, 400_000))
    expected = np.maximum(0.15 - draws, 0).mean()
    found = lognormal_improvement(np.array([0.15]), np.array([-2.0]), np.array([0.5]))
    assert found[0, 0] == pytest.approx(expected, rel=0.01)


def test_a_candidate_improves_budgets_at_its_cost_and_above():
    errors, costs = np.array([0.4, 0.2, 0.5, 0.6]), np.array([[1.0], [2.0], [3.0], [4.0]])
    surely = np.full(2, 1e-6)
    cheap, dear = beating(errors, costs, 0.45).improvement(np.log([0.1, 0.1]), surely, np.array([[1.0], [3.0]]))
    # the worst that matters, 0.45, is the error to beat below cost 1; then 0.4 up to cost 2, then 0.2 up to cost 4
    assert cheap == pytest.approx(((0.4 - 0.1) * 1 + (0.2 - 0.1) * 2) / 3, rel=1e-3)
    assert dear == pytest.approx((0.2 - 0.1) * 1 / 3, rel=1e-3)


def test_a_candidate_worse_than_the_front_is_worth_nothing():
    errors, costs = np.array([0.1, 0.2, 0.3]), np.array([[1.0], [2.0], [3.0]])
    found = beating(errors, costs, 0.3).improvement(np.log([0.25]), np.full(1, 1e-6), np.array([[1.5]]))
    assert found[0] == pytest.approx(0.0)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_order_of_the_costs_does_not_matter(order):
    rng = np.random.default_rng(0)
    errors, costs = rng.uniform(0.1, 0.5, 20), rng.normal(size=(20, 3))
    mean, std, there = rng.normal(-1.5, 0.3, 8), rng.uniform(0.1, 0.4, 8), rng.normal(size=(8, 3))
    swapped = beating(errors, costs[:, order], 0.4).improvement(mean, std, there[:, order])
    assert swapped == pytest.approx(beating(errors, costs, 0.4).improvement(mean, std, there))


def test_the_surrogate_learns_what_each_gene_does():
    rng = np.random.default_rng(0)
    genome = Genome(*[Categorical(f"op{i}", ("a", "b", "c", "d")) for i in range(5)])
    weights = rng.normal(size=(5, 4))
    model = GaussianProcess(Codes(genome), 0, rng)

    def draw(n):
        places = rng.integers(4, size=(n, 5))
        return places.astype(float), weights[np.arange(5), places].sum(axis=1)

    known, target = draw(80)
    for _ in range(10):
        model.fit(known, np.zeros((80, 0)), target, learn=True)
    unseen, truth = draw(200)
    told = model.predict(unseen, np.zeros((200, 0)))
    assert np.corrcoef(told.mean, truth)[0, 1] > 0.95
    assert (told.std > 0).all()
    assert model.mean(unseen, np.zeros((200, 0))) == pytest.approx(told.mean)


def test_what_surrounds_a_point_is_less_uncertain():
    codes = Codes(LINE)
    model = GaussianProcess(codes, 1, np.random.default_rng(0))
    points = rows(codes, 0, 20, 40)
    costs = np.array([[0.0], [1.0], [2.0]])
    model.fit(points, costs, np.array([1.0, 0.5, 0.2]), learn=False)
    near, far = model.predict(rows(codes, 20, 400), np.array([[1.0], [3.0]])).std
    assert near < far


@pytest.mark.parametrize(
    "cost",
    [lambda p: 1.0 + p @ [1, 2, 3, 4, 5], lambda p: np.exp(p @ [0.3, 0.6, 0.1, 0.2, 0.5])],
    ids=["operators add up", "widths multiply"],
)
def test_costs_are_predicted_whether_they_add_up_or_multiply(cost):
    rng = np.random.default_rng(0)
    genome = Genome(*[Categorical(f"width{i}", (1, 2, 3, 4), ordered=True) for i in range(5)])
    codes = Codes(genome)
    points = codes.uniform(300, rng)
    true = np.log(cost(points * 3))[:, None]
    model = CostModel(codes, (True,), rng)
    model.learn(points[:100], true[:100])
    guess = model.filled(points[100:], np.full((200, 1), np.nan))
    assert np.sqrt(((guess - true[100:]) ** 2).mean()) < 0.15 * true.std()
    half = true[100:].copy()
    half[::2] = np.nan
    assert (model.filled(points[100:], half)[1::2] == true[101::2]).all()


def test_a_latency_that_only_the_device_tells_is_predicted_from_the_flops_too():
    rng = np.random.default_rng(0)
    genome = Genome(*[Categorical(f"op{i}", tuple("abcdefgh")) for i in range(4)])
    codes = Codes(genome)
    points = codes.uniform(400, rng)
    flops = rng.normal(size=(4, 8))[np.arange(4), points.astype(int)].sum(axis=1)
    costs = np.column_stack([flops, 0.5 * flops])
    costs[12:, 1] = np.nan
    model = CostModel(codes, (True, True), rng)
    model.learn(points[:200], costs[:200])
    guess = model.filled(points[200:], costs[200:])
    assert np.corrcoef(guess[:, 1], flops[200:])[0, 1] > 0.9  # genes alone have 32 values, and 12 were timed


def test_the_promising_candidate_is_chosen_and_a_few_are_asked_for():
    asked = []

    def ask(architecture):
        asked.append(architecture["a"])
        return {"cost": 1.0 + architecture["a"]}

    screening, codes = on_a_line(ask)
    candidates = rows(codes, *range(0, 400, 2))
    chosen = screening.best(candidates, nothing_known, NONE)
    assert chosen["a"] > 110  # larger was better each time
    explored = len(asked) - SHORTLIST
    assert 0.8 * EXPLORED < explored <= EXPLORED  # some are drawn twice
    assert chosen["a"] in asked[explored:]
    assert screening.best(rows(codes, *range(1, 400, 2)), nothing_known, NONE)
    assert len(asked) == explored + 2 * SHORTLIST


def test_a_kernel_of_which_one_part_moved_is_the_kernel_of_those_hyperparameters():
    codes, rng = Codes(Genome(*[Integer(f"g{i}", 0, 9) for i in range(3)])), np.random.default_rng(0)
    points = codes.uniform(20, rng)
    axes, linear = codes.axes(points, points), rng.normal(size=(20, 20))
    before, after = rng.normal(size=6), rng.normal(size=6)
    kernel = Kernel(axes, linear, before)
    for place in range(6):
        logs = np.r_[after[: place + 1], before[place + 1 :]]
        kernel = kernel.moved(place, logs)
        assert kernel.mixed(logs) == pytest.approx(Kernel(axes, linear, logs).mixed(logs))


def test_known_ones_are_never_chosen_and_none_is_chosen_of_none():
    screening, codes = on_a_line()
    candidates = rows(codes, 5, 15, 25)
    assert screening.best(candidates, lambda a: a["a"] != 15, NONE) == {"a": 15}
    assert screening.best(candidates, lambda _: True, NONE) is None


def test_limits_hold_and_the_nearest_miss_is_taken_where_none_can():
    screening, codes = on_a_line(limits={"cost": 80.0})
    chosen = screening.best(rows(codes, 5, 45, 75, 200, 300), nothing_known, NONE)
    assert chosen["a"] <= 79
    assert screening.best(rows(codes, 200, 300, 400), nothing_known, NONE) == {"a": 200}


def test_costs_that_are_not_told_are_predicted():
    screening, codes = on_a_line(ask=lambda _: {}, limits={"cost": 80.0})
    assert screening.best(rows(codes, 5, 45, 75, 200, 300), nothing_known, NONE)["a"] <= 75


def test_what_another_worker_trains_promises_less():
    screening, codes = on_a_line()
    candidates = rows(codes, 5, 45, 95, 115, 120, 200, 400)
    alone = screening.best(candidates, nothing_known, NONE)
    beside = screening.best(candidates, nothing_known, rows(codes, alone["a"]))
    assert alone != beside


@pytest.mark.parametrize("error", [lambda a: max(0.5 - a / 100, 0.0), lambda a: -float(a), lambda _: 0.25])
def test_errors_of_zero_below_it_and_all_alike_are_learned_from(error):
    problem = Problem(error=1, costs=("cost",), log=(False,), ask=lambda a: {"cost": float(a["a"])})
    codes = Codes(LINE)
    screening = Screening(codes, problem, np.random.default_rng(0))
    for a in range(0, 120, 10):
        screening.learn(codes.encode({"a": a}), np.array([float(a), error(a)]))
    assert screening.best(rows(codes, 125, 250), nothing_known, NONE)["a"] in (125, 250)
    assert math.isfinite(len(screening))


def test_exact_targets_do_not_make_the_noise_vanish():
    codes = Codes(LINE)
    points = rows(codes, *range(0, 400, 10))
    model = GaussianProcess(codes, 0, np.random.default_rng(0))
    for _ in range(60):
        model.fit(points, np.zeros((40, 0)), points[:, 0], learn=True)
    assert LEAST_NOISE <= math.exp(model.logs[-1]) < 10 * LEAST_NOISE


def test_hyperparameters_that_suit_the_points_no_longer_are_given_up():
    """Points so alike, and so little noise, that no factor of their kernel exists."""
    codes = Codes(LINE)
    model = GaussianProcess(codes, 0, np.random.default_rng(0))
    points, none = rows(codes, *[0, 100, 200] * 30), np.zeros((90, 0))
    model.logs[-1] = -60.0
    model.logs[0] = 20.0
    model.fit(points, none, points[:, 0], learn=False)
    assert model.logs == pytest.approx(model._start)
    assert model.mean(rows(codes, 100), none[:1]) == pytest.approx(0.25, abs=0.02)


def test_a_target_with_noise_of_its_own_is_trusted_less():
    codes = Codes(LINE)
    model = GaussianProcess(codes, 0, np.random.default_rng(0))
    points, target, none = rows(codes, 0, 100, 200, 300), np.array([1.0, -1.0, 1.0, -1.0]), np.zeros((4, 0))
    for noise in (None, np.zeros(4), np.array([0.0, 50.0, 0.0, 0.0])):
        model.fit(points, none, target, learn=False, noise=noise)
        told = model.predict(points, none)
        assert told.mean == pytest.approx(model.fitted)
        if noise is None:
            exact = told
        elif noise.any():
            assert told.mean[1] > exact.mean[1] + 0.5
            assert told.std[1] > 1.2 * exact.std[1]
            assert told.mean[2] > 0.2
        else:
            assert told.mean == pytest.approx(exact.mean)


def test_a_pruned_training_teaches_the_surrogate_and_sets_no_threshold():
    """What is as good at the same cost promises more beside it than beside a complete one."""
    promised, mean = {}, {}
    for ending, complete in ((0.2, False), (0.2, True), (0.5, False)):
        screening, codes = on_a_line()
        for a in (55, 60, 65):
            values, curve = np.array([ending if complete else np.nan, a + 1.0]), falling(ending)
            screening.learn(codes.encode({"a": a}), values, curve[: 3 if complete else 2], complete=complete)
        assert len(screening) == 12 + 3 * complete
        there, cost = rows(codes, 62), np.log([[63.0]])
        promised[ending, complete] = screening._fitted(NONE, cost)[0](there, cost)[0]
        mean[ending, complete] = screening._model.mean(there, cost)[0]
    assert promised[0.2, False] > 1.5 * promised[0.2, True]
    assert mean[0.2, False] < mean[0.5, False]


def test_a_pruned_training_goes_on_where_it_promises_more_for_what_is_left():
    def chosen(remaining):
        screening, codes = on_a_line()
        there = codes.encode({"a": 60})
        screening.learn(there, np.array([np.nan, 61.0]), falling(0.3)[:2], complete=False, remaining=remaining)
        candidates, elsewhere = rows(codes, 62, 350), rows(codes, 60)

        def known(a):
            return a["a"] == 60

        assert screening.best(candidates, known, elsewhere)["a"] != 60  # goes on already
        told = screening.best(candidates, known, NONE)["a"]
        screening.learn(there, np.array([0.3, 61.0]), falling(0.3))
        assert len(screening) == 13
        assert screening.best(candidates, known, NONE)["a"] != 60  # is complete by now
        return told

    assert chosen(0.01) == 60
    assert chosen(0.95) != 60
    assert chosen(np.inf) != 60


def test_a_training_goes_on_while_it_promises_as_much_for_what_is_left_as_a_new_one():
    screening, codes = on_a_line()
    begun, costs = rows(codes, 115)[0], np.array([116.0])
    hopeless, hopeful, fair = (falling(error)[:2] for error in (0.9, 0.01, 0.12))
    assert screening.goes_on(begun, costs, hopeless, 0.9), (
        "before anything was proposed there is nothing to compare with"
    )
    screening.best(rows(codes, 350, 300, 250), nothing_known, NONE)
    assert screening.goes_on(begun, costs, hopeful, 0.9)
    assert not screening.goes_on(begun, costs, hopeless, 0.9)
    assert screening.goes_on(begun, costs, (), 0.9), "nothing is known of its curve"
    told = [screening.goes_on(begun, costs, fair, left) for left in np.geomspace(1e-3, 50, 40)]
    assert told == sorted(told, reverse=True), "the less is left, the less it has to promise"
    assert True in told
    assert False in told


def test_a_sampler_that_expects_nothing_of_a_training_lets_it_go_on():
    genome = Genome(Integer("a", 0, 3))
    for name in ("random", "grid", "nsga2"):  # without costs nsga2 does not screen
        sampler = load_sampler(name, genome, SamplerOptions(), nothing_known)
        assert RepeatingSampler(sampler, genome).goes_on({"a": 1}, np.array([1.0]), (0.9,), 0.9)
