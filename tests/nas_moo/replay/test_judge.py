"""The judge agrees with its definitions, written out plainly, and exhaustive search is perfect."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_moo.errors import UserInputError
from nas_moo.genes import Integer
from nas_moo.genome import Genome
from nas_moo.replay.description import Cost
from nas_moo.replay.judge import Judge, on_grid, quartiles
from nas_moo.replay.table import RecordedTable, load_table
from nas_moo.replay.trace import Trace

BOX = (0.1, 0.5)


def recorded(errors, costs, test=None, names=("flops", "latency")):
    """A table of one gene, of the given final errors and costs (n, C)."""
    genome = Genome(Integer("g", 0, len(errors) - 1))
    return RecordedTable(
        name="made",
        genome=genome,
        architectures=tuple(genome.grid()),
        errors=np.array(errors)[:, None],
        epochs=np.ones(1),
        test=None if test is None else np.array(test),
        costs=np.array(costs, dtype=float),
        described=tuple(Cost(n, n, log=n == "latency") for n in names),
        box=BOX,
        complete=True,
    )


def trace(rows, fulls=None, complete=None):
    count = len(rows)
    return Trace(
        seed=0,
        rows=np.array(rows, dtype=np.intp),
        fulls=np.ones(count) if fulls is None else np.array(fulls),
        complete=np.ones(count, dtype=bool) if complete is None else np.array(complete),
        proposing=np.zeros(count),
        asked=np.arange(1, count + 1),
        duplicates=0,
    )


@st.composite
def tables_with_traces(draw):
    n = draw(st.integers(3, 9))
    hundredths = st.lists(st.integers(5, 60), min_size=n, max_size=n).map(lambda v: [x / 100 for x in v])
    errors = draw(hundredths.filter(lambda v: min(v) < BOX[1]))
    costs = [draw(st.lists(st.integers(1, 9), min_size=n, max_size=n).filter(lambda v: len(set(v)) > 1)) for _ in "ab"]
    table = recorded(errors, np.transpose(costs), draw(st.none() | hundredths))
    rows = draw(st.permutations(range(n)))
    return table, trace(rows, complete=draw(st.lists(st.booleans(), min_size=n, max_size=n)))


def beats(a, b):
    return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))


def plain_regret(table, rows):
    """The definition of budget regret, one model and one budget at a time."""
    points = [tuple(p) for p in table.objectives]
    front = [p for p in points if not any(beats(q, p) for q in points)]
    latency = table.objectives[:, 2]
    fastest, slowest = min(p[2] for p in front), max(p[2] for p in front)
    scores = table.objectives[:, 0] if table.test is None else table.test

    def outcome(models, budget):
        affordable = [m for m in models if latency[m] <= budget]
        if not affordable:
            return BOX[1]
        pick = min(affordable, key=lambda m: (table.objectives[m, 0], latency[m], m))
        return min(scores[pick], BOX[1])

    budgets = [fastest * (slowest / fastest) ** (i / 19) for i in range(20)]
    budgets[-1] = slowest
    everything = range(len(points))
    return 100 * sum(outcome(rows, b) - outcome(everything, b) for b in budgets) / 20


def plain_hypervolume(table, rows):
    """Cell by cell of the grid that the models' coordinates draw."""
    unit = np.empty_like(table.objectives)
    unit[:, 0] = (table.objectives[:, 0] - BOX[0]) / (BOX[1] - BOX[0])
    for column, log in ((1, False), (2, True)):
        values = np.log(table.objectives[:, column]) if log else table.objectives[:, column]
        unit[:, column] = (values - values.min()) / (values.max() - values.min())
    unit = np.clip(unit, 0, 1)
    edges = [np.unique(np.append(c, 1.0)) for c in unit.T]
    total = 0.0
    for cell in itertools.product(*(range(len(e) - 1) for e in edges)):
        corner = np.array([e[i] for e, i in zip(edges, cell, strict=True)])
        if any((unit[m] <= corner).all() for m in rows):
            total += np.prod([e[i + 1] - e[i] for e, i in zip(edges, cell, strict=True)])
    return total


def judge_of(table):
    """The judge, or None where the front is outside the box, which it must refuse."""
    if plain_hypervolume(table, range(len(table))) > 0:
        return Judge(table)
    with pytest.raises(UserInputError, match="outside the box"):
        Judge(table)
    return None


@given(tables_with_traces())
def test_regret_is_that_of_its_definition(case):
    table, done = case
    if (judge := judge_of(table)) is not None:
        finished = [[m for m, c in zip(done.rows[:k], done.complete, strict=False) if c] for k in range(len(table) + 1)]
        expected = [plain_regret(table, models) for models in finished]
        np.testing.assert_allclose(judge.regret(done), expected, atol=1e-9)


