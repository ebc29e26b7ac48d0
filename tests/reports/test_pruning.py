from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from nas_moo.pruners.control import Asked, Loss, Share
from reports import pruning, pruning_numbers, pruning_pictures


@pytest.fixture(scope="module")
def numbers(study):
    return pruning_numbers.gather(study)


def test_the_account(study, numbers):
    account, stopped = numbers.account, study.trials["state"].eq("pruned")
    assert account.stopped == account.decisions == stopped.sum() == 1
    assert account.controls == study.prunings["control"].sum() == 5
    assert account.saved == 8 - 3
    assert account.epochs == study.trials["epochs"].sum()
    assert account.spent == 5 * (8 - 3)
    assert account.saved_seconds == pytest.approx(5 * 0.01)
    assert account.seconds == pytest.approx(study.trials["seconds_training"].sum())
    assert account.share == pytest.approx(5 / (account.epochs + 5))


@pytest.fixture(scope="module")
def again(study):
    """The study, whose fifth trial went on twice and was stopped each time."""
    tables = {}
    for name in ("trials", "prunings", "epochs"):
        table = getattr(study, name)
        rows = table[table["number"] == 5]
        more = [rows.assign(number=n) for n in (40, 41)]
        tables[name] = pd.concat([table, *more], ignore_index=True)
    trials = tables["trials"]
    trials.loc[trials["number"].isin((40, 41)), "continues"] = [5, 40]
    return replace(study, **tables)


def test_a_training_that_is_stopped_three_times_is_one_of_the_trainings(again, numbers):
    found = pruning_numbers.gather(again)
    assert (found.account.stopped, found.account.thawed, found.account.decisions) == (1, 1, 3)
    assert found.account.trainings == numbers.account.trainings
    assert found.given_up["number"].tolist() == [41]
    saved = pruning.words(found)[0]
    assert f"stopped 1 of {found.account.trainings} trainings." in saved
    assert "Some were given up several times: that took 3 decisions." in saved
    assert "several times" not in pruning.words(numbers)[0]
    shown = pruning_pictures.cuts(again, found)
    assert shown.lines.loc[shown.lines["kind"] == "pruned", "number"].unique().tolist() == [41]
    assert "given up (1)" in [t.get_text() for t in pruning_pictures.draw_cuts(shown).get_legend().get_texts()]
    assert len(pruning_pictures.plane(again, found, "flops").stopped) == 1
    ax = pruning_pictures.draw_epochs(found)
    assert ax.get_ylabel() == "decisions"
    assert "stopped (3)" in [t.get_text() for t in ax.get_legend().get_texts()]


def test_controls_that_were_interrupted_are_told_nowhere(study, numbers):
    """As a worker that is killed leaves them: running at first, then interrupted."""
    cut = study.prunings.loc[study.prunings["control"], "number"].iloc[:2]
    trials = study.trials.copy()
    trials.loc[trials["number"].isin(cut), ["state", "error", "front"]] = ["interrupted", np.nan, False]
    found = pruning_numbers.gather(replace(study, trials=trials))
    assert found.account.controls == found.control.nondominated.n == numbers.account.controls - 2
    assert found.account.spent == 3 * (8 - 3)
    assert "3 decisions were overruled" in pruning.words(found)[0]
    every = study.prunings["number"][study.prunings["control"]]
    trials.loc[trials["number"].isin(every), ["state", "error", "front"]] = ["interrupted", np.nan, False]
    alone = replace(study, trials=trials, prunings=study.prunings[study.prunings["control"]])
    assert "none of these trainings has come to its end" in pruning.section(alone).missing


def test_which_pruner_the_controls_are_those_of(study, numbers):
    prunings = study.prunings.copy()
    first = prunings["number"].isin(prunings.loc[prunings["control"], "number"].iloc[:2])
    prunings.loc[first, ["pruner", "quantile"]] = ["halving", np.nan]
    found = pruning_numbers.gather(replace(study, prunings=prunings))
    assert found.control.nondominated.n == 3
    assert found.account.controls == 5
    lost = pruning.words(found)[1]
    assert "of front (quantile 0.1), which decided last; 2 controls of other pruners" in lost
    assert "which decided last" not in pruning.words(numbers)[1]


