"""What a study says of its pruner afterwards."""

from dataclasses import replace

import numpy as np
import pytest

from nas_moo import hindsight
from nas_moo.errors import UserInputError
from nas_moo.evaluation import EpochRecord, Evaluation, Judgement, Outcome
from nas_moo.genes import Integer
from nas_moo.genome import Genome
from nas_moo.measurement import Measurement
from nas_moo.results import build_result

GENOME = Genome(Integer("size", 1, 100))
ERROR = {"name": "error", "unit": "fraction", "label": "error", "stage": "trained", "log": False, "method": "m"}
PARAMS = {"name": "params", "unit": "parameters", "label": "parameters", "stage": "static", "log": True, "method": "m"}
NLL = {**ERROR, "name": "nll"}


def trial(number, size, curve, state="complete", judged=None, continues=None):
    """``judged``: None, "pruned" or "control", after two epochs."""
    measured = {"params": Measurement(float(size), "parameters", size * 0.9, size * 1.1, "95 %", 8, "m")}
    if state == "complete":
        measured["error"] = Measurement.exact(curve[-1], "fraction", "m")
    judgement = None
    if judged is not None:
        judgement = Judgement(
            "front",
            judged == "control",
            "",
            2,
            curve[1],
            0.3,
            0.1,
            0.25,
            None,
            0,
            0.2,
            9,
            0.1,
            0,
            {"params": float(size)},
        )
    return Evaluation(
        number, GENOME.architecture({"size": size}), measured,
        tuple(EpochRecord(e, v, 0.1, 0.1, 0.5) for e, v in enumerate(curve, 1)), Outcome(state, trained=True),
        judgement=judgement, continues=continues, inherited=0 if continues is None else 2,
    )  # fmt: skip


TRIALS = [
    trial(0, 10, (0.5, 0.4, 0.2)),
    trial(1, 20, (0.6, 0.5), "pruned", "pruned"),
    trial(2, 30, (0.5, 0.4, 0.1), judged="control"),  # ended below its bound, and nothing is better
    trial(3, 40, (0.5, 0.4, 0.3), judged="control"),  # above its bound, and dominated
    trial(4, 50, (0.6, 0.5), "pruned", "pruned"),
    trial(5, 20, (0.6, 0.5, 0.4), continues=1),
    trial(6, 50, (0.6, 0.5), "interrupted", continues=4),
    trial(7, 60, (0.5,), "failed"),
]


def study(trials=TRIALS, objectives=(ERROR, PARAMS)):
    return build_result("s", {"objectives": list(objectives), "genome": GENOME.describe(), "epochs": 3}, trials)


def test_the_curves_of_complete_trainings_in_the_order_of_their_numbers():
    known = hindsight.curves(study())
    assert known.numbers.tolist() == [0, 2, 3, 5]
    assert known.finished.curves.tolist() == [[0.5, 0.4, 0.2], [0.5, 0.4, 0.1], [0.5, 0.4, 0.3], [0.6, 0.5, 0.4]]
    assert known.finished.low[:, 0] == pytest.approx([9, 27, 36, 18])
    assert known.finished.high[:, 0] == pytest.approx([11, 33, 44, 22])
    assert known.costs == ("params",)


def test_what_a_later_trial_has_ended_is_not_pruned_for_good():
    assert hindsight.pruned_for_good(study())["number"].tolist() == [4]


def test_the_control_arm():
    arm = hindsight.controls(study())
    assert (arm.pruned, arm.nondominated.hits, arm.nondominated.n) == (1, 1, 2)
    assert (arm.below.hits, arm.below.n) == (1, 2)


def test_a_control_that_was_interrupted_says_nothing():
    cut = [replace(t, outcome=Outcome("interrupted"), measurements={}) if t.number == 3 else t for t in TRIALS]
    assert hindsight.controls(study(cut)).nondominated.n == 1


def by(pruner, quantile, evaluation, level=0):
    judgement = replace(evaluation.judgement, pruner=pruner, quantile=quantile, level=level)
    return replace(evaluation, judgement=judgement)


@pytest.mark.parametrize(("pruner", "quantile", "level"), [("halving", None, 0), ("front", 0.3, 0), ("front", 0.1, 1)])
def test_controls_of_another_pruner_or_quantile_say_nothing_of_the_last_one(pruner, quantile, level):
    """Trials 1 and 2 were judged by another; a quantile that was halved once is that of twice as large a one."""
    trials = [by(pruner, quantile, t, level) if t.number in (1, 2) else t for t in TRIALS]
    arm = hindsight.controls(study(trials))
    assert (arm.pruned, arm.nondominated.hits, arm.nondominated.n, arm.others) == (1, 0, 1, 1)
    assert str(arm.asked) == "front (quantile 0.1)"
    assert arm.to_dict()["other_controls"] == 1
    last = [by(pruner, quantile, t, level) if t.number == 4 else t for t in TRIALS]
    found = hindsight.controls(study(last))
    assert (found.pruned, found.nondominated.n, found.others) == (1, 0, 2)
    assert (found.asked.pruner, found.asked.quantile) == (pruner, None if quantile is None else quantile * 2**level)


def test_controls_before_and_after_a_pruner_turned_cautious_count_together():
    arm = hindsight.controls(study([by("front", 0.05, t, 1) if t.number == 3 else t for t in TRIALS]))
    assert (arm.nondominated.n, arm.others) == (2, 0)


def test_studies_without_decisions():
    assert hindsight.controls(study(TRIALS[:1])) is None
    assert hindsight.controls(study([])) is None
    assert len(hindsight.curves(study([])).finished) == 0


def test_studies_that_pruners_cannot_judge_are_refused():
    with pytest.raises(UserInputError, match="one trained objective"):
        hindsight.curves(study([], (PARAMS,)))
    with pytest.raises(UserInputError, match="one trained objective"):
        hindsight.curves(study([], (ERROR, NLL)))


def test_the_tables_say_what_each_trial_ran():
    trials = study().trials.set_index("number")
    assert trials.loc[[1, 2, 5], "epochs"].tolist() == [2, 3, 3]
    assert trials.loc[[1, 2, 5], "epochs_run"].tolist() == [2, 3, 1]
    assert trials["continues"].dropna().tolist() == [1, 4]
    prunings = study().prunings
    assert prunings["number"].tolist() == [1, 2, 3, 4]
    assert prunings["control"].tolist() == [False, True, True, False]
    assert np.isfinite(prunings[["bound", "predicted", "rival_error"]]).all(axis=None)


def test_audits_need_enough_trainings_and_a_curve():
    assert hindsight.audits(study()) == []
    enough = [trial(n, 10 + n, (0.9, 0.5 + 0.01 * n, 0.1 + 0.01 * n)) for n in range(15)]
    found = hindsight.audits(study(enough))
    assert {a.judged for a in found} == {15}
    assert [a.front for a in found] == [1] * 5, "the first is the best and the cheapest"
    assert hindsight.audits(study(enough, (PARAMS,))) == []
