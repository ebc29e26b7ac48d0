import itertools

import numpy as np
import pandas as pd
import pytest

from nas_moo import pareto
from nas_moo.errors import UnknownNameError, UserInputError
from reports import hypervolume, progress, style


def proposed(result, *origins):
    """The study, as if its trials had been proposed so, the last way for all that are left."""
    rest = [origins[-1]] * (len(result.trials) - len(origins))
    result.trials["origin"] = [*origins, *rest]
    return result


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
    assert "validation error 60 %, 2 MFLOPs, latency 0.5 ms" in fixed.sentences[-1]
    assert "first 10 complete trials" in fixed.sentences[-1]
    assert "provisional" in early.sentences[-1]
    assert "complete trials: 5" in early.sentences[-1]
    assert "provisional" in hypervolume(make(6)).get_ylabel()


def test_gain_of_the_last_quarter():
    shown = progress.Progress(
        np.array([1, 2, 3, 4]), np.array([1, 2, 3, 4]), np.array([1.0, 1.0, 1.5, 2.0]), np.ones(4, int),
        {}, 4, False, 0, (),
    )  # fmt: skip
    assert shown.gained() == pytest.approx(0.25)
    assert shown.gained(until=0.75) == pytest.approx(0.25)
    assert shown.gained(until=0.5) == 0


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


def test_what_was_spent_counts_every_trial_and_no_waiting(make):
    result = make()
    result.trials["seconds_waiting"] = 100.0
    shown, trials = progress.gather(result), result.trials
    assert shown.spent("epochs")[-1] == trials["epochs_run"].sum()
    assert shown.spent("epochs")[-1] > 8 * len(result.complete), "pruned and failed ones ran epochs, too"
    assert shown.spent("seconds")[-1] == pytest.approx(trials[["seconds_static", "seconds_training"]].sum().sum())
    at = hypervolume(result, over="seconds")
    assert at.get_xlim()[1] > shown.spent("seconds")[-1]
    assert "seconds of work" in at.get_xlabel()


def test_an_axis_that_is_not_known_is_refused(make):
    result = make(12)
    with pytest.raises(UnknownNameError):
        hypervolume(result, over="euros")
    result.trials[["seconds", "seconds_static", "seconds_training"]] = 0.0
    with pytest.raises(UserInputError, match="stores no seconds"):
        hypervolume(result, over="seconds")
    assert [p.name for p in progress.section(result).pictures] == ["hypervolume", "hypervolume-epochs"]


def test_random_search_is_the_mean_over_all_orders(make):
    result = proposed(make(20), *["random"] * 4, "screened")
    shown = progress.gather(result)
    points = result.coordinates(result.complete[result.complete["number"] < 4])
    reference = pareto.scaled(np.array([list(shown.reference.values())]), [o.log for o in result.objectives])[0]
    assert list(shown.chance.taken) == [1, 2, 3, 4]
    for k, mean in zip((1, 2, 3, 4), shown.chance.mean, strict=True):
        subsets = [pareto.hypervolume(points[list(s)], reference) for s in itertools.combinations(range(4), k)]
        assert mean == pytest.approx(np.mean(subsets), rel=0.05)  # 200 orders, not all 24 equally often
    assert shown.chance.mean[-1] == pytest.approx(shown.hypervolume[shown.complete == 4][0]), "it ends where they end"
    assert (shown.chance.low <= shown.chance.mean).all()
    assert (shown.chance.mean <= shown.chance.high + 1e-12).all()
    assert shown.chance.each == {"trainings": 1, "epochs": 8, "seconds": pytest.approx(4.1)}


def test_a_random_trial_that_went_on_is_one_that_costs_more(make):
    result = proposed(make(20), *["random"] * 6, "screened")  # the sixth was pruned
    result.trials.loc[12, ["continues", "origin"]] = [5, "thawed"]
    chance = progress.gather(result).chance
    assert chance.trials == 6
    assert chance.each["trainings"] == pytest.approx(7 / 6)


def test_what_is_not_known_of_random_search_is_said(make):
    assert "no more random trials" not in _labels(make(20))
    assert "not stored" in progress.section(make(20)).sentences[1]
    assert "no trainings were drawn evenly" in progress.section(proposed(make(20), "grid")).sentences[1]
    assert "1 training was drawn evenly" in progress.section(proposed(make(20), "random", "bred")).sentences[1]
    assert "this is random search" in progress.section(proposed(make(20), "random")).sentences[1]
    told = proposed(make(20), *["random"] * 10, "bred")
    assert "what random search would have reached by now is not known" in progress.section(told).sentences[1]
    assert "no more random trials" in _labels(told)


def _labels(result):
    return [t.get_text() for t in hypervolume(result).get_legend().get_texts()]


def test_what_each_origin_brought_adds_up(make):
    result = proposed(make(), *["random"] * 10, *["screened"] * 20, "bred")
    shown = progress.gather(result)
    assert list(shown.origins["origin"]) == ["random", "bred", "screened"]
    assert shown.origins["added"].sum() == pytest.approx(shown.hypervolume[-1])
    assert shown.origins["front"].sum() == result.trials["front"].sum()
    assert shown.origins["improved"].sum() == len(shown.rises)
    assert progress.section(result).tables[0].rows[0][0] == "random: drawn evenly from the space"
    assert len(progress.section(make()).tables) == 1, "nothing is stored of it"


def test_generations_are_marked_where_there_are_any(make):
    result = make(30)
    result.trials["generation"] = pd.array(np.arange(30) // 10, dtype="Int64")
    at = progress.gather(result).generations["epochs"]
    assert list(at) == [result.trials["epochs_run"][:k].sum() for k in (10, 20)]
    assert "a new generation" in _labels(result)
    result.trials["generation"] = pd.array(np.arange(30), dtype="Int64")
    assert "each 2th generation" in _labels(result)


@pytest.mark.parametrize(
    ("steps", "advice"),
    [
        ([1.0] * 8, "bring little"),
        ([1, 1, 1, 1, 1, 1.5, 1.5, 1.6], "may pay"),
        ([1, 1, 1, 1, 1, 1.5, 1.5, 2.5], "likely to pay"),
    ],
)
def test_advice_looks_at_the_last_two_quarters(steps, advice):
    n = np.arange(1, 9)
    shown = progress.Progress(n, n, np.array(steps), n, {}, 4, False, 0, ())
    assert f"{advice}." in progress._verdict(shown)


def test_a_long_study_is_measured_once_and_drawn_small(make, monkeypatch):
    result, calls = proposed(make(400), *["random"] * 10, "bred"), []
    growth = progress.gather.__globals__["growth"]
    monkeypatch.setitem(progress.gather.__globals__, "growth", lambda *a: calls.append(1) or growth(*a))
    pictures = progress.section(result).pictures
    assert sum(len(style.files(p.draw())[0]) for p in pictures) < 150_000
    assert len(calls) == 1
