import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from nas_moo.errors import UserInputError
from reports import unseen, unseen_pictures, validation_against_test
from reports.unseen_numbers import gather

SMALL = ("error", "flops")


def opened(result, shift=0.02, noise=0.15, width=0.1, interval="95 % Wilson", seed=3):
    """Test values around the validation errors of the front, as ``unseen`` would give them."""
    front = result.front()
    draw = np.random.default_rng(seed).normal(size=len(front))
    test = front["error"].to_numpy() * (1 + noise * draw) + shift
    return pd.DataFrame(
        {"id": front["id"], "test": test, "test_low": test * (1 - width), "test_high": test * (1 + width),
         "interval": interval}
    )  # fmt: skip


@pytest.fixture(scope="module")
def found(study):
    return gather(study, opened(study))


def test_the_front_alone_in_the_unit_that_is_shown(study, found):
    values = opened(study).set_index("id")["test"]
    assert set(found.models["id"]) == set(study.front()["id"])
    np.testing.assert_allclose(found.models["test"], 100 * values[found.models["id"]])
    np.testing.assert_allclose(found.models["gap"], found.models["test"] - found.models["validation"])
    assert found.models["validation"].is_monotonic_increasing
    assert found.unit == "points"


def test_optimism_has_a_t_interval_and_what_the_examples_leave_open(found):
    gaps = found.models["gap"]
    told = ttest_1samp(gaps, 0).confidence_interval(0.95)
    assert (found.gap.mean, found.gap.low, found.gap.high) == pytest.approx((gaps.mean(), told.low, told.high))
    halves = [(found.models[f"{p}_high"] - found.models[f"{p}_low"]).mean() / 2 for p in ("validation", "test")]
    assert found.gap.examples == pytest.approx(np.hypot(*halves))


def test_who_stays_is_who_no_other_one_dominates_by_test_error_and_costs(study, found):
    costs = study.front().set_index("id")[["flops", "latency_eager"]]
    points = {m["id"]: (m["test"], *costs.loc[m["id"]]) for m in found.models.to_dict("records")}

    def beats(a, b):
        return all(x <= y for x, y in zip(points[a], points[b], strict=True)) and points[a] != points[b]

    assert 0 < found.models["stays"].sum() < len(found.models)
    for m in found.models.to_dict("records"):
        rivals = [i for i in points if beats(i, m["id"])]
        assert m["stays"] == (not rivals)
        assert m["beaten_by"] in ([""] if m["stays"] else rivals)
        if rivals:
            assert points[m["beaten_by"]][0] == min(points[i][0] for i in rivals)


def test_pairs_that_change_places_are_counted_one_by_one(study):
    shown = gather(study, opened(study, noise=0.4, width=0.05))
    rows = shown.models.to_dict("records")
    changed = [(a, b) for a in rows for b in rows if a["validation"] < b["validation"] and a["test"] > b["test"]]
    apart = [(b["id"], a["id"]) for a, b in changed if a["test_low"] > b["test_high"]]
    assert shown.flips.pairs == len(rows) * (len(rows) - 1) / 2
    assert shown.flips.changed == len(changed)
    assert shown.flips.apart == len(apart) > 0
    assert set(shown.flips.examples) <= set(apart)
    assert f"{shown.flips.apart} of them with test intervals apart ({' before '.join(shown.flips.examples[0])}" in (
        " ".join(unseen.section(study, opened(study, noise=0.4, width=0.05)).sentences)
    )


def test_the_verdict_follows_who_stays(study):
    same = opened(study, shift=0, noise=0)
    told = unseen.section(study, same)
    n = len(same)
    assert told.sentences[0].startswith(f"Yes: {n} of {n} models stay")
    assert f"0 of {n * (n - 1) // 2} pairs change places" in told.sentences[2]
    equal = same.assign(test=0.5, test_low=0.4, test_high=0.6)
    assert unseen.section(study, equal).sentences[0].startswith("Unclear: 1 of")
    sure = same.assign(test=1 - same["test"])
    sure = sure.assign(test_low=sure["test"], test_high=sure["test"] + 1e-9)
    answer = unseen.section(study, sure).sentences[0]
    assert answer.startswith("No: ")
    assert "are surely worse" in answer


