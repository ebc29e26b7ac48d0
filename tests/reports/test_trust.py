import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from nas_moo.choose import ObjectiveInfo
from nas_moo.errors import UserInputError
from nas_moo.evaluation import Evaluation, Outcome
from nas_moo.finalists import join
from nas_moo.genome import Architecture
from nas_moo.measurement import Measurement
from nas_moo.results import build_result
from reports import reference_drift, style, timings, trust, trust_numbers, trust_pictures

ERROR = ObjectiveInfo("error", "fraction", "error", "trained", False, "m")
LATENCY = ObjectiveInfo("latency_eager", "ms", "latency", "device", True, "eager, batch 1")
KEY = {"network": "", "device": "a processor", "mode": "latency_eager", "batch": 1, "cache": "warm", "threads": 1,
       "input_shape": [1, 8, 8], "torch": "2.13.0", "uuid": None}  # fmt: skip
ABOUT = {"genome": [{"name": "width"}], "space": {"code_digest": "c0de"}}


def timing(value, reach=0.01, **details):
    told = {
        "block_medians": [value * s for s in (0.99, 1.0, 1.02)], "samples": 150, "calls_per_sample": 2, "p95": None,
        "p99": None, "converged": True, "caveats": [], "key": KEY, "preset": "search", "precision": 0.02, "gpu": [],
    }  # fmt: skip
    return Measurement(
        value, "ms", value * (1 - reach), value * (1 + reach), "95 % t", 3, LATENCY.method, told | details
    )


def timed(*measured, objective=LATENCY, **about):
    """A study whose models are all on the front: the slower, the better."""
    evaluations = [
        Evaluation(
            i, Architecture({"width": i}),
            {"error": Measurement.exact(0.9 - 0.01 * i, "fraction", "m"), objective.name: m},
            (), Outcome("complete", trained=True),
        )
        for i, m in enumerate(measured)
    ]  # fmt: skip
    objectives = [dataclasses.asdict(o) for o in (ERROR, objective)]
    return build_result("study", ABOUT | about | {"objectives": objectives}, evaluations)


def times(*milliseconds, worker="w"):
    return [{"worker": worker, "number": 20 * i, "ms": ms} for i, ms in enumerate(milliseconds)]


def numbers(*measured, **about):
    return trust_numbers.gather(timed(*measured, **about), "latency_eager")


def test_models_are_told_apart_by_their_intervals_and_the_drift():
    found = numbers(timing(1.0), timing(1.013), timing(1.2, 0.02))
    assert found.models["reach"].tolist() == pytest.approx([0.01, 0.01, 0.02])
    assert found.resolution == pytest.approx(math.hypot(0.01, 0.02))
    assert found.models["told"].tolist() == [False, True, True], "1.3 % lies within the root of two of 1 %"
    assert found.undecided == 1
    drifting = numbers(timing(1.0), timing(1.013), timing(1.2, 0.02), reference_times=times(1.0, 1.05, 1.1, 1.15, 1.2))
    assert drifting.reference.pair > 0.15
    assert drifting.resolution == pytest.approx(math.hypot(0.01, 0.02, drifting.reference.pair))
    assert drifting.undecided == 2


def test_a_reference_s_outlier_moves_the_range_and_not_the_drift():
    found = numbers(timing(1.0), timing(2.0), reference_times=times(1.3, 1.0, 1.001, 1.0, 0.999, 1.0))
    times_of = found.reference.times
    assert found.reference.pair < 0.01
    assert times_of["share"].max() == pytest.approx(0.3)
    assert times_of["moved"].tolist() == [False, True, False, False, False, False]


def test_a_movement_is_one_worker_s_own():
    told = [*times(1.0, 1.01, worker="a"), *times(2.0, 2.01, worker="b")]
    found = numbers(timing(1.0), timing(2.0), reference_times=told)
    assert not found.reference.times["moved"].any()


def test_a_drift_is_the_spread_of_two_moments():
    """Of a reference that scatters by one per cent, two moments differ by more in one case of twenty."""
    rng = np.random.default_rng(0)
    ms = np.exp(rng.normal(0, 0.01, 4000))
    pair = numbers(timing(1.0), reference_times=times(*ms)).reference.pair
    apart = np.abs(np.log(rng.permutation(ms) / ms))
    assert (apart > pair).mean() == pytest.approx(0.05, abs=0.015)


