import numpy as np
import pytest

from nas_moo import pareto
from nas_moo.errors import UserInputError
from reports import hypervolume, progress


def test_hypervolume_is_that_of_the_complete_trials_so_far(study):
    shown = progress.gather(study)
    log = [o.log for o in study.objectives]
    reference = pareto.scaled(np.array([[0.6, 2e6, 0.5]]), log)[0]
    for k in (1, 7, len(study.complete)):
        points = study.coordinates(study.complete.iloc[:k])
        at = np.flatnonzero(shown.complete == k)[0]
        assert shown.hypervolume[at] == pytest.approx(pareto.hypervolume(points, reference))
        assert shown.front[at] == pareto.nondominated(points).sum()
    assert (np.diff(shown.hypervolume) >= 0).all()
    assert shown.front[-1] == study.trials["front"].sum()


def test_trainings_count_those_that_cost_training(study):
    shown = progress.gather(study)
    assert shown.trainings[-1] == study.trials["trained"].sum()
    assert shown.complete[-1] == len(study.complete)


def test_reference_is_told_with_what_fixed_it(study, make):
    fixed, early = progress.section(study), progress.section(make(6))
    assert "validation error 60 %, 2 MFLOPs, latency 0.5 ms" in fixed.sentences[1]
    assert "first 10 complete trials" in fixed.sentences[1]
    assert "provisional" in early.sentences[1]
    assert "complete trials: 5" in early.sentences[1]
    assert "provisional" in hypervolume(make(6)).get_ylabel()


def test_gain_of_the_last_quarter():
    shown = progress.Progress(
        np.array([1, 2, 3, 4]), np.array([1, 2, 3, 4]), np.array([1.0, 1.0, 1.5, 2.0]), np.ones(4, int),
        {}, 4, False, 0, (),
    )  # fmt: skip
    assert shown.gained() == pytest.approx(0.25)


def test_points_beyond_the_reference_are_counted(make):
    reference = {"values": {"error": 0.1, "flops": 2e6, "latency_eager": 0.5}, "trials": 3}
    result = make(hypervolume_reference=reference)
    assert progress.gather(result).beyond == (result.complete["error"] >= 0.1).sum() > 0


def test_without_training_complete_trials_are_counted(make):
    result = make(9, ("flops", "params"))
    result.trials["trained"] = False
    shown = progress.gather(result)
    assert list(shown.trainings) == list(shown.complete)
    assert "complete trials" in progress.section(result).sentences[0]


def test_nothing_complete(make):
    assert progress.gather(make(0)) is None
    assert "No trial is complete" in progress.section(make(3, state="failed")).missing
    with pytest.raises(UserInputError):
        hypervolume(make(0))
