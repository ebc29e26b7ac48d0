import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from nas_moo.choose import ObjectiveInfo
from nas_moo.errors import CorruptError, StudyMismatchError, UserInputError
from nas_moo.evaluation import Evaluation, Outcome
from nas_moo.finalists import join, read_measurements, standings
from nas_moo.genome import Architecture
from nas_moo.measurement import Measurement
from nas_moo.results import build_result

OBJECTIVES = [
    ObjectiveInfo("error", "fraction", "error", "trained", False, "m"),
    ObjectiveInfo("latency_eager", "ms", "latency", "device", True, "m"),
]


def result(models):
    """A study: (width, error, latency) each."""
    evaluations = [
        Evaluation(
            i,
            Architecture({"width": width, "rate": i}, frozenset({"rate"})),
            {"error": Measurement.exact(error, "fraction", "m"), "latency_eager": Measurement.exact(ms, "ms", "m")},
            (),
            Outcome("complete", trained=True),
        )
        for i, (width, error, ms) in enumerate(models)
    ]
    about = {
        "objectives": [dataclasses.asdict(o) for o in OBJECTIVES],
        "genome": [{"name": "width"}, {"name": "rate"}],
        "space": {"code_digest": "c0de"},
    }
    return build_result("study", about, evaluations)


def line(width, value, *, device="GPU", reach=0.01, **more):
    network = Architecture({"width": width}).network_digest
    key = {"network": network, "device": device, "mode": "latency", "batch": 1, "cache": "warm"}
    return {
        "format": 1, "kind": "latency", "study": "study", "id": str(width), "network_digest": network,
        "asked": "latency", "code_digest": "c0de", "mode": "latency", "value": value, "unit": "ms",
        "low": value * (1 - reach), "high": value * (1 + reach), "key": key, "conditions": device,
        "method": "how", "caveats": [],
    } | more  # fmt: skip


@pytest.fixture
def study():
    return result([(1, 0.3, 1.0), (2, 0.2, 2.0), (3, 0.1, 3.0)])


def standing(front):
    widths = {Architecture({"width": w}).network_digest: w for w in (1, 2, 3)}
    return {widths[m["network_digest"]]: m["standing"] for _, m in front.models.iterrows()}


def test_a_front_that_holds_is_certain(study):
    (front,) = join(study, [line(1, 0.1), line(2, 0.2), line(3, 0.3)])
    assert standing(front) == {1: "certain", 2: "certain", 3: "certain"}
    assert front.models["rank"].tolist() == front.models["rank_before"].tolist() == [1, 2, 3]
    assert front.models["before"].tolist() == [1.0, 2.0, 3.0]
    assert front.models["ties"].tolist() == [(), (), ()]
    assert (front.missing, front.failed, front.title) == ((), (), "GPU: latency, batch 1")


def test_a_model_that_is_slower_there_leaves_the_front(study):
    (front,) = join(study, [line(1, 0.1), line(2, 0.5), line(3, 0.3)])
    assert standing(front) == {1: "certain", 2: "beaten", 3: "certain"}
    ranks = front.models.set_index("rank")["rank_before"]
    assert ranks.to_dict() == {1: 1, 2: 3, 3: 2}


def test_ties_are_models_whose_intervals_overlap_and_make_a_front_uncertain(study):
    (front,) = join(study, [line(1, 0.100), line(2, 0.300), line(3, 0.303)])
    assert standing(front) == {1: "certain", 2: "front", 3: "certain"}
    ids = front.models["id"].tolist()
    assert front.models["ties"].tolist() == [(), (ids[2],), (ids[1],)]
    (front,) = join(study, [line(1, 0.100), line(2, 0.303), line(3, 0.300)])
    assert standing(front)[2] == "possible"


def test_each_device_has_a_front_of_its_own_and_later_files_count(study):
    lines = [line(1, 9.0), line(1, 0.1), line(2, 0.2), line(1, 5.0, device="CPU"), line(3, 6.0, device="CPU")]
    gpu, cpu = join(study, lines)
    assert gpu.models["latency"].tolist() == [0.1, 0.2]
    assert [len(gpu.missing), len(cpu.missing)] == [1, 1]
    assert cpu.key["device"] == "CPU"