def test_a_chosen_model_that_another_one_beats_is_named(study):
    values = opened(study, shift=0, noise=0)
    chosen = study.choose().id
    values.loc[values["id"] == chosen, ["test", "test_low", "test_high"]] = 0.9, 0.8, 1.0
    shown = gather(study, values)
    rival = shown.models.set_index("id").loc[chosen, "beaten_by"]
    told = unseen.section(study, values).sentences[2]
    assert rival
    assert f"{rival} is at least as good as the chosen model" in told
    assert f"is number {shown.models.iloc[0]['test_rank']} by test error" in told


def test_errors_without_intervals_claim_nothing_of_them(study):
    values = opened(study, noise=0.4, width=0, interval="no interval recorded")
    shown = gather(study, values)
    assert not shown.judged
    assert shown.flips.changed > 0
    assert shown.flips.apart == 0
    assert np.isnan(shown.gap.examples)
    section = unseen.section(study, values)
    assert not any("intervals apart" in s or "surely" in s or "same examples" in s for s in section.sentences)
    assert "no intervals" in section.pictures[0].caption


def test_ranges_over_folds_are_no_confidence_intervals(make):
    result = make(20, SMALL, validation="kfold:3")
    assert "not stored" in unseen.section(result, opened(result)).sentences[-1]
    errors = result.measurements["objective"] == "error"
    spread = [{"folds": [v - 0.01, v, v + 0.01]} for v in result.measurements.loc[errors, "value"]]
    result.measurements.loc[errors, "details"] = pd.Series(spread, index=result.measurements.index[errors])
    shown = gather(result, opened(result, interval="range over 3 folds"))
    assert np.isnan(shown.gap.examples)
    assert (shown.folds.count, shown.folds.spread, shown.folds.agreement) == pytest.approx((3, 1.0, 1.0))
    assert "3-fold" in unseen.section(result, opened(result)).sentences[-1]
    assert gather(make(20, SMALL), opened(make(20, SMALL))).folds is None


def test_models_without_a_test_value_are_counted(study):
    shown = gather(study, opened(study).iloc[2:])
    assert shown.without == 2
    assert len(shown.models) == len(study.front()) - 2
    assert "2 more have no test value" in unseen.section(study, opened(study).iloc[2:]).sentences[0]


def test_one_picture_with_equal_scales_and_its_diagonal(study):
    ax = validation_against_test(study, opened(study))
    assert ax.get_xlim() == ax.get_ylim()
    assert ax.get_aspect() == 1
    assert ax.get_xscale() == ax.get_yscale()
    line = ax.lines[0].get_xydata()
    assert (line[:, 0] == line[:, 1]).all()
    assert "validation error (%)" in ax.get_xlabel()
    assert "test error (%)" in ax.get_ylabel()


def test_differences_have_the_interval_of_a_difference(study, found):
    one = found.models.iloc[0]
    down = np.hypot(one["test"] - one["test_low"], one["validation_high"] - one["validation"])
    up = np.hypot(one["test_high"] - one["test"], one["validation"] - one["validation_low"])
    assert (one["gap_low"], one["gap_high"]) == pytest.approx((one["gap"] - down, one["gap"] + up))
    ax = unseen_pictures.draw_gaps(found)
    mean = next(line for line in ax.lines if line.get_label() == "mean")
    assert mean.get_ydata()[0] == found.gap.mean
    low, high = ax.get_ylim()
    assert low < found.models["gap_low"].min()
    assert found.models["gap_high"].max() < high


def test_a_model_beside_itself_on_a_logarithmic_axis(make):
    result = make(20, SMALL)
    values = opened(result)
    values.loc[0, ["test", "test_low"]] = 1e-4, 0.0
    ax = validation_against_test(result, values)
    assert ax.get_xscale() == "log"
    assert 0 < ax.get_xlim()[0] < 1e-2


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ({"trials": 0}, "No trial is complete"),
        ({"trials": 3, "state": "failed"}, "No trial is complete"),
        ({"trials": 9, "objectives": ("flops", "params")}, "No objective of this study is trained"),
        ({"trials": 9}, "none were sealed"),
    ],
)
def test_what_is_missing_is_said(make, case, says):
    result = make(**case)
    nothing = pd.DataFrame(columns=["id", "test", "test_low", "test_high", "interval"])
    assert says in unseen.section(result, nothing).missing
    with pytest.raises(UserInputError):
        validation_against_test(result, nothing)


def test_a_front_of_one_model(make):
    result = make(1)
    section = unseen.section(result, opened(result))
    assert "One model is on the front" in section.sentences[0]
    assert "t-interval" not in section.sentences[1]
    for picture in section.pictures:
        picture.draw()
