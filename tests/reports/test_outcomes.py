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


def test_no_trials(make):
    assert outcomes.section(make(0)).missing
