import numpy as np
import pytest
from matplotlib.figure import Figure

from nas_moo.errors import UnknownNameError
from nas_moo.pareto import nondominated
from reports import front, pareto, style
from reports.labels import Label, place


def test_groups_are_the_front_the_pair_and_the_rest(study):
    shown = front.gather(study, "flops", "error")
    complete = study.complete
    pair = nondominated(complete[["flops", "error"]].to_numpy())
    assert set(shown.group(front.ON_FRONT)["id"]) == set(complete["id"][pair & complete["front"]])
    assert set(shown.group(front.ELSEWHERE)["id"]) == set(complete["id"][~pair & complete["front"]])
    assert set(shown.group(front.DOMINATED)["id"]) == set(complete["id"][~complete["front"]])
    assert len(shown.group(front.ELSEWHERE)) > 0, "the fixture should have a model that latency alone keeps"


def test_errors_are_shown_in_per_cent_with_their_interval(study):
    shown = front.gather(study, "flops", "error")
    row = shown.group(front.ON_FRONT).iloc[0]
    stored = study.find(row["id"])
    assert row["y"] == pytest.approx(100 * stored["error"])
    assert (row["y_low"], row["y_high"]) == pytest.approx((100 * stored["error_low"], 100 * stored["error_high"]))
    assert shown.y.unit == "%"


def test_pruned_trials_stand_at_the_error_of_their_last_epoch(study):
    pruned = front.gather(study, "flops", "error").group(front.PRUNED)
    last = study.epochs[study.epochs["number"] == 5].sort_values("epoch")["error"].iloc[-1]
    assert list(pruned["number"]) == [5]
    assert pruned["y"].iloc[0] == pytest.approx(100 * last)


def test_staircase_falls_and_no_complete_point_lies_below_it(study):
    shown = front.gather(study, "flops", "error")
    x, y = shown.steps.T
    assert (np.diff(x) > 0).all()
    assert (np.diff(y) < 0).all()
    for _, point in shown.points[shown.points["group"] != front.PRUNED].iterrows():
        assert not ((x > point["x"]) & (y > point["y"])).all()
        assert not (point["y"] < y[x <= point["x"]]).all() or not (x <= point["x"]).any()


def test_chosen_knee_and_extremes_are_labelled(study):
    shown = front.gather(study, "flops", "error")
    labels = dict(shown.labels)
    assert "chosen" in labels[study.choose().id]
    assert "lowest FLOPs" in labels[str(study.front().sort_values("flops")["id"].iloc[0])]
    assert "lowest validation error" in labels[str(study.front().sort_values("error")["id"].iloc[0])]
    other = front.gather(study, "flops", "error", chosen=str(study.front()["id"].iloc[0]))
    assert "chosen" in dict(other.labels)[str(study.front()["id"].iloc[0])]


def test_axes_carry_unit_and_method_and_are_logarithmic_where_the_range_asks(study):
    ax = pareto(study, x="flops", y="error")
    assert ax.get_xscale() == "log"
    assert ax.get_yscale() == "linear"
    assert "multiply-adds" in ax.get_xlabel()
    assert "fvcore" in ax.get_xlabel()
    assert "(%)" in ax.get_ylabel()
    assert "95 % Wilson" in ax.get_ylabel()
    assert pareto(study, x="latency", y="error").get_xscale() == "linear"
    assert "(ms)" in pareto(study, x="latency", y="error").get_xlabel()


def test_legend_says_what_each_mark_is_and_how_many(study):
    shown = front.gather(study, "flops", "error")
    texts = [t.get_text() for t in front.draw(shown).get_legend().get_texts()]
    assert f"front ({len(shown.group(front.ON_FRONT))})" in texts
    assert f"on the front through latency ({len(shown.group(front.ELSEWHERE))})" in texts
    assert "pruned, at its last epoch (1)" in texts


def test_draws_on_given_axes_and_leaves_pyplot_alone(study):
    from matplotlib import pyplot as plt

    ax = Figure().add_subplot()
    assert pareto(study, ax=ax) is ax
    assert plt.get_fignums() == []


def test_labels_do_not_overlap(study):
    ax = Figure(figsize=(6, 4)).add_subplot()
    ax.set(xlim=(0, 1), ylim=(0, 1))
    points = np.array([[0.5, 0.5], [0.51, 0.5], [0.5, 0.51], [0.52, 0.52]])
    notes = place(ax, [Label(x, y, f"model {x}\nknee") for x, y in points], points)
    ax.figure.draw_without_rendering()
    boxes = [n.get_window_extent() if n.arrow_patch is None else type(n).__mro__[1].get_window_extent(n) for n in notes]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_unknown_objective(study):
    with pytest.raises(UnknownNameError):
        pareto(study, x="colour")


def test_a_third_objective_is_told_by_colour(study):
    shown = front.gather(study, "flops", "error", colour="latency")
    assert shown.colour.name == "latency_eager"
    members = shown.points[shown.points["group"].isin((front.ON_FRONT, front.ELSEWHERE))]
    assert members["z"].tolist() == [study.find(i)["latency_eager"] for i in members["id"]]
    ax = pareto(study, "flops", "error", colour="latency")
    (bar,) = (a for a in ax.figure.axes if a is not ax)
    assert "(ms)" in bar.get_ylabel()
    assert bar.get_ylim() == pytest.approx((members["z"].min(), members["z"].max()))
    drawn = [c for c in ax.collections if c.get_label().startswith(("front", "on the front"))]
    assert sum(len(c.get_array()) for c in drawn) == len(members)
    assert style.files(ax) == style.files(pareto(study, "flops", "error", colour="latency"))


def test_the_colour_of_a_wide_range_is_logarithmic(study):
    ax = pareto(study, "latency", "error", colour="flops")
    (bar,) = (a for a in ax.figure.axes if a is not ax)
    assert bar.get_yscale() == "log"
    assert pareto(study, "flops", "error", colour="latency").figure.axes[1].get_yscale() == "linear"


def test_budgets_are_lines_with_their_limit_or_said_where_they_are_far(make):
    inside = make(20, limits={"flops": 50_000.0, "error": 0.12})
    shown = front.gather(inside, "flops", "error")
    assert [(b.axis, b.value) for b in shown.budgets] == [("x", 50_000.0), ("y", pytest.approx(12.0))]
    ax = front.draw(shown)
    assert {"budget of 50 kFLOPs", "budget of 12 %"} <= {t.get_text() for t in ax.texts}
    dashed = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert [set(line.get_xdata()) for line in dashed] == [{50_000.0}, {0, 1}]
    far = front.gather(make(20, limits={"flops": 1e12}), "flops", "error")
    assert far.unseen_budgets == ("The budget of 1 TFLOPs lies outside the picture.",)
    assert not [t for t in front.draw(far).texts if "budget" in t.get_text()]