def test_what_a_second_measurement_says_counts():
    doubted = timing(1.0, caveats=["contended"], reference_drift=0.2)
    repeated = {"value": 1.04, "low": 1.03, "high": 1.05, "caveats": []}
    known = timing(1.1, caveats=["contended"], reference_drift=0.2, repeated=repeated)
    found = numbers(doubted, known, timing(1.5), timing(1.6))
    assert found.models["reach"].tolist() == pytest.approx([0.2, abs(1.04 / 1.1 - 1), 0.01, 0.01])
    assert found.models["disturbed"].tolist() == [True, False, False, False]
    assert found.again == pytest.approx((1.04 / 1.1 - 1,))
    assert found.marked == {"contended": 2}
    again = {**repeated, "caveats": ["contended"]}
    assert numbers(timing(1.0, caveats=["contended"], repeated=again)).models["disturbed"].tolist() == [True]


def test_a_model_that_is_hardly_known_does_not_speak_for_the_others():
    found = numbers(timing(1.0), timing(2.0), timing(3.0), timing(4.0, 0.4, caveats=["not converged"]))
    assert found.models["loose"].tolist() == [False, False, False, True]
    assert found.resolution == pytest.approx(math.hypot(0.01, 0.01))
    section = trust.section(timed(timing(1.0), timing(2.0), timing(3.0), timing(4.0, 0.4)))
    assert f"less certain than that: {found.models['id'].iloc[3]} (±40 %)" in section.sentences[0]


def test_the_verdict():
    sure = trust.section(timed(timing(1.0), timing(2.0), reference_times=times(1.0, 1.0))).sentences
    assert sure[0].startswith("Trust it to rank models that differ by more than 1.4 %, not closer ones.")
    assert "All 2 models of the front are farther apart" in sure[0]
    assert "2 of 2 timings converged" in sure[1]
    close = trust.section(timed(timing(1.0), timing(1.001))).sentences
    assert "The two models of the front are closer than they are known" in close[0]
    three = trust.section(timed(timing(1.0), timing(1.001), timing(2.0))).sentences
    assert "Of 2 pairs of neighbours on the front, 1 is closer than the two are known" in three[0]
    assert "has kept no times of the reference network" in close[1]
    moved = trust.section(timed(timing(1.0), timing(2.0), reference_times=times(1.0, 1.1, 1.1))).sentences
    assert "timed 3 times, lay −9.1 % to 0 % from its median and moved by more than 2 % once" in moved[1]


def test_the_table_of_the_reference_has_every_movement_and_some_of_the_rest():
    ms = [1.0] * 100
    ms[37] = 1.1
    table = trust.section(timed(timing(1.0), timing(2.0), reference_times=times(*ms))).tables[-1]
    assert table.title == "The reference network"
    moved = [row for row in table.rows if row[3]]
    assert [row[:3] for row in moved] == [("740", "1.100", "+10 %"), ("760", "1.000", "0 %")]
    assert table.rows[0][0] == "0"
    assert table.rows[-1][0] == "1,980"
    assert table.notes[0].startswith(f"{len(table.rows)} of 100 timings.")


def test_timings_that_were_disturbed_are_not_trusted():
    disturbed = {"caveats": ["contended"]}
    told = trust.section(timed(timing(1.0, **disturbed), timing(2.0, **disturbed), timing(3.0))).sentences
    assert told[0].startswith("Do not trust it to rank close models: 2 of 3 on the front")
    assert any("contended 2" in sentence for sentence in told)
    some = trust.section(timed(timing(1.0, **disturbed), timing(2.0), timing(3.0))).sentences
    first = trust_numbers.gather(timed(timing(1.0)), "latency_eager").models["id"][0]
    assert some[0].startswith("Trust it")
    assert f"not {first}, timed while something else used the device" in some[0]
    throttled = numbers(timing(1.0, caveats=["slowed down by power cap"]), timing(2.0))
    assert throttled.models["disturbed"].tolist() == [True, False]


