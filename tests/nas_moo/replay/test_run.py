"""A replayed search is a search: real samplers, new architectures, the table's values, and an honest bill."""

from functools import partial

import numpy as np
import optuna
import pytest

from nas_moo.replay.run import CostOracle, Ledger, RecordedSampler, load_named, replay_search, replay_seeds
from nas_moo.replay.table import load_table
from nas_moo.samplers import SAMPLERS, SamplerOptions, load_sampler
from nas_moo.samplers.distributions import distributions

SAMPLE = ("complete = true", "complete = false")
OPTIONS = SamplerOptions(population=2, grid_steps=3)


@pytest.fixture
def sample(described):
    """Four of the six architectures."""
    return load_table(described(SAMPLE, rows=[0, 2, 3, 5]))


@pytest.mark.parametrize("name", [s for s in SAMPLERS if s != "gp"])
@pytest.mark.parametrize("kind", ["table", "sample"])
def test_every_row_is_trained_once_and_then_it_ends(name, kind, request):
    recorded = request.getfixturevalue(kind)
    trace = replay_search(recorded, partial(load_named, name), OPTIONS, trials=20)
    assert sorted(trace.rows) == list(range(len(recorded)))
    assert trace.complete.all()
    np.testing.assert_array_equal(trace.fulls, 1.0)
    if name == "nsga2":  # asks for candidates, too
        assert (np.diff(trace.asked) >= 0).all()
        assert trace.asked[-1] == len(recorded)
    else:
        np.testing.assert_array_equal(trace.asked, np.arange(1, len(recorded) + 1))
    assert (trace.proposing >= 0).all()


def test_no_more_is_trained_than_asked_for(table):
    assert len(replay_search(table, partial(load_named, "tpe"), OPTIONS, trials=3).rows) == 3


def test_seeds_differ_and_repeat_and_processes_change_nothing(table):
    load = partial(load_named, "random")
    alone, told = replay_seeds(table, load, OPTIONS, trials=6, seeds=4), []
    beside = replay_seeds(table, load, OPTIONS, trials=6, seeds=4, jobs=2, progress=told.append)
    assert [t.seed for t in told] == [0, 1, 2, 3]
    assert [t.rows.tolist() for t in alone] == [t.rows.tolist() for t in beside]
    assert len({tuple(t.rows) for t in alone}) > 1


def test_the_sampler_is_told_the_genes_of_the_row_that_answered(sample):
    """And breeds from them: NSGA-II gives every one of its trials a generation."""
    ledger = Ledger(sample)
    base = load_sampler("optuna-nsga2", sample.genome, OPTIONS, ledger.is_known)
    study = optuna.create_study(directions=["minimize"] * 2, sampler=RecordedSampler(base, ledger))
    for _ in range(4):
        trial = study.ask(fixed_distributions=distributions(sample.genome))
        row = sample.answer(sample.genome.architecture(trial.params), ledger.tried)
        assert sample.genome.architecture(trial.params) == sample.architectures[row]
        ledger.note(row)
        study.tell(trial, sample.objectives[row].tolist())
    assert all(any("generation" in key for key in t.system_attrs) for t in study.get_trials())


class Stubborn(optuna.samplers.RandomSampler):
    """Proposes the same architecture twice before a new one, and asks for the costs of two."""

    def __init__(self, genome, is_known, costs):
        super().__init__(seed=0)
        self.waiting, self.genome, self.is_known, self.costs = list(genome.grid()), genome, is_known, costs

    def infer_relative_search_space(self, study, trial):
        return distributions(self.genome)

    def sample_relative(self, study, trial, search_space):
        from nas_moo.samplers.distributions import parameters

        if trial.number:
            assert self.is_known(self.last)
            assert self.is_known(self.last)
        self.last = self.waiting.pop(0)
        assert not self.is_known(self.last)
        assert self.costs(self.last)["latency"] > 0
        assert self.waiting == [] or self.costs(self.waiting[0])["latency"] > 0
        return parameters(self.last, self.genome)


def test_duplicates_and_questions_are_counted(table):
    trace = replay_search(table, lambda g, o, known, costs: Stubborn(g, known, costs), OPTIONS, trials=3)
    assert trace.duplicates == 4
    np.testing.assert_array_equal(trace.asked, [2, 3, 4])


def test_the_oracle_tells_what_the_answering_row_costs(sample):
    ledger = Ledger(sample)
    oracle = CostOracle(ledger)
    missing = sample.genome.architecture({"depth": 1, "block": "none"})
    assert oracle(missing) == {"latency": 1.0}
    assert oracle(sample.architectures[0]) == {"latency": 1.0}
    assert oracle.asked == 1
    ledger.note(0)
    oracle.note(0)
    assert oracle(missing) != {"latency": 1.0}
    assert oracle.asked == 2


def test_seconds_are_those_of_training_timing_and_proposing(described):
    seconds = ("[costs]", '[seconds]\ntraining = "s"\ntiming = 10\n[costs]')
    recorded = load_table(described(seconds, s=[100.0, 200, 300, 400, 500, 600]))
    trace = replay_search(recorded, lambda g, o, known, costs: Stubborn(g, known, costs), OPTIONS, trials=2)
    found = trace.seconds(recorded) - trace.proposing
    np.testing.assert_allclose(found, recorded.seconds[trace.rows] + [20, 10])


def test_a_table_without_seconds_has_none(table):
    assert replay_search(table, partial(load_named, "random"), OPTIONS, trials=2).seconds(table) is None
