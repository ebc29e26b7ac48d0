"""Each command does its work, in text and as one JSON document."""

import dataclasses
import json
import re
import time

import pytest

import nas_moo
from nas_moo.cli import main

STUDY = "Tiny-blobs"


def test_search_goes_on_and_says_what_is_next(studied, run, search):
    code, out, err = run(*search, "--trials", "8")
    assert code == 0
    assert "Goes on with study Tiny-blobs: 8 of 8" in err
    assert "nas-moo choose Tiny-blobs" in out


def test_search_as_json(studied, document, search):
    told = document(*search, "--trials", "8")
    assert (told["study"], told["trained"], told["states"]) == (STUDY, 8, {"complete": 8})
    assert {"id", "error", "params", "gene_depth"} <= set(told["front"][0])


@pytest.mark.parametrize("source", ["report/front.json", "report/front.csv", "search.json", "show.json"])
def test_what_a_study_exports_seeds_another(studied, run, document, search, source):
    front = nas_moo.load_study(STUDY).front()["digest"].tolist()
    assert run("report", STUDY, "--out", "report")[0] == 0
    for name, told in (
        ("search", document(*search, "--trials", "8")),
        ("show", document("show", STUDY, "--model", front[0])),
    ):
        (studied / f"{name}.json").write_text(json.dumps(told))
    seeded = f"seeded-{source.replace('/', '-')}"
    code, _, err = run(*search, "--study", seeded, "--trials", len(front), "--seed-architectures", source)
    assert (code, "Seed architectures: " in err) == (0, True), err
    trained = nas_moo.load_study(seeded).trials["digest"].tolist()
    expected = front[:1] if source == "show.json" else front
    assert trained[: len(expected)] == expected


def test_our_sampler_with_and_without_screening(studied, document, search):
    for study, options in (("screened", ()), ("bred", ("--no-screening",))):
        told = document(*search, "--study", study, "--sampler", "nsga2", "--trials", "12", *options)
        assert told["trained"] == 12


def test_status(studied, run, document):
    code, out, _ = run("status", STUDY)
    assert (code, "8 of 8 trainings done, nobody is at work" in out) == (0, True)
    told = document("status", STUDY)
    assert (told["trained"], told["asked"], told["workers"]) == (8, 8, [])


def test_status_tells_what_was_waited_for_the_device(studied, run, document, search, monkeypatch):
    """Somebody else times for a second while the first training wants to begin."""
    from contextlib import contextmanager

    from nas_moo.lease import Lease

    real, waits = Lease.shared, [0.6]

    @contextmanager
    def shared(self):
        time.sleep(waits.pop() if waits else 0.0)
        with real(self) as share:
            yield share

    with monkeypatch.context() as patch:
        patch.setattr(Lease, "shared", shared)
        assert run(*search, "--study", "waited")[0] == 0
    told = document("status", "waited")
    assert told["seconds"] > told["seconds_waiting"] >= 0.6
    assert re.search(
        r"^Spent \S+ s in trials, of which \S+ s waiting for the device; ", run("status", "waited")[1], re.M
    )


def test_status_of_costs_alone_has_a_time(studied, run):
    told = ("--space", "space.py:Tiny", "--data", "blobs.npz", "--objective", "params", "--objective", "flops")
    assert run("search", *told, "--study", "costs", "--trials", "1")[0] == 0
    _, out, _ = run("status", "costs")
    assert "1 of 1 training done" in out
    assert re.search(r"^Spent (?!0 s)", out, re.MULTILINE)
    assert "waiting" not in out


def test_what_trains_nothing_is_said_to(studied, refused):
    told = ("--space", "space.py:Tiny", "--data", "blobs.npz", "--objective", "params", "--objective", "flops")
    parts = refused(2, "search", *told, "--study", "other", "--pruner", "front")
    assert (parts["error"], parts["value"]) == ("nothing is trained here, so nothing is pruned", "params, flops")


def test_a_search_with_a_pruner(studied, run, document, search):
    options = ("--pruner", "rank", "--control-share", "0.5", "--no-thaw", "--epochs", "2")
    assert document(*search, "--study", "pruned", *options)["trained"] == 2
    assert nas_moo.load_study("pruned").description["pruner"] == "rank"
    assert document("status", "pruned")["pruning"] is None


