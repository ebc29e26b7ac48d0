"""Our NSGA-II: selection by its definition, children inside the space, and a screening that pays."""

from functools import partial
from pathlib import Path

import numpy as np
import optuna
import pytest

from nas_moo.genes import Categorical, Integer, Real, at_least
from nas_moo.genome import Genome
from nas_moo.pareto import nondominated, ranks
from nas_moo.replay.judge import Judge
from nas_moo.replay.run import load_named, replay_search, replay_seeds
from nas_moo.replay.table import load_table
from nas_moo.samplers import SamplerOptions, load_sampler
from nas_moo.samplers.distributions import distributions
from nas_moo.samplers.nsga2 import read_trial
from nas_moo.samplers.population import Individual, Population, interval_ranks
from nas_moo.samplers.screening import Screening

TABLE = Path(__file__).parents[3] / "scripts" / "benchmarks" / "data" / "tiny_cnn_seed0.toml"
GOLDEN = {  # rows on the front of seed 1 after 30 trainings, with screening and without
    True: [5, 57, 151, 188, 200, 211, 224, 247, 260, 295, 361, 433, 439, 505, 649],
    False: [18, 146, 155, 188, 247, 371, 386, 504, 649],
}
MIXED = Genome(
    Integer("depth", 1, 3),
    Integer("units", 8, 512, log=True),
    Categorical("kernel", (3, 5, 7), ordered=True, active=at_least("depth", 2)),
    Categorical("block", ("plain", "res")),
    Real("rate", 1e-4, 1.0, log=True, affects="training"),
    Real("drop", 0.0, 0.5, affects="training"),
)


def individual(values, *, violation=0.0, complete=True, half=0.0):
    values = np.array(values, dtype=float)
    return Individual({}, values, values - half, values + half, violation, complete)


def test_ranks_of_exact_values_are_those_of_nsga2():
    values = np.random.default_rng(0).integers(0, 6, (40, 3)).astype(float)
    assert interval_ranks(values, values).tolist() == ranks(values).tolist()


def test_values_inside_each_others_intervals_tie():
    values = np.array([[1.0, 1.0], [1.1, 1.1], [2.0, 2.0]])
    assert interval_ranks(values, values).tolist() == [0, 1, 2]
    assert interval_ranks(values - 0.1, values + 0.1).tolist() == [0, 0, 1]


def test_the_worst_leaves_by_feasibility_then_rank_then_crowding():
    population = Population(3)
    for values in ([0.0, 4.0], [4.0, 0.0], [2.0, 2.0]):
        population.add(individual(values))
    population.add(individual([1.9, 2.0]))
    assert [2.0, 2.0] not in [m.values.tolist() for m in population.members]  # dominated
    population.add(individual([0.0, 0.0], violation=0.5))
    assert all(m.violation == 0 for m in population.members)
    population.add(individual([0.1, 3.9]))
    assert [0.1, 3.9] not in [m.values.tolist() for m in population.members]  # crowded by [0, 4]


def test_what_is_not_complete_displaces_nothing_that_is():
    population = Population(2)
    population.add(individual([1.0, 5.0]))
    population.add(individual([5.0, 1.0]))
    population.add(individual([0.0, 0.0], complete=False))
    assert all(m.complete for m in population.members)
    population.add(individual([0.5, 0.5]))
    assert [0.5, 0.5] in [m.values.tolist() for m in population.members]


def test_every_proposal_is_new_and_inside_the_space():
    known = set()
    sampler = load_sampler("nsga2", MIXED, SamplerOptions(seed=3), lambda a: a.digest in known)
    study = optuna.create_study(directions=["minimize"] * 2, sampler=sampler)
    for _ in range(80):
        trial = study.ask(fixed_distributions=distributions(MIXED))
        architecture = MIXED.architecture(trial.params)  # raises where a value is outside
        assert architecture.digest not in known
        known.add(architecture.digest)
        study.tell(trial, [1.0 / architecture["depth"] + architecture["drop"], architecture["units"]])


def test_trials_of_another_sampler_are_adopted():
    genome = Genome(Integer("a", 0, 999), Integer("b", 0, 999))
    study = optuna.create_study(directions=["minimize"] * 2, sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(30):
        trial = study.ask(fixed_distributions=distributions(genome))
        study.tell(trial, [trial.params["a"], trial.params["b"]])
    seen = {(t.params["a"], t.params["b"]) for t in study.trials}
    study.sampler = load_sampler("nsga2", genome, SamplerOptions(), lambda _: False)
    bred = [study.ask(fixed_distributions=distributions(genome)).params for _ in range(20)]
    inherited = sum(p["a"] in {a for a, _ in seen} or p["b"] in {b for _, b in seen} for p in bred)
    assert inherited >= 15


def test_screened_trials_count_by_their_violation_and_failed_ones_not_at_all():
    study = optuna.create_study(directions=["minimize"] * 2)
    screened = study.ask()
    screened.set_constraint("flops", 0.7)
    study.tell(screened, state=optuna.trial.TrialState.PRUNED)
    study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
    first, second = study.trials
    assert read_trial(first).violation == pytest.approx(0.7)
    assert not read_trial(first).complete
    assert read_trial(second) is None


def test_screening_has_far_less_regret_than_random_search_for_the_same_trainings():
    table = load_table(TABLE)
    judge = Judge(table)

    def regret(name):
        traces = replay_seeds(table, partial(load_named, name), SamplerOptions(), trials=50, seeds=6)
        return np.median([judge.regret(t)[-1] for t in traces])

    assert regret("nsga2") < 0.6 * regret("random")


def test_a_surrogate_that_cannot_be_fitted_leaves_plain_nsga2_and_says_so(monkeypatch, caplog):
    def fails(*_):
        raise np.linalg.LinAlgError("not positive definite")

    monkeypatch.setattr(Screening, "best", fails)
    trace = replay_search(load_table(TABLE), partial(load_named, "nsga2"), SamplerOptions(), 14)
    assert len(set(trace.rows)) == 14
    assert [r.getMessage() for r in caplog.records] == [
        "The surrogate could not be fitted (not positive definite); this proposal is plain NSGA-II."
    ] * 4


@pytest.mark.parametrize("screening", [True, False])
def test_the_front_of_a_seed_stays_what_it_was(screening):
    table = load_table(TABLE)
    trace = replay_search(table, partial(load_named, "nsga2", screening=screening), SamplerOptions(seed=1), 30)
    front = np.sort(trace.rows[nondominated(table.objectives[trace.rows])])
    assert front.tolist() == GOLDEN[screening]