@given(tables_with_traces())
def test_hypervolume_is_that_of_its_definition(case):
    table, done = case
    if (judge := judge_of(table)) is not None:
        finished = [[m for m, c in zip(done.rows[:k], done.complete, strict=False) if c] for k in range(len(table) + 1)]
        expected = [plain_hypervolume(table, m) / plain_hypervolume(table, range(len(table))) for m in finished]
        np.testing.assert_allclose(judge.hypervolume(done), expected, atol=1e-9)


@given(tables_with_traces())
def test_training_everything_leaves_no_regret_whatever_the_order(case):
    table, done = case
    if (judge := judge_of(table)) is not None:
        everything = trace(done.rows)
        assert judge.regret(everything)[-1] == 0.0
        assert judge.hypervolume(everything)[-1] == pytest.approx(1.0, abs=1e-12)
        assert (np.diff(judge.hypervolume(everything)) >= -1e-12).all()
        if table.test is None:
            assert (np.diff(judge.regret(everything)) <= 1e-12).all()


def test_regret_by_hand(described):
    """Six models on the front 1 ms (40 %), 2 ms (30 %), 4 ms (20 %): ten budgets below 2 ms, nine below 4 ms, and 4."""
    table = load_table(described(('test = "test"\n', "")))
    judge = Judge(table)
    assert judge.budgets[[0, -1]].tolist() == [1.0, 4.0]
    assert judge.picks.tolist() == [0] * 10 + [2] * 9 + [3]
    # nothing: 10 x (50 - 40) + 9 x (50 - 30) + (50 - 20) over 20; then the model of 40 %; then that of 20 %
    np.testing.assert_allclose(judge.regret(trace([0, 3])), [15.5, (9 * 10 + 20) / 20, 9 * 10 / 20])


def test_the_pick_goes_by_validation_and_is_scored_on_test(table):
    """The best on test (24 %) is no user's pick: it is slower than any budget and worse on validation."""
    judge = Judge(table)
    reference = (10 * 0.42 + 9 * 0.33 + 0.26) / 20
    np.testing.assert_allclose(judge.regret(trace([5])), [100 * (0.5 - reference)] * 2)
    np.testing.assert_allclose(judge.regret(trace([0, 2, 3]))[-1], 0.0, atol=1e-12)


def test_less_than_the_reference_is_possible_on_test_data():
    """Two equally cheap models: the one that validation prefers is worse on test."""
    table = recorded([0.2, 0.21, 0.4], [[2, 2], [2, 2], [1, 1]], test=[0.3, 0.25, 0.4])
    assert Judge(table).regret(trace([2, 1]))[-1] < 0


def test_a_stopped_training_is_no_model(table):
    judge = Judge(table)
    stopped = trace([3, 0], fulls=[1 / 3, 1.0], complete=[False, True])
    np.testing.assert_allclose(judge.regret(stopped)[2], judge.regret(trace([0]))[1])
    assert judge.hypervolume(stopped)[1] == 0.0


def test_without_a_latency_the_first_cost_is_budgeted():
    costs = [[1, 9], [4, 2], [9, 1]]
    first = Judge(recorded([0.4, 0.3, 0.2], costs, names=("params", "flops")))
    named = Judge(recorded([0.4, 0.3, 0.2], costs, names=("params", "latency")))
    assert first.budgets[-1] == named.budgets[-1] == 9
    assert first.picks[0] == 0
    assert named.picks[0] == 2


def test_a_front_outside_the_box_is_refused():
    with pytest.raises(UserInputError, match="outside the box"):
        Judge(recorded([0.4, 0.6, 0.7], [[3, 3], [2, 2], [1, 1]]))


def test_a_curve_over_cost_steps_when_a_training_is_paid_for():
    values = np.array([9.0, 5.0, 4.0, 1.0])
    found = on_grid(values, np.array([1.0, 1 / 3, 2 / 3]), np.array([0.5, 1.0, 1.5, 2.0, 7.0]))
    assert found.tolist() == [9.0, 5.0, 4.0, 1.0, 1.0]


def test_tenths_of_trainings_add_up_to_whole_ones():
    assert on_grid(np.arange(11.0), np.full(10, 0.1), np.array([1.0])).tolist() == [10.0]


def test_quartiles_are_a_row_a_point():
    assert quartiles(np.array([[1.0, 10], [2, 20], [3, 30], [4, 40], [5, 50]])) == [[2, 3, 4], [20, 30, 40]]