def test_status_says_what_the_controls_came_to(studied, run, document, search, monkeypatch):
    from nas_moo.pruners import Verdict
    from nas_moo.pruners.halving import HalvingRule
    from nas_moo.pruners.rank import RankRule

    verdict = Verdict(True, "because", {"epoch": 1.0, "last_error": 0.5, "rival": 0, "rival_error": 0.1})
    monkeypatch.setattr(
        RankRule, "decide", lambda self, *_: verdict if len(self.finished) else Verdict(False, "too few", {})
    )
    told = ("--study", "controlled", "--pruner", "rank", "--epochs", "2", "--trials", "3")
    assert run(*search, *told, "--control-share", "1")[0] == 0
    arm = document("status", "controlled")["pruning"]
    assert (arm["controls"], arm["pruned"]) == (2, 0)
    assert arm["nondominated"]["n"] == 2
    assert "2 decisions to prune overruled" in run("status", "controlled")[1]
    assert run("report", "controlled")[0] == 0
    _, _, err = run(*search, *told[:-1], "4", "--control-share", "0")
    assert "pruned" in err
    assert run("status", "controlled")[0] == 0
    monkeypatch.setattr(HalvingRule, "decide", lambda *_: verdict)
    assert run(*search, *told[:3], "halving", *told[4:-1], "5", "--control-share", "1")[0] == 0
    arm = document("status", "controlled")["pruning"]
    assert (arm["pruner"], arm["controls"], arm["other_controls"]) == ("halving", 1, 2)
    assert "(by halving, which decided last; 2 more by other pruners)" in run("status", "controlled")[1]


def test_studies(studied, run, document):
    code, out, _ = run("studies")
    assert (code, STUDY in out) == (0, True)
    assert STUDY in [s["study"] for s in document("studies")["studies"]]


def test_choose(studied, run, document):
    told = document("choose", STUDY, "--by", "params")
    code, out, _ = run("choose", STUDY, "--by", "params")
    assert (code, out.split()[0]) == (0, told["id"])
    assert told["feasible"]
    assert not document("choose", STUDY, "--max", "params=1")["feasible"]


def test_choose_lists_a_dozen_ties_and_counts_the_rest(studied, run, document, monkeypatch):
    from nas_moo.results import StudyResult

    real = StudyResult.choose
    front = nas_moo.load_study(STUDY).front()["id"].iloc[0]
    monkeypatch.setattr(
        StudyResult, "choose", lambda self, *told: dataclasses.replace(real(self, *told), ties=(front,) * 15)
    )
    lines = run("choose", STUDY)[1].splitlines()
    assert sum(line.startswith("  tied  ") for line in lines) == 12
    assert "  and 3 more that are tied (--json lists them)" in lines
    assert len(document("choose", STUDY)["ties"]) == 15


def test_show(studied, run, document):
    model = nas_moo.load_study(STUDY).front()["digest"][0]
    code, out, _ = run("show", STUDY, "--model", model)
    assert (code, f"Model {model} of {STUDY}" in out) == (0, True)
    told = document("show", STUDY, "--model", model)
    assert {m["objective"] for m in told["measurements"]} == {"error", "params"}
    assert len(told["curve"]) == 1


def test_show_tells_of_a_model_that_was_stopped_twice_where_it_stands(studied, run, document, search, monkeypatch):
    """Also what the decision stood on; of a study without decisions there is none to tell."""
    from nas_moo.pruners import Verdict
    from nas_moo.pruners.rank import RankRule

    evidence = {"last_error": 0.5, "rival": 0, "rival_error": 0.1, "bound": 0.2}
    for after, trials in ((1, 3), (2, 4)):  # the second time it is let go on for one epoch

        def decide(self, curve, *_, after=after):
            return Verdict(bool(len(self.finished)) and len(curve) == after, "because", evidence)

        monkeypatch.setattr(RankRule, "decide", decide)
        told = ("--study", "twice", "--pruner", "rank", "--epochs", "3", "--control-share", "0")
        assert run(*search, *told, "--trials", str(trials))[0] == 0
    prunings = nas_moo.load_study("twice").prunings
    model = prunings["id"].value_counts().index[0]
    last = prunings[prunings["id"] == model].iloc[-1]
    assert (prunings["id"] == model).sum() == 2
    code, out, _ = run("show", "twice", "--model", model)
    assert (code, f"trial {last['number']}, pruned" in out) == (0, True)
    assert "Pruning: stopped after 2 epochs by rank" in out
    assert "  because\n" in out
    assert "possible end     20 %" in out
    assert "trial 0 with 10 %, at costs no higher" in out
    shown = document("show", "twice", "--model", model)
    wanted = {"pruner": "rank", "epoch": 2, "bound": 0.2, "predicted": None, "rival": 0, "rival_error": 0.1}
    assert {name: shown["pruning"][name] for name in wanted} == wanted
    assert shown["number"] == last["number"]
    whole = document("show", STUDY, "--model", document("choose", STUDY)["id"])
    assert whole["pruning"] is None