def test_where_nothing_is_stopped_for_good_nothing_is_lost(numbers):
    """And no control is called useless for it."""
    none = replace(numbers.control, pruned=0, hypervolume=Loss(0, 0, 0), regret=Loss(0, 0, 0))
    assert "but nothing is stopped for good" in pruning._lost(replace(numbers, control=none))
    rows = dict(pruning._control_table(none, "%").rows)
    assert rows["hypervolume lost (estimate)"] == "0 %: nothing is stopped for good"
    useless = replace(none, pruned=3)
    assert "none of them added" in pruning._lost(replace(numbers, control=useless))
    assert "no control added anything" in dict(pruning._control_table(useless, "%").rows)["hypervolume lost (estimate)"]


def test_thirds_by_size(study, numbers):
    assert numbers.size == "flops"
    assert numbers.thirds["judged"].sum() == len(study.complete) + 1
    assert numbers.thirds["stopped"].sum() == 1
    assert (numbers.thirds["low"].to_numpy()[1:] > numbers.thirds["high"].to_numpy()[:-1]).all()
    cheap = numbers.thirds[numbers.thirds["stopped"] == 1].iloc[0]
    assert cheap["low"] <= study.trials.loc[study.trials["state"] == "pruned", "flops"].iloc[0] <= cheap["high"]


def test_ranks_end_at_one_and_few_models_have_none(numbers, make):
    assert numbers.ranks["all"].iloc[-1] == pytest.approx(1.0)
    assert numbers.best == 10
    assert numbers.ranks["best"].iloc[-1] == pytest.approx(1.0)
    assert pruning_numbers.gather(make(30)).ranks["best"].isna().all(), "ten of 26 are no best"
    few = pruning_numbers.gather(make(8))
    assert few.ranks["all"].isna().all()


def test_a_rank_correlation_is_that_of_ranks():
    assert pruning_numbers._spearman(np.array([1.0, 2, 3, 4]), np.array([1.0, 10, 100, 1000])) == pytest.approx(1)
    assert pruning_numbers._spearman(np.array([1.0, 2, 3, 4]), np.array([4.0, 3, 2, 1])) == pytest.approx(-1)
    assert np.isnan(pruning_numbers._spearman(np.ones(4), np.arange(4.0)))


def test_the_plane_has_everything_in_the_unit_that_is_shown(study, numbers):
    shown = pruning_pictures.plane(study, numbers, "flops")
    (stopped,) = shown.stopped.to_dict("records")
    decision = study.prunings[~study.prunings["control"]].iloc[0]
    assert stopped["y"] == pytest.approx(100 * decision["last_error"])
    assert stopped["predicted"] == pytest.approx(100 * decision["predicted"])
    assert len(shown.complete) == len(study.complete)


def test_curves_are_cut_where_they_were_and_thinned_out(study, numbers, monkeypatch):
    monkeypatch.setattr(pruning_pictures, "MOST_CURVES", 4)
    shown = pruning_pictures.cuts(study, numbers)
    assert shown.lines[shown.lines["kind"] == "pruned"]["epoch"].max() == 3
    assert shown.lines[shown.lines["kind"] == "control"]["epoch"].max() == 8
    assert set(shown.cuts["epoch"]) == {3}
    assert shown.lines.groupby("kind")["number"].nunique().to_dict() == {"complete": 4, "control": 4, "pruned": 1}
    assert shown.left_out == {"complete": 30 - 4, "control": 1, "pruned": 0}
    texts = [t.get_text() for t in pruning_pictures.draw_cuts(shown).get_legend().get_texts()]
    assert "overruled (4 of 5)" in texts


def test_every_picture_is_drawn(study, numbers):
    ax = pruning_pictures.draw_epochs(numbers)
    assert sum(p.get_height() for p in ax.patches) == 6
    ax = pruning_pictures.draw_controls(numbers)
    assert "dominated" in " ".join(t.get_text() for t in ax.get_legend().get_texts())
    ax = pruning_pictures.draw_ranks(numbers)
    assert "all complete trainings (35)" in [t.get_text() for t in ax.get_legend().get_texts()]


def test_the_words(numbers):
    saved, lost, advice = pruning.words(numbers)
    assert f"5 of {numbers.account.epochs + 5} epochs were not run (2 %)" in saved
    assert "5 decisions were overruled" in saved
    assert "overruled trainings ended non-dominated" in lost
    assert "halve --pruner-quantile" in advice