def test_a_later_timing_under_the_same_conditions_is_a_check():
    study = timed(timing(1.0), timing(2.0), timing(3.0))

    def lines(values, **key):
        return [
            {
                "kind": "latency", "study": "study", "id": str(i), "asked": "latency", "code_digest": "c0de",
                "network_digest": Architecture({"width": i}).network_digest, "mode": "latency_eager", "value": v,
                "low": v, "high": v, "unit": "ms", "key": KEY | key, "conditions": "c", "method": "m", "caveats": [],
            }
            for i, v in enumerate(values)
        ]  # fmt: skip

    fronts = join(study, lines([1.5, 3.0, 5.0]))
    found = trust_numbers.gather(study, "latency_eager", fronts)
    assert found.retimed == (pytest.approx(5 / 4.5 - 1), 3), "a common shift changes no order"
    assert found.resolution == found.retimed[0], "intervals alone promise less"
    assert any(
        "3 finalists changed relative to each other by 11 %" in s for s in trust.section(study, fronts).sentences
    )
    elsewhere = join(study, lines([1.5, 3.0, 5.0], device="another"))
    assert trust_numbers.gather(study, "latency_eager", elsewhere).retimed is None


def test_percentiles_that_are_not_known_are_told_with_the_reason():
    known = timing(1.0, calls_per_sample=1, samples=400, p95=1.2, p99=1.5)
    few = timing(2.0, calls_per_sample=1, samples=100, p95=2.2)
    (table, _) = trust.section(timed(known, few, timing(3.0))).tables
    assert [row[3:5] for row in table.rows] == [("+20 %", "+50 %"), ("+10 %", "–"), ("–", "–")]
    told = table.notes[1]
    assert "p95 of 2 of 3 models, p99 of 1 of 3 models" in told
    assert "calls of 1 were timed several together" in told
    assert "60 (p95) or 300 (p99)" in told
    assert "--max latency_eager_p99" in told
    assert len(trust.section(timed(known)).tables[0].notes) == 1


def test_a_throughput_s_blocks_are_of_whole_calls():
    objective = ObjectiveInfo("throughput", "ms", "time per example", "device", True, "m")
    batch = timing(0.1, call_ms=1.6, block_medians=[1.6, 1.76], calls_per_sample=1, samples=90, p95=2.0)
    found = trust_numbers.gather(timed(batch, objective=objective), "throughput")
    assert found.models["blocks"][0] == pytest.approx((0.0, 0.1))
    assert found.models["p95"][0] == pytest.approx(0.25)
    found = timed(*(timing(0.1, call_ms=0.1 * n, batch=n) for n in (8, 64)), objective=objective)
    assert dict(trust.section(found).tables[-1].rows)["batch"] == "8 to 64"


def test_conditions_are_stated_with_what_the_gpu_said():
    def state(mhz, slowed):
        return {"sm_mhz": mhz, "memory_mhz": None, "temperature_c": 60, "power_w": 200.5, "slowed_by": slowed}

    gpu = [state(1400, []), state(1710, ["power cap"])]
    study = timed(timing(1.0, gpu=gpu, host_bound=True, wall_over_thread=1.004), timing(2.0, host_bound=False))
    facts = dict(trust.section(study).tables[-1].rows)
    assert facts["device"] == "a processor"
    assert facts["input"] == "1 × 8 × 8"
    assert facts["clock (MHz)"] == "1,400 to 1,710"
    assert facts["temperature (°C)"] == "60"
    assert facts["slowed down by"] == "power cap"
    assert facts["waited for the host"] == "1 of 2 networks"
    assert "memory clock (MHz)" not in facts
    assert "UUID" not in facts


def test_trainings_of_one_network_count_once_among_all_and_each_on_the_front():
    evaluations = [
        Evaluation(
            i, Architecture({"width": 1, "rate": i}, frozenset({"rate"})),
            {"error": Measurement.exact(error, "fraction", "m"), "latency_eager": timing(1.0)},
            (), Outcome("complete", trained=True),
        )
        for i, error in enumerate((0.1, 0.1, 0.3))
    ]  # fmt: skip
    about = ABOUT | {"objectives": [dataclasses.asdict(o) for o in (ERROR, LATENCY)]}
    found = trust_numbers.gather(build_result("study", about, evaluations), "latency_eager")
    assert found.every == 1
    assert len(found.models) == 2
    assert found.undecided == 0, "they are the same network"


@pytest.mark.parametrize(
    ("trials", "objectives", "state", "says"),
    [
        (0, ("error", "latency_eager"), None, "Nothing has been timed yet."),
        (20, ("error", "flops"), None, "This study times nothing"),
        (12, ("error", "latency_eager"), "failed", ""),
        (1, ("latency_eager",), None, ""),
        (12, ("error", "latency_eager"), "screened", ""),
    ],
)
def test_what_a_study_lacks_is_told(make, trials, objectives, state, says):
    result = make(trials, objectives, state=state)
    section = trust.section(result)
    assert section.missing == says or says in section.missing != ""
    if not says:
        assert "No model is on the front yet" in section.sentences[0] or "One model" in section.sentences[0]