def test_report(studied, run, document):
    told = document("report", STUDY, "--out", "one/two")
    assert {"index.html", "front.json", "trials.csv"} <= set(told["files"])
    assert (studied / told["page"]).is_file()
    assert run("report", STUDY, "--out", "one/two")[0] == 0


@pytest.mark.parametrize(("form", "page"), [("md", "forms/report.md"), ("png", "forms/figures"), ("csv", "forms")])
def test_a_report_in_another_format(studied, document, form, page):
    told = document("report", STUDY, "--out", "forms", "--format", form)
    assert (told["format"], told["page"]) == (form, page)
    written = (studied / "forms").rglob("*")
    assert set(told["files"]) == {str(p.relative_to(studied / "forms")) for p in written if p.is_file()}
    assert "index.html" not in told["files"]


def test_doctor_with_and_without_a_storage(studied, run, document):
    code, out, _ = run("doctor")
    assert code == 0
    assert all(title in out for title in ("Versions", "Device", "Storage", "Timing"))
    assert "Finding(" not in out
    assert document("doctor", "--storage", "none.db")["storage"]["state"].startswith("there is no study storage")


def test_a_study_is_deleted_only_with_confirmation(studied, run, document, refused, search):
    assert run(*search, "--study", "gone")[0] == 0
    assert "--yes" in refused(2, "studies", "--delete", "gone")["do"]
    assert document("studies", "--delete", "gone", "--yes") == {"deleted": "gone"}
    assert not (studied / "nas-moo-files" / "gone").exists()
    refused(2, "studies", "--delete", "gone", "--yes")


def test_a_study_that_is_being_searched_is_not_deleted(studied, refused):
    from nas_moo.study.liveness import worker_lock
    from nas_moo.study.storage import Storage

    with worker_lock(Storage().open(STUDY)):
        assert "being searched" in refused(2, "studies", "--delete", STUDY, "--yes")["error"]


@pytest.mark.parametrize("place", ["env.db", "sqlite:///url.db"])
def test_the_environment_names_the_storage(studied, run, search, monkeypatch, place):
    monkeypatch.setenv("NAS_MOO_STORAGE", place)
    assert run(*search)[0] == 0
    assert (studied / place.rpartition("/")[2]).is_file()
    assert run("status", STUDY)[0] == 0


def test_a_data_file_with_blanks_and_accents_gives_a_plain_study_name(studied, document, search):
    (studied / "mes données.npz").write_bytes((studied / "blobs.npz").read_bytes())
    assert document(*search, "--data", "mes données.npz")["study"] == "Tiny-mes-donn-es"


def test_what_a_space_prints_is_kept_out_of_the_document(studied, run, search):
    (studied / "chatty.py").write_text("print('hello')\nfrom space import Tiny\n")
    code, out, err = run(*search, "--study", "chatty", "--space", "chatty.py:Tiny", "--json")
    assert (code, json.loads(out)["study"]) == (0, "chatty")
    assert "hello" in err


@pytest.mark.parametrize("options", [("--space", "space.py:Explosive"), ("--max", "params=1")])
def test_studies_without_a_complete_model_are_told_of_too(studied, run, document, refused, search, options):
    name = f"none{len(options[0])}"
    code, out, _ = run(*search, "--study", name, *options)
    assert (code, "is complete" in out) == (0, True)
    model = nas_moo.load_study(name).trials["digest"][0]
    for command in (("status", name), ("report", name), ("show", name, "--model", model)):
        assert run(*command)[0] == 0
        document(*command)
    assert "no complete model" in refused(2, "choose", name)["error"]


def test_main_without_arguments_reads_the_process_s(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["nas-moo", "--version"])
    assert main() == 0
