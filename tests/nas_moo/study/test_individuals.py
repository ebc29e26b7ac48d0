"""Stored trials as our NSGA-II selects them."""

import math

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial

from nas_moo.evaluation import EpochRecord, Judgement, Outcome
from nas_moo.measurement import Measurement
from nas_moo.samplers.distributions import distributions
from nas_moo.study.config import configure
from nas_moo.study.individuals import IndividualReader
from nas_moo.study.storage import Storage

GENES = {"depth": 1, "width_0": 8, "width_1": 2, "learning_rate": 0.1}
ERROR = Measurement(0.3, "fraction", 0.2, 0.4, "95 % Wilson", 50, "m")
PARAMS = Measurement.exact(40, "parameters", "m")
LATENCY = Measurement(0.10, "ms", 0.09, 0.12, "95 %", 8, "m")


@pytest.fixture
def read(tiny):
    """A trial as an individual under limits."""

    def read(state, outcome, measured=(), *, limits=None, values=None, genes=GENES, **attrs):
        setup = configure(
            "space.py:Tiny", "blobs.npz", ("error", "params", "latency"), sampler="nsga2", limits=limits or {}
        )
        space = distributions(setup.space.space.genome)
        stored = {f"measurement:{name}": m.to_dict() for name, m in dict(measured).items()}
        if outcome is not None:
            stored["outcome"] = vars(outcome)
        trial = create_trial(
            state=state,
            values=values,
            params=dict(genes),
            distributions={name: space[name] for name in genes},
            user_attrs=stored | attrs,
        )
        return IndividualReader(setup)(trial)

    return read


COSTS = {"params": PARAMS, "latency_eager": LATENCY}
ALL = {"error": ERROR, **COSTS}
VALUES = [0.3, 40.0, 0.10]
COMPLETE = Outcome("complete", trained=True)
SCREENED = Outcome("screened", "budget:params")
PRUNED = Outcome("pruned", "front", trained=True)


def test_a_complete_trial_keeps_the_interval_of_its_latency_alone(read):
    found = read(TrialState.COMPLETE, COMPLETE, ALL, values=VALUES)
    assert found.values.tolist() == VALUES
    assert found.low.tolist() == [0.3, 40, 0.09]
    assert found.high.tolist() == [0.3, 40, 0.12]
    assert (found.violation, found.complete, found.genes) == (0, True, GENES)


def test_a_complete_trial_tells_its_whole_curve_or_none(read):
    for epochs, kept in ((15, 15), (14, 0), (0, 0)):
        errors = curve(*[0.3] * epochs)
        assert len(read(TrialState.COMPLETE, COMPLETE, ALL, values=VALUES, curve=errors).curve) == kept


def test_limits_are_those_of_today(read):
    found = read(TrialState.COMPLETE, COMPLETE, ALL, values=VALUES, limits={"params": 32, "error": 0.1})
    assert found.violation == pytest.approx(0.25 + 1.0)
    assert found.complete
    assert read(TrialState.COMPLETE, COMPLETE, ALL, values=VALUES, limits={"latency": 0.095}).violation == 0


def test_a_screened_trial_counts_by_its_violation(read):
    found = read(TrialState.PRUNED, SCREENED, {"params": PARAMS}, limits={"params": 20})
    assert found.violation == pytest.approx(1.0)
    assert not found.complete
    assert found.values[1] == 40
    assert np.isnan(found.values[[0, 2]]).all()
    assert read(TrialState.PRUNED, SCREENED, {"params": PARAMS}, limits={"params": 50}) is None


JUDGEMENT = Judgement("front", False, "", 3, 0.4, 0.35, 0.2, 0.3, None, 0, 0.25, 12, 0.1, 0, {"params": 40.0})


def test_a_pruned_trial_counts_by_the_prediction_of_its_error(read):
    found = read(TrialState.PRUNED, PRUNED, COSTS, **{"predicted:error": 0.35})
    assert found.values.tolist() == [0.35, 40, 0.10]
    assert (found.complete, found.curve, found.remaining) == (False, (), math.inf)
    assert read(TrialState.PRUNED, PRUNED, COSTS) is None