def test_memory_is_no_timing():
    memory = ObjectiveInfo("memory", "MiB", "peak memory", "device", True, "peak of the allocator")
    study = timed(Measurement.exact(3.0, "MiB", "peak of the allocator"), objective=memory)
    assert "Peak memory is no timing and has no interval (peak of the allocator)." in trust.section(study).missing


def test_the_picture_of_timings_shows_a_row_a_model_and_what_lies_beyond():
    spread = {"calls_per_sample": 1, "block_medians": [1.0] * 30 + [1.9], "samples": 400}
    found = numbers(timing(1.0, p95=1.01, **spread), timing(2.0, p95=9.0), timing(3.0, caveats=["drifting"]))
    ax = trust_pictures.draw_timings(found)
    names = [t.get_text() for t in ax.get_yticklabels()]
    assert [n.split()[1] for n in names] == ["1.000", "2.000", "3.000"]
    labels = ax.get_legend_handles_labels()[1]
    assert "block medians (1 of 37 beyond)" in labels
    assert "one with a remark" in labels
    assert [t.get_text() for t in ax.texts] == ["p95 +350 % →"]
    low, high = ax.get_xlim()
    assert low < -100 * found.resolution < 100 * found.resolution < high


def test_pictures_fit_and_repeat(study):
    many = [timing(1.02**i, block_medians=[1.02**i] * 8) for i in range(40)]
    found = numbers(*many, reference_times=times(*[1.0 + 0.001 * (i % 7) for i in range(300)], 1.2))
    assert len(trust_pictures.drawn(found.models)) == trust_pictures.MOST_MODELS
    sizes = []
    for draw in (lambda: trust_pictures.draw_timings(found), lambda: trust_pictures.draw_reference(found.reference)):
        vector, pixels = style.files(draw())
        assert (vector, pixels) == style.files(draw())
        sizes.append(len(vector))
    assert sum(sizes) < 150_000


def test_drawn_from_a_study_alone(study):
    with pytest.raises(UserInputError, match="no times of the reference"):
        reference_drift(study)
    with pytest.raises(UserInputError, match="no front with timings"):
        timings(study, "flops")
    assert len(timings(study).get_yticks()) == study.trials["front"].sum()
    watched = dataclasses.replace(study, description={**study.description, "reference_times": times(1.0, 1.1)})
    ax = style.axes(None, (4, 3))
    assert reference_drift(watched, ax) is ax
    assert "1.05 ms" in ax.get_ylabel()


def test_two_ways_of_timing_are_judged_each(study):
    compiled = ObjectiveInfo("latency_compiled", "ms", "compiled latency", "device", True, "m")
    one, other = timed(timing(1.0), timing(2.0)), timed(timing(3.0), timing(4.0, 0.3), objective=compiled)
    rows = other.measurements[other.measurements["objective"] == compiled.name]
    columns = other.trials[[c for c in other.trials if c.startswith(compiled.name)]]
    both = dataclasses.replace(
        one, objectives=(*one.objectives, compiled), measurements=pd.concat([one.measurements, rows]),
        trials=one.trials.join(columns),
    )  # fmt: skip
    section = trust.section(both)
    assert [p.name for p in section.pictures] == ["timings-latency_eager", "timings-latency_compiled"]
    assert section.sentences[0].startswith("Latency: Trust it")
    assert any(s.startswith("Compiled latency: ") and "±30 %" not in s for s in section.sentences)
    assert [t.title for t in section.tables] == [
        "How the front was timed: latency", "Conditions of latency", "How the front was timed: compiled latency",
        "Conditions of compiled latency",
    ]  # fmt: skip


@pytest.mark.parametrize("trials", [1, 2, 3, 12])
def test_small_studies_and_studies_that_stored_no_details_are_drawn(make, trials):
    for picture in trust.section(make(trials, ("error", "latency_eager"), reference_times=times(1.0, 1.0))).pictures:
        vector, _ = style.files(picture.draw())
        assert b"NaN" not in vector
        assert b"nan" not in vector
