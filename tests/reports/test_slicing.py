import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from nas_moo.errors import UnknownNameError, UserInputError
from reports import slice_plot, slices, slicing, style
from reports.coded import coded
from reports.importance_numbers import gather

sys.path.append(str(Path(__file__).parent))
import planted_studies as studies


@pytest.fixture(scope="module")
def result():
    return studies.planted(120, pruned=0.2)


def cut(result, gene, objective="error"):
    return slicing.cut(result, next(g for g in coded(result) if g.name == gene), objective)


def test_every_trial_that_has_both_stands_at_its_value(result):
    shown = cut(result, "dropout")
    counts = shown.points["group"].value_counts()
    assert counts[slicing.FRONT] == result.trials["front"].sum()
    assert counts[slicing.PRUNED] == (result.trials["state"] == "pruned").sum()
    assert counts.sum() == len(result.trials)
    complete = shown.points[shown.points["group"] != slicing.PRUNED]
    assert complete["x"].tolist() == result.complete["gene_dropout"].tolist()
    assert complete["y"].to_numpy() == pytest.approx(100 * result.complete["error"].to_numpy(dtype=float))


def test_pruned_trials_stand_at_their_last_error_and_do_not_move_the_median(result):
    shown = cut(result, "depth")
    last = result.epochs.groupby("number")["error"].last()
    numbers = result.trials.loc[result.trials["state"] == "pruned", "number"]
    pruned = shown.points.loc[shown.points["group"] == slicing.PRUNED, "y"]
    assert pruned.to_numpy() == pytest.approx(100 * last[numbers].to_numpy())
    at = result.complete[result.complete["gene_depth"] == 2]["error"]
    assert shown.median.set_index("x").loc[1.0, "y"] == pytest.approx(100 * at.median())


def test_values_that_are_told_apart_are_spread_and_always_alike(result):
    points = cut(result, "depth").points
    assert points.equals(cut(result, "depth").points)
    away = points["x"] - points["x"].round()
    assert away.abs().max() <= 0.3
    assert away.nunique() > 50


def test_a_cost_shows_all_trials_that_have_it_and_inactive_genes_are_left_out(result):
    shown = cut(result, "kernel", "flops")
    assert len(shown.points) == (result.trials["gene_depth"] >= 3).sum()
    assert set(shown.points["group"]) <= {slicing.FRONT, slicing.OTHERS}
    assert shown.log


def test_the_median_of_many_values_is_that_of_bins_of_as_many(result):
    median = cut(result, "learning_rate").median
    assert len(median) == 8
    assert median["y"].iloc[[0, -1]].min() > median["y"].iloc[3:5].max(), "in the middle the error is lowest"
    assert cut(studies.planted(8), "learning_rate").median.empty


def test_the_page_takes_turns_among_objectives(result):
    found = gather(result, coded(result))
    chosen = slicing.pairs(found)
    assert len(chosen) == slicing.MOST
    assert chosen[0] == (found[0].mattering[0], "error")
    assert [name for _, name in chosen] == sorted([name for _, name in chosen], key=["error", "flops"].index)
    nothing = studies.planted(60, effect=0.0, objectives=("error",), seed=2)
    assert len(slicing.pairs(gather(nothing, coded(nothing)))) >= 2
    assert slicing.pairs(gather(studies.planted(3), coded(studies.planted(3)))) == []


def test_axes_say_what_they_are(result):
    ax = slice_plot(result, "learning_rate")
    assert (ax.get_xscale(), ax.get_xlabel()) == ("log", "learning_rate, logarithmic")
    assert ax.get_ylabel() == "validation error (%)"
    own = Figure().add_subplot()
    assert slice_plot(result, "norm", "flops", own) is own
    assert [t.get_text() for t in own.get_xticklabels()] == ["batch", "None", "True", "$x^2$ <b>"]
    (median,) = (line for line in own.lines if line.get_label() == "median")
    assert median.get_linestyle() == "None", "choices without order are not joined"


def test_several_panels(result):
    assert [ax.get_xlabel() for ax in slices(result, genes=["depth", "norm"])] == ["depth", "norm"]
    assert len(slices(result)) == slicing.MOST
    own = [Figure().add_subplot() for _ in range(2)]
    assert slices(result, "flops", axes=own) == own
    assert {ax.get_xlabel() for ax in own} == {"depth", "width"}
    with pytest.raises(UserInputError, match="panel"):
        slices(result, genes=["depth"], axes=own)
    with pytest.raises(UnknownNameError, match="gene with several values"):
        slices(result, genes=["only"])
    with pytest.raises(UserInputError, match="too few"):
        slices(studies.planted(4))
    with pytest.raises(UserInputError, match="no trial has both"):
        slice_plot(studies.planted(0), "depth")


def test_many_points_are_thinned_and_the_front_is_whole(result, monkeypatch):
    monkeypatch.setattr(slicing, "MOST_POINTS", 10)
    (ax,) = slices(result, genes=["depth"])
    drawn = {line.get_label(): len(line.get_xdata()) for line in ax.lines}
    assert drawn[slicing.FRONT] == result.trials["front"].sum()
    assert drawn[slicing.OTHERS] == drawn[slicing.PRUNED] == 10


def test_the_same_bytes_again(result):
    assert style.files(slices(result)[0]) == style.files(slices(result)[0])


def test_a_zero_and_one_value_are_drawn():
    result = studies.planted(30)
    result.trials["error"] = 0.0
    ax = slice_plot(result, "dropout")
    assert ax.get_yscale() == "linear"
    assert np.isfinite(ax.get_ylim()).all()
