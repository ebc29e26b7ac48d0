"""A replay: a recorded table answered, so nothing was sealed or timed here, and no interval is known."""

from dataclasses import replace

import pytest

from nas_moo.measurement import NOT_RECORDED
from reports import choice, front_table, limits, page, progress, sliders, trust, unseen


@pytest.fixture(scope="module")
def recorded(study):
    measurements = study.measurements
    inexact = measurements["objective"] != "flops"
    values = {end: measurements[end].mask(inexact, measurements["value"]) for end in ("low", "high")}
    measurements = measurements.assign(**values, interval=measurements["interval"].mask(inexact, NOT_RECORDED))
    names = [o.name for o in study.objectives]
    trials = study.trials.assign(**{f"{n}{end}": study.trials[n] for n in names for end in ("_low", "_high")})
    return replace(
        study, measurements=measurements, trials=trials, description=study.description | {"validation": "recorded"}
    )


def test_values_without_intervals_are_not_called_certain(recorded):
    section = limits.section(recorded, recorded.unseal(purpose="test"))
    assert section.sentences[0].endswith("no interval is known of validation error and latency.")
    assert "certain?" not in section.tables[0].head
    assert front_table.MEANING not in section.tables[0].notes
    assert not choice.card(recorded, recorded.unseal(purpose="test")).judged
    assert not any("Bars are" in p.caption for p in choice.section(recorded).pictures if "error" in p.name)


def test_values_without_intervals_are_no_timing_to_trust(recorded):
    section = trust.section(recorded)
    assert section.sentences == (
        "It cannot be said: these values were recorded without intervals, so nobody knows which are apart.",
    )
    assert section.pictures == ()
    assert [t.title for t in section.tables] == ["Conditions of latency"]


def test_a_replay_does_not_claim_that_something_was_sealed_or_stored(recorded, study):
    opened = recorded.unseal(purpose="test")
    (of_replay,), (of_study,) = (
        [n for n in limits.section(r, opened).tables[0].notes if n.startswith("Test values")] for r in (recorded, study)
    )
    assert "are the recorded table's" in of_replay
    assert "sealed" not in of_replay
    assert "and the study recorded it" in of_study
    assert sliders.gather(recorded, recorded.front()).command == ""
    assert "a replay does not store it" in progress.section(recorded).sentences[1]
    assert "sealed" not in " ".join(unseen.section(recorded, opened).sentences)


def test_the_page_of_a_replay_offers_no_command_that_cannot_run(recorded, study):
    opened = recorded.unseal(purpose="test")
    for result, offered in ((recorded, False), (study, True)):
        part = replace(limits.section(result, opened), pictures=())
        html = page.render(result, opened, (part,), {})
        assert ("<code>nas-moo choose" in html) is offered
