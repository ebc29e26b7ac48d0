import base64
import csv
import hashlib
import html
import io
import json
import re

import pandas as pd
import pytest

from nas_moo.errors import CorruptError, UserInputError
from nas_moo.genome import Architecture
from reports import folder, made, tables, write
from reports import page as page_module

SMALL = ("error", "flops")  # one pair, so that a page costs three figures


@pytest.fixture
def report(written):
    return written.parent


def test_page_stands_alone(report):
    page = (report / "index.html").read_text()
    targets = re.findall(r'(?:src|href|action)="([^"]*)"|url\(([^)]*)\)|@import (\S+)', page)
    for target in (t for found in targets for t in found if t):
        assert target.startswith(("#", "data:")) or (report / target).is_file(), target
    without_namespaces = re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)
    assert not re.search(r"https?://", without_namespaces)
    assert len(page) < 1_500_000
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))


def test_page_answers(report, study):
    page = (report / "index.html").read_text()
    for question in ("Which model do I take?", "What meets my limit?", "Does the front hold on unseen data?",
                     "Is it still getting better, and was the search worth it?", "Which choices matter?",
                     "Where did the time go?", "What happened to the trials?", "How was this made?"):  # fmt: skip
        assert f">{question}</h2>" in page
    for model in study.front()["id"]:
        assert model in page
    shown = page.count('<td class="n">12.35<span class="note">11.00 to 14.00')
    assert shown == 2 * len(study.front()), "test errors, in the tables of the front and of unseen data"
    assert "unsealed those of the front" in page
    assert html.escape(study.choose().reason[1:]) in page
    assert "FLOPs (fvcore" not in page or "multiply-add" in page


def test_names_cannot_become_markup(written_hostile, hostile_study):
    page = written_hostile.read_text()
    assert re.findall("<script[^>]*>", page) == ['<script type="application/json" id="limits-data">', "<script>"]
    assert "<img" not in page
    assert "&lt;/script&gt;&lt;script&gt;window.__hacked=1&lt;/script&gt;" in page
    assert "block &lt;script&gt;" in page or "block</span> &lt;script&gt;" in page
    assert "<b>NaN" not in page
    data = json.loads(page.split('id="limits-data">')[1].split("</script>")[0])
    assert data["labels"] == [o.label for o in hostile_study.objectives]


def test_no_password_leaves_in_any_file(written_hostile):
    told = {p.name: p.read_bytes() for p in written_hostile.parent.rglob("*") if p.is_file()}
    assert [name for name, content in told.items() if b"s3cr" in content] == []
    assert b"postgresql://me:***@db.example" in told["index.html"]
    assert b"postgresql://me:***@db.example" in told["trials.csv"]


def test_text_that_a_spreadsheet_would_run_loses_its_force(written_hostile):
    for row in csv.DictReader(io.StringIO((written_hostile.parent / "trials.csv").read_text())):
        assert row["reason"].startswith("'=cmd")
        assert row["worker"].startswith("'@")


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-cmd", "@x", "\t=1", "\r=1", "\n=1", "＝1+1", "a\r=1"])
def test_every_start_of_a_formula_is_quoted_in_cells_and_heads(text):
    head, cell = csv.reader(io.StringIO(tables.as_csv(pd.DataFrame({text: [text]}), set()).decode(), newline=""))
    kept = text.replace("\r", "\n")
    assert head == cell == [kept if kept.startswith("a") else f"'{kept}"]


def test_the_policy_allows_this_script_and_no_other(report):
    page = (report / "index.html").read_text()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    script = page.split("<script>")[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert rules["script-src"] == f"'sha256-{digest}'"
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"


def test_a_page_with_nothing_to_slide_has_no_script(make, tmp_path):
    page = write(make(1, SMALL, state="failed"), tmp_path / "r").read_text()
    assert "<script" not in page
    assert "script-src" not in page


def test_five_hundred_trials_stay_small_and_letters_are_told_once(make, tmp_path):
    page = write(make(500), tmp_path / "r").read_text()
    assert len(page.encode()) < 1_500_000
    assert len(page[page.index('<section id="choice">') : page.index('<section id="unseen">')]) < 300_000
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="|url\()#([^")]*)', page)) <= set(ids)


def test_tables(report, study):
    def rows(name):
        return list(csv.DictReader(io.StringIO((report / name).read_text())))

    assert len(rows("trials.csv")) == len(study.trials)
    assert list(rows("trials.csv")[0]) == list(study.trials.columns)
    assert len(rows("epochs.csv")) == len(study.epochs)
    assert [int(r["number"]) for r in rows("prunings.csv")] == study.prunings["number"].tolist()
    front = rows("front.csv")
    assert [r["id"] for r in front] == list(study.front()["id"])
    assert {float(r["test"]) for r in front} == {0.123456}
    assert all(float(r["test_low"]) < float(r["test"]) < float(r["test_high"]) for r in front)
    assert {r["gene_kernel"] for r in rows("trials.csv")} == {"", "3", "5"}, "gaps turned whole numbers into floats"
    assert {r["gene_block"] for r in rows("trials.csv")} >= {"plain", "'=1+1"}, "a formula has to lose its force"
    told = {(r["file"], r["column"]): r for r in rows("columns.csv")}
    assert told["front.csv", "flops"]["unit"] == "FLOPs"
    assert told["prunings.csv", "bound"]["unit"] == "fraction"
    assert "fvcore" in told["trials.csv", "flops_low"]["method"]


