import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss

from nas_moo.errors import UserInputError
from nas_moo.evaluation import Predictions
from nas_moo.objectives import Candidate
from nas_moo.objectives.error import NLL, BalancedError, Error

ALL = [Error(), BalancedError(), NLL()]


def predictions(seed, n=60, classes=4, scale=2.0):
    rng = np.random.default_rng(seed)
    targets = rng.choice(classes, n, p=np.arange(1, classes + 1) / np.arange(1, classes + 1).sum())
    logits = rng.normal(size=(n, classes)) * scale
    logits[np.arange(n), targets] += 1
    return Predictions(logits.astype(np.float32), targets.astype(np.int64))


def candidate(*folds):
    return Candidate(None, None, (1,), 4, "cpu", folds)


def as_predicted(right, wrong, classes=2):
    """Class 0 only: ``right`` examples predicted right, ``wrong`` ones wrong."""
    logits = np.zeros((right + wrong, classes), np.float32)
    logits[:right, 0], logits[right:, 1] = 1, 1
    return Predictions(logits, np.zeros(right + wrong, np.int64))


@pytest.mark.parametrize("seed", range(5))
def test_values_agree_with_scikit_learn(seed):
    p = predictions(seed)
    predicted = p.logits.argmax(axis=1)
    shifted = np.exp(p.logits.astype(float))
    probabilities = shifted / shifted.sum(axis=1, keepdims=True)
    assert Error().value(p) == pytest.approx(1 - accuracy_score(p.targets, predicted), abs=1e-12)
    with warnings.catch_warnings():  # scikit-learn remarks on a class that is predicted and never true
        warnings.simplefilter("ignore")
        assert BalancedError().value(p) == pytest.approx(1 - balanced_accuracy_score(p.targets, predicted), abs=1e-12)
    assert NLL().value(p) == pytest.approx(log_loss(p.targets, probabilities, labels=range(4)), rel=1e-9)


def test_a_class_that_does_not_occur_has_no_recall():
    logits = np.eye(3, dtype=np.float32)[[0, 1, 1, 1]]
    assert BalancedError().value(Predictions(logits, np.array([0, 1, 1, 0]))) == pytest.approx(0.25)


def test_the_log_likelihood_survives_large_logits():
    p = Predictions(np.array([[1e30, 0], [0, 1e4]], np.float32), np.array([0, 0]))
    assert NLL().value(p) == pytest.approx(5000)


@pytest.mark.parametrize("objective", ALL)
def test_the_measured_value_is_the_cheap_one_and_lies_in_its_interval(objective):
    p = predictions(0)
    measured = objective.measure(candidate(p))
    assert measured.value == objective.value(p)
    assert measured.low < measured.value < measured.high
    assert (measured.unit, measured.n, measured.method) == (objective.unit, 60, objective.method)


def test_the_wilson_interval_is_the_published_one():
    measured = Error().measure(candidate(as_predicted(90, 10)))
    assert (measured.low, measured.high) == pytest.approx((0.0552, 0.1744), abs=5e-5)
    assert measured.interval == "95 % Wilson"


@settings(max_examples=60, deadline=None)
@given(right=st.integers(0, 40), wrong=st.integers(0, 40), seed=st.integers(0, 5))
def test_intervals_of_shares_stay_between_0_and_1(right, wrong, seed):
    folds = [predictions(seed, n=7, scale=0.1)]
    if right + wrong:
        folds.append(as_predicted(right, wrong))
    for objective in (Error(), BalancedError()):
        for fold in folds:
            measured = objective.measure(candidate(fold))
            assert 0 <= measured.low <= measured.value <= measured.high <= 1
            assert measured.low < measured.high


def test_the_balanced_interval_of_one_class_is_wilsons():
    p = as_predicted(13, 4)
    balanced, plain = BalancedError().measure(candidate(p)), Error().measure(candidate(p))
    assert (balanced.low, balanced.high) == pytest.approx((plain.low, plain.high), abs=1e-12)


def test_the_balanced_interval_of_two_equal_classes_is_narrower_by_the_root_of_two():
    one = as_predicted(13, 4)
    other = Predictions(one.logits[:, ::-1], 1 - one.targets)
    both = Predictions(np.vstack([one.logits, other.logits]), np.concatenate([one.targets, other.targets]))
    single, double = BalancedError().measure(candidate(one)), BalancedError().measure(candidate(both))
    assert double.value - double.low == pytest.approx((single.value - single.low) / np.sqrt(2))
    assert double.high - double.value == pytest.approx((single.high - single.value) / np.sqrt(2))


@pytest.mark.parametrize(("objective", "share"), [(Error(), 0.3), (BalancedError(), 0.3), (NLL(), None)])
def test_the_interval_holds_the_truth_in_about_95_of_100_samples(objective, share):
    rng = np.random.default_rng(1)
    truth, held, rounds = share or np.log(2) * 0.75 + np.log(4) * 0.25, 0, 400
    for _ in range(rounds):
        targets = rng.integers(0, 2, 120)
        if share is None:  # a surprise of log 2 three times in four, else of log 4
            own = np.where(rng.random(120) < 0.75, 0.5, 0.25)
            probabilities = np.where(np.arange(2) == targets[:, None], own[:, None], 1 - own[:, None])
            logits = np.log(probabilities)
        else:
            logits = np.eye(2)[np.where(rng.random(120) < share, 1 - targets, targets)]
        measured = objective.measure(candidate(Predictions(logits.astype(np.float32), targets)))
        held += measured.low <= truth <= measured.high
    assert 0.92 <= held / rounds <= 0.985


@pytest.mark.parametrize("objective", ALL)
def test_several_folds_give_their_mean_and_range(objective):
    folds = [predictions(seed) for seed in range(5)]
    values = [objective.value(f) for f in folds]
    measured = objective.measure(candidate(*folds))
    assert measured.value == pytest.approx(np.mean(values))
    assert (measured.low, measured.high) == (min(values), max(values))
    assert (measured.interval, measured.n) == ("range over 5 folds", 5)
    assert measured.details["folds"] == values
    assert measured.details["standard_deviation"] == pytest.approx(np.std(values, ddof=1))


def test_equal_folds_have_exactly_their_value():
    measured = Error().measure(candidate(*[as_predicted(9, 1)] * 3))
    assert measured.low == measured.value == measured.high == 0.1


@pytest.mark.parametrize("objective", ALL)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_refused(objective, bad):
    p = predictions(0)
    p.logits[3, 1] = bad
    with pytest.raises(UserInputError, match="1 of 60 examples"):
        objective.value(p)


@pytest.mark.parametrize("objective", ALL)
def test_what_cannot_be_measured_is_refused(objective):
    with pytest.raises(UserInputError, match="after training"):
        objective.measure(candidate())
    with pytest.raises(UserInputError, match="no class"):
        objective.value(Predictions(np.zeros((2, 2), np.float32), np.array([0, 2])))
    with pytest.raises(UserInputError, match="belong together"):
        objective.value(Predictions(np.zeros((2, 2), np.float32), np.array([0])))
    with pytest.raises(UserInputError, match="belong together"):
        objective.value(Predictions(np.zeros((0, 2), np.float32), np.array([], np.int64)))


def test_one_example_gives_no_t_interval():
    with pytest.raises(UserInputError, match="two or more"):
        NLL().measure(candidate(predictions(0, n=1)))