def test_small_networks_that_are_stopped_out_of_proportion_are_a_warning(make):
    thirds = pd.DataFrame({"share": [0.6, 0.3, 0.2]})
    assert pruning.size_ratio(thirds) == pytest.approx(3.0)
    assert pruning._favours_large(thirds)
    assert np.isnan(pruning.size_ratio(pd.DataFrame({"share": [0.0, 0.1, 0.0]})))
    assert pruning.size_ratio(pd.DataFrame({"share": [0.2, 0.1, 0.0]})) == np.inf
    assert "factor of 3.0" in pruning._size_note(3.0)
    for ratio in (np.inf, np.nan):
        assert "inf" not in pruning._size_note(ratio)
        assert "factor of" not in pruning._size_note(ratio)


def test_a_size_that_was_never_given_up_gives_no_infinite_factor(numbers):
    thirds = pd.DataFrame({"share": [0.2, 0.1, 0.0]})
    words = " ".join(pruning.words(replace(numbers, thirds=thirds)))
    assert "trainings were given up and none of the largest" in words


def test_seconds_that_nobody_recorded_are_not_told_as_none(numbers):
    untimed = replace(numbers, account=replace(numbers.account, seconds=0.0, saved_seconds=0.0))
    assert " s " not in pruning.words(untimed)[0]
    assert " s " in pruning.words(numbers)[0]


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ({"trials": 4}, "ran without a pruner"),
        ({"trials": 4, "pruner": "front"}, "front has not wanted to stop any of 4 trainings"),
        ({"trials": 0}, "ran without a pruner"),
        ({"trials": 9, "objectives": ("flops", "params")}, "nothing to stop"),
    ],
)
def test_where_nothing_was_pruned_a_sentence_says_so(make, case, says):
    section = pruning.section(make(**case))
    assert says in section.missing
    assert not section.pictures


def test_shares_are_written_with_their_interval():
    assert pruning.share_text(Share(1, 12)) == "1 of 12 (95 %: 1.5 % to 35 %)"
    assert pruning.share_text(Share(0, 0)) == "none"


def test_the_advice_follows_the_controls(numbers):
    from dataclasses import replace

    def advice(hits, n, below=(0, 0)):
        control = replace(numbers.control, nondominated=Share(hits, n), below=Share(*below))
        return pruning._advice(replace(numbers, control=control))

    assert "too few controls" in advice(0, 5)
    assert "cannot exclude a share of" in advice(0, 20)
    assert "can be bolder" in advice(0, 200)
    assert "halve --pruner-quantile" in advice(5, 20)
    assert "halve --pruner-quantile" in advice(0, 40, (20, 40))
    assert "or --control-share" in advice(0, 0)
    assert "With --control-share 0 that stays so" in pruning._advice(
        replace(numbers, control=replace(numbers.control, nondominated=Share(0, 0)), control_share=0.0)
    )
    for asked, says in ((Asked("median"), "use --pruner front"), (Asked("front"), "use --pruner rank")):
        control = replace(numbers.control, nondominated=Share(5, 20), below=Share(0, 0), asked=asked)
        assert says in pruning._advice(replace(numbers, control=control))


def test_the_audit_stands_beside_what_was_done_and_where_nothing_was(study, make):
    from nas_moo import hindsight

    audits = hindsight.audits(study)
    (table,) = pruning._audit_table(audits, study)
    assert [row[0] for row in table.rows] == [a.pruner for a in audits]
    assert table.rows[-1][1:] == ("0", "0 %", f"0 of {audits[-1].front}", "0 %", "0")
    assert table in pruning.section(study).tables
    plain = pruning.section(make(25, ("error", "flops"), state="complete", judged=False))
    assert "ran without a pruner" in plain.missing
    assert [t.title for t in plain.tables] == [table.title]


def test_the_first_of_an_odd_number_of_pictures_is_drawn_as_wide_as_it_stands(make):
    whole = make(40)
    without_controls = replace(whole, prunings=whole.prunings[~whole.prunings["control"]])
    drawn = {
        len(pictures) % 2: pictures for r in (whole, without_controls) if (pictures := pruning.section(r).pictures)
    }
    widths = {odd: pictures[0].draw().get_figure().get_figwidth() for odd, pictures in drawn.items()}
    assert widths == {0: pytest.approx(5.4), 1: pytest.approx(8.2)}