def test_what_each_round_came_to_is_kept_where_a_file_says_so(study):
    rounds = [{"value": v, "reference_ms": [1.0, 1.0]} for v in (0.1, 0.12, 0.11)]
    (front,) = join(study, [line(1, 0.11, rounds=rounds), line(2, 0.2)])
    assert front.models["rounds"].tolist() == [(0.1, 0.12, 0.11), ()]


def test_two_trainings_of_one_network_share_a_line():
    study = result([(1, 0.3, 1.0), (1, 0.3, 1.0), (2, 0.2, 2.0)])
    (front,) = join(study, [line(1, 0.1), line(2, 0.2)])
    assert front.models["latency"].tolist() == [0.1, 0.1, 0.2]
    assert front.models["standing"].tolist() == ["front", "front", "certain"]


def test_models_that_could_not_be_timed_are_told(study):
    failed = {"format": 1, "kind": "failed", "id": "3", "asked": "latency", "error": "oom", "study": "study"}
    (front,) = join(study, [line(1, 0.1), failed])
    assert front.failed == (("3", "oom"),)
    assert len(front.missing) == 2


def test_a_study_without_latency_gets_one():
    study = result([(1, 0.3, 1.0), (2, 0.2, 2.0)])
    study = dataclasses.replace(study, objectives=study.objectives[:1])
    (front,) = join(study, [line(1, 0.1), line(2, 0.2)])
    assert front.models["before"].isna().all()
    assert standing(front) == {1: "certain", 2: "certain"}


def test_standings_hold_against_every_latency_inside_the_intervals():
    rng = np.random.default_rng(0)
    for _ in range(20):
        n = int(rng.integers(2, 7))
        others = rng.integers(0, 3, (n, 2)).astype(float)
        value = rng.uniform(1, 2, n)
        latency = np.column_stack([value * 0.9, value, value * 1.1])
        found = standings(others, latency)
        member = np.zeros(n)
        for _ in range(100):
            drawn = rng.uniform(latency[:, 0], latency[:, 2])
            points = np.column_stack([others, drawn])
            dominated = [
                any((points[j] <= points[i]).all() and (points[j] < points[i]).any() for j in range(n))
                for i in range(n)
            ]
            member += ~np.array(dominated)
        for standing_, times in zip(found, member, strict=True):
            assert standing_ != "certain" or times == 100
            assert standing_ != "beaten" or times == 0


def test_measurements_of_another_study_or_of_other_code_are_refused(study):
    with pytest.raises(StudyMismatchError, match="none of these measurements"):
        join(study, [line(7, 0.1)])
    with pytest.raises(StudyMismatchError, match="another version of the search space"):
        join(study, [line(1, 0.1, code_digest="other")])


def test_files_are_read_and_what_is_none_is_refused(tmp_path):
    session = {"format": 1, "kind": "session"}
    good = tmp_path / "good.jsonl"
    good.write_text("\n".join(json.dumps(found) for found in (session, line(1, 0.1), line(2, 0.2))) + "\n")
    assert [found["value"] for found in read_measurements([good, good])] == [0.1, 0.2] * 2
    with pytest.raises(UserInputError, match="cannot be read"):
        read_measurements([tmp_path / "absent.jsonl"])
    lacking = {k: v for k, v in line(1, 0.1).items() if k != "key"}
    for wrong in ("", "{", "3", json.dumps(lacking), json.dumps(line(1, 0.1) | {"low": 5.0}), '{"format": 9}'):
        (tmp_path / "bad.jsonl").write_text(wrong)
        with pytest.raises(CorruptError):
            read_measurements([tmp_path / "bad.jsonl"])


def test_the_table_is_sorted_by_latency(study):
    (front,) = join(study, [line(1, 0.3), line(2, 0.2), line(3, 0.1)])
    assert isinstance(front.models, pd.DataFrame)
    assert front.models["latency"].is_monotonic_increasing