def test_front_json_rebuilds_the_architectures(report, study):
    document = json.loads((report / "front.json").read_text())
    assert (document["space"], document["input_shape"], document["n_classes"]) == ("convnet", [1, 8, 8], 10)
    assert [m["id"] for m in document["models"]] == list(study.front()["id"])
    for model in document["models"]:
        assert Architecture(model["architecture"]).digest == model["digest"]
        assert model["objectives"]["latency_eager"]["unit"] == "ms"
        assert set(model["objectives"]["error"]) >= {"value", "low", "high", "unit", "method"}


def test_front_json_refuses_genes_that_do_not_match(make):
    result = make(4)
    result.trials.loc[result.trials["front"], "digest"] = "0" * 12
    with pytest.raises(CorruptError):
        tables.front_json(result)


def test_figures_come_as_svg_and_png(report):
    names = {p.name for p in (report / "figures").iterdir()}
    stems = {n.removesuffix(".svg").removesuffix(".png") for n in names}
    assert names == {f"{n}.{kind}" for n in stems for kind in ("svg", "png")}
    assert {"front-flops-error", "unseen", "proxy-flops-latency_eager", "hypervolume", "pruning-controls"} <= stems


def test_second_write_has_the_same_bytes_and_keeps_notes(make, tmp_path):
    result, out = make(12, SMALL), tmp_path / "r"
    write(result, out)
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    (out / "notes.txt").write_text("mine")
    write(make(12, SMALL), out)
    after = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    assert after.pop(out / "notes.txt") == b"mine"
    assert before == after


def test_a_smaller_report_removes_the_figures_of_the_larger(tmp_path):
    folder.fill(tmp_path / "r", {"figures/a.svg": b"a", "index.html": b"1"})
    folder.fill(tmp_path / "r", {"index.html": b"2"})
    assert sorted(p.name for p in (tmp_path / "r").rglob("*") if p.is_file()) == [folder.MARKER, "index.html"]


def test_unsealing_is_recorded_once_and_for_the_front_alone(make, tmp_path, short):
    told = []
    result = make(20, SMALL, record=lambda ids, purpose: told.append((list(ids), purpose)))
    write(result, tmp_path / "r")
    assert told == [(list(result.front()["id"]), "report")]


def test_foreign_places_are_refused_before_anything_is_unsealed(make, tmp_path):
    told = []
    result = make(5, SMALL, record=lambda ids, purpose: told.append(ids))
    (tmp_path / "thesis.txt").write_text("do not lose")
    with pytest.raises(UserInputError, match="no report"):
        write(result, tmp_path)
    with pytest.raises(UserInputError, match="is a file"):
        write(result, tmp_path / "thesis.txt")
    assert told == []
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.fixture
def short(monkeypatch):
    """Pages with their last question alone, for tests of what does not depend on the others."""
    with monkeypatch.context() as patched:
        patched.setattr(page_module, "sections", lambda result, opened, fronts: (made.section(result),))
        yield


def test_an_interrupted_write_leaves_the_earlier_page_and_can_be_repeated(make, tmp_path, monkeypatch, short):
    out = tmp_path / "r"
    before = write(make(8, SMALL), out).read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(folder, "_replace", _stop_after(folder._replace, 3))
        with pytest.raises(KeyboardInterrupt):
            write(make(20, SMALL), out)
    assert (out / "index.html").read_bytes() == before
    assert write(make(20, SMALL), out).read_bytes() != before


def _stop_after(real, count):
    calls = []

    def replace(path, content):
        calls.append(path)
        if len(calls) > count:
            raise KeyboardInterrupt
        real(path, content)

    return replace


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ({"trials": 0}, "No trial has started yet"),
        ({"trials": 1}, "1 training so far"),
        ({"trials": 3, "state": "failed"}, "3 failed"),
        ({"trials": 3, "state": "running"}, "3 running"),
        ({"trials": 9, "objectives": ("flops", "params")}, "No objective of this study is trained"),
        ({"trials": 9, "objectives": ("error",)}, "one objective"),
        ({"trials": 9, "objectives": ("error", "flops", "latency_eager", "params")}, "parameters"),
        ({"trials": 2, "device": None, "versions": None, "data": {}, "space": {}}, "How was this made?"),
    ],
)
def test_early_and_odd_studies_say_what_is_missing(make, tmp_path, case, says):
    assert says in write(make(**case), tmp_path / "r").read_text()


def test_what_is_not_to_be_trusted_blindly_is_said(report, study):
    marked = study.measurements[[bool(d.get("caveats")) for d in study.measurements["details"]]]
    page = (report / "index.html").read_text()
    assert (
        f"not converged for {len(marked)} of {(study.measurements['objective'] == 'latency_eager').sum()} models"
        in page
    )


def test_a_study_made_in_two_runs_names_both(tmp_path, make, short):
    runs = [
        {"when": f"2026-01-0{i}T00:00:00+00:00", "command": "nas-moo search", "sampler": sampler, "trials": 10 * i}
        for i, sampler in ((1, "random"), (2, "tpe"))
    ]
    page = write(make(2, SMALL, runs=runs), tmp_path / "two").read_text()
    assert ">Runs<" in page
    assert "random" in page
    once = write(make(2, SMALL, runs=runs[:1]), tmp_path / "one").read_text()
    assert ">Runs<" not in once
