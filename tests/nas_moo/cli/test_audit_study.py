"""``nas-moo audit`` of a study: from its stored curves, without training."""

import pytest

from nas_moo.pruners import PRUNERS


@pytest.fixture(scope="module")
def curved(folder, search):
    """A study of twelve complete models of two epochs, ``curved``."""
    from nas_moo.cli import main

    assert main([*search, "--study", "curved", "--trials", "12", "--epochs", "2", "--pruner", "never"]) == 0
    return folder


def test_every_pruner_is_judged_on_the_complete_trainings(curved, document, run):
    told = document("audit", "curved")
    assert (told["study"], told["complete"], told["pruned"], told["control_arm"]) == ("curved", 12, 0, None)
    assert [a["pruner"] for a in told["pruners"]] == list(PRUNERS)
    assert {a["judged"] for a in told["pruners"]} == {12}
    assert told["pruners"][-1]["saved"] == 0
    code, out, _ = run("audit", "curved", "--pruner", "rank")
    assert (code, out.splitlines()[3].split()[0]) == (0, "rank")
    assert "12 complete trainings, each judged by all others" in out


def test_the_control_arm_stands_beside_it(curved, document, run, search, monkeypatch):
    from nas_moo.pruners import Verdict
    from nas_moo.pruners.rank import RankRule

    verdict = Verdict(True, "because", {"epoch": 1.0, "last_error": 0.5, "rival": 0, "rival_error": 0.1})
    with monkeypatch.context() as patch:
        patch.setattr(RankRule, "decide", lambda self, *_: verdict if len(self.finished) else Verdict(False, "no"))
        told = ("--study", "armed", "--pruner", "rank", "--epochs", "2", "--control-share", "1", "--trials", "12")
        assert run(*search, *told)[0] == 0
    arm = document("audit", "armed")["control_arm"]
    assert (arm["controls"], arm["below_bound"]["n"]) == (11, 0)
    assert "of 11 (95 %" in run("audit", "armed")[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("curved", "--finished", "5"), "all complete trainings are used"),
        (("curved", "--seed", "1"), "all complete trainings are used"),
        (("none",), "unknown study"),
        (("some.toml", "--storage", "nas-moo.db"), "in no storage"),
    ],
)
def test_what_a_study_has_no_use_for_is_refused(curved, refused, arguments, said):
    assert said in refused(2, "audit", *arguments)["error"]


def test_a_long_name_keeps_the_columns_in_line(curved, run):
    _, out, _ = run("audit", "curved", "--pruner", "optuna:SuccessiveHalvingPruner", "--pruner", "rank")
    head, *rows = out.splitlines()[2:5]
    assert [row.split()[0] for row in rows] == ["optuna:SuccessiveHalvingPruner", "rank"]
    assert {len(line) for line in rows} == {len(head)}


def test_a_study_of_costs_alone_has_nothing_to_audit(curved, refused, run):
    told = ("--space", "space.py:Tiny", "--data", "blobs.npz", "--objective", "params", "--objective", "flops")
    assert run("search", *told, "--study", "costs", "--trials", "2")[0] == 0
    parts = refused(2, "audit", "costs")
    assert parts["error"] == "nothing is trained in this study, so there is nothing to prune"
    assert parts["value"] == "params, flops"


def test_too_few_trainings_are_refused(curved, refused, run, search):
    assert run(*search, "--study", "few", "--epochs", "2")[0] == 0
    assert "12 complete trainings" in refused(2, "audit", "few")["error"]
