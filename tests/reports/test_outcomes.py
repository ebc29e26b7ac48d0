from dataclasses import replace

import pytest

from reports import outcomes


def test_each_outcome_is_counted_once(study):
    table = outcomes.gather(study)
    assert table["count"].sum() == len(study.trials)
    assert table["share"].sum() == pytest.approx(1)
    assert list(table["state"]) == ["complete", "pruned", "screened", "failed", "interrupted", "running"]
    screened = table[table["state"] == "screened"].iloc[0]
    assert (screened["kind"], screened["reason"], screened["trained"]) == ("budget:flops", "why", 0)
    assert table["seconds"].sum() == pytest.approx(study.trials["seconds"].sum())


def test_sentence_names_the_numbers(study):
    (sentence,) = outcomes.section(study).sentences
    assert "40 trials started" in sentence
    assert "35 complete" in sentence


def test_outbid_trials_were_not_stopped_and_what_went_on_is_told(study):
    stopped = study.trials["number"] == 5
    trials = study.trials.assign(
        kind=study.trials["kind"].mask(stopped, "outbid"),
        continues=study.trials["continues"].mask(study.trials["number"] == 8, 5),
    )
    section = outcomes.section(replace(study, trials=trials))
    (row,) = [r for r in section.tables[0].rows if r[0].text == "pruned"]
    assert row[0].note == outcomes.OUTBID
    assert "1 of the pruned went on in a later trial" in section.sentences[0]


def test_no_trials(make):
    assert outcomes.section(make(0)).missing
