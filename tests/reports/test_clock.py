import numpy as np
import pandas as pd
import pytest

from nas_moo.errors import UserInputError
from reports import clock, clock_numbers, style, timeline

BEGAN = pd.Timestamp("2026-01-02T03:00:00Z")


def placed(result, workers, begins, **stages):
    """The study, as if its trials had been run so; seconds by stage."""
    trials = result.trials
    trials["worker"] = workers
    trials["started"] = [(BEGAN + pd.Timedelta(seconds=b)).isoformat(timespec="milliseconds") for b in begins]
    for stage in ("static", "training"):
        trials[f"seconds_{stage}"] = 0.0
    for stage, seconds in stages.items():
        trials[f"seconds_{stage}"] = seconds
    trials["seconds"] = trials[[c for c in trials if c.startswith("seconds_")]].sum(axis=1)
    return result


@pytest.fixture
def two(make):
    """Two workers, and a third after a pause of an hour: a trial of 10 s each 12.5 s."""
    begins = [0.0, 0.5, 12.5, 13.0, 3625.0, 3637.5]
    return placed(make(6), ["a", "b", "a", "b", "c", "c"], begins, training=9.0, waiting=0.75, build=0.25)


def test_stages_add_up_to_all_seconds(study):
    found = clock.gather(study)
    assert found.seconds == pytest.approx(study.trials["seconds"].sum())
    assert found.stages["share"].sum() == pytest.approx(1)
    assert list(found.stages["seconds"]) == sorted(found.stages["seconds"], reverse=True)
    training = study.trials["seconds_training"]
    row = found.stages.set_index("stage").loc["training"]
    assert row["trials"] == (training > 0).sum()
    assert row["median"] == training[training > 0].median()
    assert row["p95"] == pytest.approx(np.percentile(training[training > 0], 95))
    states = study.trials.groupby("state")["seconds"].sum()
    assert found.by_state.sum().to_dict() == pytest.approx(states[states > 0].to_dict())


def test_pauses_of_all_workers_are_left_out_and_told(two):
    found = clock.gather(two)
    assert found.wall == pytest.approx(45.5)  # 23 s of two workers, 22.5 s of the third
    assert found.pauses == pytest.approx(np.array([[23.0, 3602.0]]))
    assert list(found.bars["begin"]) == pytest.approx([0, 0.5, 12.5, 13, 23, 35.5])
    assert (found.bars["end"] - found.bars["begin"]).to_numpy() == pytest.approx(10)
    assert "Once nobody worked, for 60 min; that is left out." in clock.section(two).sentences[1]


def test_idle_is_what_lies_between_the_trials_of_a_worker(two):
    found = clock.gather(two)
    assert list(found.workers["span"]) == pytest.approx([22.5] * 3)
    assert found.idle == pytest.approx(3 * 2.5)
    assert found.idle_share == pytest.approx(2.5 / 22.5)
    assert "11.1 % of their time passed between trials" in clock.section(two).sentences[1]


def test_begins_of_whole_seconds_never_give_more_work_than_time(make):
    result = placed(make(3), "a", [0, 1, 2], training=1.5)
    result.trials["started"] = [s.replace(".000", "") for s in result.trials["started"]]
    found = clock.gather(result)
    assert found.to_the_second
    assert found.idle == 0
    assert "to the second" in clock.section(result).pictures[0].caption


def test_sentences_say_what_took_the_time(two):
    first = clock.section(two).sentences[0]
    assert first == (
        "90 % of 60 s went into training, validation and test, all workers together; waiting for the device took 4.5 s."
    )


def test_what_needed_no_measuring_is_counted(make):
    result = placed(make(6), "a", np.arange(6) * 10.0, training=5.0)
    result.trials["seconds_static"] = [1.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    found = clock.gather(result)
    assert found.known == {"static": 3}
    assert "counting FLOPs and parameters in 3 of 6 trials" in clock.section(result).sentences[-1]


def test_lost_duplicate_and_saved_time_is_told(make):
    result = placed(make(), "a", np.arange(40) * 10.0, training=5.0)
    result.trials.loc[3, ["state", "seconds_training"]] = ["duplicate", 0.0]
    told = clock.section(result).sentences[-1]
    assert "Failed, interrupted and screened trials took 7.7 % of the time" in told  # 3 of 39
    assert "1 trial was dropped as duplicate of what another worker had begun, before anything was measured" in told
    assert "Pruning left out 5 of " in told


def test_trials_without_an_end_are_marked(make):
    result = placed(make(30), "a", np.arange(30) * 10.0, training=5.0)
    result.trials.loc[29, "seconds_training"] = 0.0
    assert list(clock.gather(result).open["number"]) == [29]
    labels = [t.get_text() for t in timeline(result).get_legend().get_texts()]
    assert "began, and has no end: running or cut off (1)" in labels


def test_shares_of_the_time_are_exact(two):
    found = clock.gather(two)
    counted = clock_numbers.shares(found, 0, 9, 45.0)["complete"]
    assert counted == pytest.approx([1, 1, 0.5, 1, 0.5, 0, 0, 0, 0])  # 0 to 10 and 12.5 to 22.5, in parts of 5 s
    assert counted.sum() * 5 == pytest.approx(20)


def test_many_trials_become_shares_and_many_workers_are_counted(make):
    rng = np.random.default_rng(0)
    result = placed(
        make(400), [f"w{i % 30}" for i in range(400)], np.arange(400) // 30 * 10.0, training=rng.random(400)
    )
    section = clock.section(result)
    (picture,) = section.pictures
    assert "share of each worker's time" in picture.caption
    assert f"The {clock.MANY_WORKERS} busiest of 30 workers" in picture.caption
    assert section.tables[1].notes == ("And 6 that did less.",)
    assert len(timeline(result).get_yticks()) == clock.MANY_WORKERS
    vector, _ = style.files(picture.draw())
    assert len(vector) < 150_000


def test_a_replay_has_no_times(make):
    result = make(8)
    result.trials[["seconds", "seconds_static", "seconds_training"]] = 0.0
    assert "a replay" in clock.section(result).missing
    with pytest.raises(UserInputError):
        timeline(result)
    assert clock.section(make(0)).missing == "No trial has started yet."


def test_seconds_without_begins_give_the_stages_alone(make):
    result = make(8)
    result.trials["started"] = ""
    section = clock.section(result)
    assert "no timeline" in section.sentences[1]
    assert len(section.tables) == 1
    assert section.pictures[0].draw().get_ylabel() == "stage"
    with pytest.raises(UserInputError):
        timeline(result)


@pytest.mark.parametrize("state", ["complete", "failed", "screened", "running", "interrupted"])
@pytest.mark.parametrize("trials", [1, 5])
def test_no_study_is_too_small_or_too_broken(make, trials, state):
    section = clock.section(make(trials, state=state))
    assert section.missing or section.sentences
    for picture in section.pictures:
        style.files(picture.draw())


def test_a_time_is_said_in_the_unit_of_its_size():
    told = [clock.seconds_text(s) for s in (0.0421, 4.2, 119, 120, 7200, 172800, 86400 * 4000)]
    assert told == ["0.0421 s", "4.2 s", "119 s", "2 min", "2 h", "2 days", "4,000 days"]
