"""What was measured again after a contention is what later trials of the network take over."""

import pytest

from nas_moo.measurement import Measurement
from nas_moo.study.contention import CONTENDED, Contention, Doubt, sound
from nas_moo.study.history import History
from nas_moo.study.storage import Storage

NAME = "params"


def other(measurement, times=2.0):
    ends = (measurement.value * times, measurement.low * times, measurement.high * times)
    return Measurement(ends[0], measurement.unit, *ends[1:], measurement.interval, measurement.n, measurement.method)


@pytest.fixture
def doubted(searched):
    """A study in which the first trial's measurement is put in doubt; gives its history from before that."""
    searched(trials=2, sampler="random")
    study = Storage().open("Tiny-blobs")
    before = History(study, {}, trains=True)
    network = study.trials()[0].user_attrs["network_digest"]
    first = before.measured[NAME, network]

    def doubt(again):
        found = Contention(0.1, (Doubt(network, NAME, first.value, again),))
        study.optuna.set_user_attr(f"{CONTENDED}test", found.to_dict())
        return before, (NAME, network), first

    return doubt


def test_a_study_that_is_loaded_knows_the_second_measurement(doubted):
    history, key, first = doubted(None)
    again = other(first)
    doubted(again)
    loaded = History(history._study, {}, trains=True)
    assert loaded.measured[key] == again
    assert all(loaded.measured[k] == v for k, v in history.measured.items() if k != key)


def test_a_trial_that_ends_after_the_contention_brings_no_doubted_value_back(doubted, searched):
    history, key, _ = doubted(None)
    again = other(history.measured[key])
    doubted(again)
    history.measured[key] = again  # as the worker that measured it again does
    trial = history._study.trials()[0]
    history._read.discard(trial.number)
    history.refresh()
    assert history.measured[key] == again


def test_another_worker_learns_of_it_with_the_next_trial_that_ends(doubted, searched):
    history, key, first = doubted(None)
    again = other(first)
    doubted(again)
    assert history.measured[key] == first
    searched(trials=3, sampler="random")
    history.refresh()
    assert history.measured[key] == again


def test_what_failed_the_second_time_is_known_to_nobody(doubted):
    history, key, _ = doubted(None)
    assert key not in History(history._study, {}, trains=True).measured


def test_a_second_measurement_may_be_in_doubt_itself():
    first = Measurement.exact(1.0, "ms", "clock")
    second, third = other(first), other(first, 3.0)
    chain = {("latency", "n", 1.0): second, ("latency", "n", 2.0): third}
    assert sound("latency", "n", first, chain) == third
    assert sound("latency", "other", first, chain) == first
    assert sound("latency", "n", first, {("latency", "n", 1.0): first}) == first