def curve(*errors):
    return [vars(EpochRecord(i + 1, e, 0.1, 0.1, 0.1)) for i, e in enumerate(errors)]


def test_a_pruned_trial_tells_its_curve_and_what_is_left_to_train(read):
    told = {"predicted:error": 0.35, "pruned": vars(JUDGEMENT), "curve": curve(0.6, 0.5, 0.4)}
    found = read(TrialState.PRUNED, PRUNED, COSTS, **told)
    assert (found.complete, found.curve, found.values[0]) == (False, (0.6, 0.5, 0.4), 0.35)
    assert found.remaining == pytest.approx(1 - 3 / 15)
    del told["predicted:error"]
    assert read(TrialState.PRUNED, PRUNED, COSTS, **told).values[0] == 0.4, "its pruner predicts nothing"
    anew = read(TrialState.PRUNED, PRUNED, COSTS, **told, continues={"trial": 0, "epochs": 0})
    assert (len(anew.curve), anew.remaining) == (3, math.inf)
    going_on = read(TrialState.PRUNED, PRUNED, COSTS, **told, continues={"trial": 0, "epochs": 2})
    assert going_on.remaining == pytest.approx(1 - 3 / 15)


@pytest.mark.parametrize(
    "outcome", [Outcome("failed", "nan", trained=True), Outcome("interrupted"), Outcome("duplicate"), None]
)
def test_what_failed_teaches_nothing(read, outcome):
    assert read(TrialState.FAIL, outcome, COSTS) is None


def test_a_trial_added_by_hand_counts_by_its_values(read):
    found = read(TrialState.COMPLETE, None, values=VALUES, genes={"depth": 1, "width_0": 8, "learning_rate": 0.1})
    assert found.values.tolist() == found.low.tolist() == VALUES
    assert found.genes == GENES  # an inactive gene takes its first value
    assert read(TrialState.COMPLETE, None, values=[math.inf, 40.0, 0.1]) is None
    assert read(TrialState.COMPLETE, None, values=VALUES, genes={"depth": 1}) is None


def test_a_study_of_another_sampler_goes_on_with_ours_and_breeds_from_all_of_it(searched, monkeypatch):
    from nas_moo.study.worker import Worker

    workers, original = [], Worker.go
    monkeypatch.setattr(Worker, "go", lambda self: workers.append(self) or original(self))
    searched(sampler="random", trials=6, epochs=1)
    queued = Storage().open("Tiny-blobs")
    waiting = {a.digest for a in workers[0].genome.grid() if not workers[0].history.is_known(a)}
    chosen = next(a for a in workers[0].genome.grid() if a.digest in waiting)
    queued.optuna.enqueue_trial({**{g.name: g.values()[0] for g in workers[0].genome.genes}, **chosen})
    result = searched(sampler="nsga2", trials=9, epochs=1)
    assert len(result.complete) == 9
    assert result.trials["digest"][6] == chosen.digest
    sampler = workers[1].sampler.base
    sampler._absorb(workers[1].study.trials())
    assert len(sampler._population.members) == 9


def test_what_waits_in_optuna_s_queue_is_not_running_and_not_trained_twice(searched):
    first = searched(trials=2, epochs=1)
    study = Storage().open(first.name)
    genes = [t.params for t in study.trials()]
    study.optuna.enqueue_trial(genes[0])
    told = []
    result = searched(trials=3, epochs=1, listener=told.append)
    assert result.trials["state"].tolist() == ["complete", "complete", "duplicate", "complete"]
    study.optuna.enqueue_trial(genes[1])
    assert study.trials()[-1].state == optuna.trial.TrialState.WAITING
    assert "running" not in study.result().trials["state"].tolist()
    done = searched(trials=3, epochs=1, listener=told.append)
    assert (done.done, told[-1]["running_elsewhere"]) == (3, 0)
