"""Finalists are timed, and the report joins what was measured."""

import json

import pytest

import nas_moo
from nas_moo.cli.measure import along
from nas_moo.objectives.reference import Reference
from nas_moo.objectives.timing import TimingPreset

STUDY = "Tiny-blobs"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(Reference, "time", lambda self: 1.0)
    monkeypatch.setattr(
        "nas_moo.measure.session.with_precision", lambda precision: TimingPreset("quick", 0.02, precision)
    )


def test_the_front_is_timed_and_reported(studied, run, document):
    told = document("measure", STUDY, "--front", "2", "--out", "one.jsonl")
    front = nas_moo.load_study(STUDY).front()
    assert [line["kind"] for line in told["models"]] == ["latency"] * min(2, len(front))
    code, out, err = run("measure", STUDY, "--front", "2", "--out", "two.jsonl", "--batch", "4", "--cold-cache")
    assert (code, out) == (0, f"Next:  nas-moo report {STUDY} --measurements two.jsonl\n")
    assert "round 3 of 3" in err
    assert told["models"][0]["id"] in err
    report = ("report", STUDY, "--out", "measured", "--measurements", "one.jsonl", "--measurements", "two.jsonl")
    page = (studied / document(*report)["page"]).read_text()
    assert "Does the front hold when it is timed again?" in page
    assert "batch 4, cold cache" in page


def test_what_cannot_be_timed_is_refused(studied, refused):
    assert "nothing to time" in refused(2, "measure", STUDY, "--front", "0", "--out", "x.jsonl")["error"]
    assert "unknown mode" in refused(2, "measure", STUDY, "--mode", "fast", "--out", "x.jsonl")["error"]
    assert "no quantity" in refused(2, "measure", STUDY, "--precision", "much", "--out", "x.jsonl")["error"]
    (studied / "there.jsonl").write_text("")
    assert "there already" in refused(2, "measure", STUDY, "--out", "there.jsonl")["error"]
    assert "empty" in refused(3, "report", STUDY, "--out", "never", "--measurements", "there.jsonl")["error"]
    other = {"format": 1, "kind": "failed", "study": "another", "id": "0"}
    (studied / "other.jsonl").write_text(json.dumps(other) + "\n")
    assert "none of these" in refused(3, "report", STUDY, "--out", "never", "--measurements", "other.jsonl")["error"]


@pytest.mark.parametrize(
    ("most", "kept"), [(1, "d"), (2, "ad"), (3, "adj"), (4, "adfj"), (10, "abcdefghij"), (20, "abcdefghij")]
)
def test_models_are_taken_evenly_along_the_front(most, kept):
    models = [{"id": letter} for letter in "abcdefghij"]
    assert "".join(m["id"] for m in along(models, "d", most)) == kept
