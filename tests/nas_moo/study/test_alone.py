"""Timing in a search: alone on the device, watched, under one key; and networks that cannot be timed."""

import dataclasses
import json
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch

import nas_moo
from nas_moo.errors import MachineError, SpaceError, StudyMismatchError
from nas_moo.measurement import Measurement
from nas_moo.objectives import latency as latency_module
from nas_moo.objectives import load_objective
from nas_moo.objectives.reference import Drift, Reference
from nas_moo.study import alone as alone_module

TIMED = ("error", "latency")
HOLDER = """
import sys, torch
from nas_moo.lease import Lease
with Lease(torch.device("cpu")).alone():
    print("ready", flush=True)
    sys.stdin.read()
"""
FAULTY = '''
import torch
from torch import nn
from space import Tiny


class Large(Tiny):
    """Its deepest networks do not fit."""

    def build(self, architecture, input_shape, n_classes):
        network = super().build(architecture, input_shape, n_classes)
        if architecture["depth"] == 2:
            def refuse(module, arguments):
                raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {architecture['width_0']} GiB")
            network.register_forward_pre_hook(refuse)
        return network


class Huge(Tiny):
    """Its deepest networks do not fit into any host."""

    def build(self, architecture, input_shape, n_classes):
        network = super().build(architecture, input_shape, n_classes)
        if architecture["depth"] == 2:
            network.register_forward_pre_hook(lambda module, arguments: torch.empty(2**50) and None)
        return network


class Named(Tiny):
    def build(self, architecture, input_shape, n_classes):
        return Wrapped(super().build(architecture, input_shape, n_classes))


class Wrapped(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return {"logits": self.network(x)}


class Two(Tiny):
    def build(self, architecture, input_shape, n_classes):
        return Pair()


class Pair(nn.Module):
    def forward(self, image, text):
        return image
'''


@pytest.fixture
def faulty(tiny):
    (tiny / "faulty.py").write_text(FAULTY)
    return "faulty.py"


@pytest.fixture(autouse=True)
def reference(monkeypatch):
    """Let the reference network take these times, one after another; it never changes where a test says nothing."""
    left = []
    monkeypatch.setattr(Reference, "time", lambda self: left.pop(0) if left else 1.0)

    def reference(*milliseconds):
        left[:] = milliseconds
        return left

    return reference


def caveats(result):
    rows = result.measurements[result.measurements["objective"] == "latency_eager"]
    return {n: "contended" in d.get("caveats", ()) for n, d in zip(rows["number"], rows["details"], strict=True)}


def test_a_reference_that_stays_marks_nothing_and_is_timed_at_start_and_end(searched, reference):
    left = reference(1.0, 1.019, 9.9)
    events = []
    searched(objectives=TIMED, trials=3, listener=events.append)
    assert left == [9.9]
    assert not [e for e in events if e["event"] == "contended"]


def test_the_times_of_the_reference_are_kept_for_each_worker(searched, reference, monkeypatch):
    monkeypatch.setattr(alone_module, "EVERY", 2)
    networks = [{"depth": 2, "learning_rate": 0.1, "width_0": a, "width_1": b} for a in (2, 8) for b in (2, 8)]
    for trials, milliseconds in ((3, (1.0, 1.01, 1.02)), (4, (1.03,))):
        reference(*milliseconds)
        searched(objectives=TIMED, trials=trials, seed_architectures=networks)
    times = nas_moo.load_study("Tiny-blobs").description["reference_times"]
    assert [t["ms"] for t in times] == [1.0, 1.01, 1.02, 1.03, 1.0]
    assert [t["number"] for t in times] == sorted(t["number"] for t in times)
    workers = [t["worker"] for t in times]
    assert len({*workers[:3]}) == len({*workers[3:]}) == 1
    assert workers[0] != workers[3]


def test_a_reference_that_moves_marks_the_models_and_times_them_again(searched, reference, monkeypatch):
    monkeypatch.setattr(alone_module, "EVERY", 2)
    reference(1.0, 1.01, 1.2, 1.21)
    events, of_two = [], {"depth": 2, "learning_rate": 0.1}
    networks = [{**of_two, "width_0": a, "width_1": b} for a in (2, 8) for b in (2, 8)]
    result = searched(objectives=TIMED, trials=4, seed_architectures=networks, listener=events.append)
    (told,) = [e for e in events if e["event"] == "contended"]
    assert told["drift"] == pytest.approx(1.2 / 1.01 - 1)
    rows = result.measurements[result.measurements["objective"] == "latency_eager"].merge(
        result.trials[["number", "network_digest"]], on="number"
    )
    assert len(told["networks"]) == 2 < rows["network_digest"].nunique() == 4
    for _, row in rows.iterrows():
        details = row["details"]
        assert ("repeated" in details) is (row["network_digest"] in told["networks"])
        if "repeated" in details:
            assert "contended" in details["caveats"]
            assert details["repeated"]["low"] <= details["repeated"]["value"] <= details["repeated"]["high"]
            assert details["reference_drift"] == told["drift"]
    assert rows["value"].tolist() == result.trials["latency_eager"].tolist()


def test_a_network_that_fails_the_second_time_is_marked_all_the_same(searched, reference, monkeypatch):
    reference(1.0, 2.0)

    def fail(self, architecture, objective):
        raise RuntimeError("not again")

    monkeypatch.setattr("nas_moo.study.worker.Worker.measure_again", fail)
    found = caveats(searched(objectives=TIMED, trials=3))
    assert all(found.values())


def test_the_reference_is_the_same_network_everywhere(monkeypatch):
    monkeypatch.undo()
    first, second = (Reference(load_objective("latency", device=torch.device("cpu"))) for _ in range(2))
    assert first.time() == pytest.approx(second.time(), rel=0.9)
    weights = [r._candidate.model.state_dict() for r in (first, second)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_drift_is_relative_to_before():
    assert not Drift(1.0, 1.019).is_contended
    assert Drift(1.0, 0.97).is_contended


def test_nothing_is_watched_where_nothing_is_timed(searched, reference):
    left = reference(1.0)
    searched(objectives=("error", "params"), trials=2)
    assert left == [1.0]
    assert nas_moo.load_study("Tiny-blobs").description["reference_times"] == []


def test_a_training_pauses_between_its_epochs_for_those_who_wait(searched, monkeypatch):
    pauses = []
    monkeypatch.setattr("nas_moo.lease.Share.pause", lambda share: pauses.append(share))
    result = searched(trials=2, epochs=3)
    assert len(pauses) == 4  # what is trained to its end waits for nobody
    assert (result.trials["seconds_waiting"] >= 0).all()


@pytest.fixture
def holder():
    """Another process that times on the device until ``let_go``."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()

    def let_go():
        process.kill()
        process.wait()

    yield SimpleNamespace(pid=process.pid, let_go=let_go)
    let_go()
    process.stdin.close()
    process.stdout.close()


def test_a_device_in_use_stops_the_search_with_the_process_that_holds_it(searched, holder, monkeypatch):
    monkeypatch.setattr("nas_moo.lease.TIMEOUT_S", 0.1)
    with pytest.raises(MachineError, match="cpu is in use") as raised:
        searched(objectives=TIMED, trials=2)
    assert raised.value.value == f"process {holder.pid}"
    assert nas_moo.load_study("Tiny-blobs").trials["state"].tolist() == ["interrupted"]
    holder.let_go()
    assert searched(objectives=TIMED, trials=2).done == 2


@pytest.mark.parametrize("objectives", [TIMED, ("error", "params")])
def test_a_time_limit_holds_while_the_device_is_in_use(searched, holder, objectives):
    """Whether it waits to time or to train."""
    begun, events = time.monotonic(), []
    result = searched(objectives=objectives, trials=2, time_limit=0.5, listener=events.append)
    assert time.monotonic() - begun < 20
    assert result.trials[["state", "kind"]].to_numpy().tolist() == [["interrupted", "time limit"]]
    assert events[-1]["event"] == "end"
    assert events[-1]["out_of_time"]
    assert result.trials["seconds_waiting"].iloc[0] > 0
    holder.let_go()
    again = searched(objectives=objectives, trials=2)
    assert again.done == 2


def test_a_training_waits_for_the_device_between_two_epochs_no_longer_than_the_time_limit(searched, monkeypatch):
    """What waits forever here is a timing of another process."""
    real = alone_module.Alone.pause

    def pause(self):
        self.lease.deadline = time.monotonic() + 0.1
        with alone_module.Lease(self.lease.device).turn():
            real(self)

    monkeypatch.setattr(alone_module.Alone, "pause", pause)
    result = searched(trials=1, epochs=2, time_limit=0.5)
    assert (result.trials["kind"] == "time limit").all()
    assert result.trials["epochs"].iloc[0] == 1


def test_no_training_begins_once_the_time_is_over(searched, monkeypatch):
    asked = iter([False])
    monkeypatch.setattr("nas_moo.study.worker.Worker.out_of_time", lambda self: next(asked, True))
    result = searched(trials=2)
    (trial,) = result.trials.to_dict(orient="records")
    assert (trial["state"], trial["kind"], trial["epochs"]) == ("interrupted", "time limit", 0)
    assert trial["params"] > 0


def test_a_search_whose_time_is_over_leaves_the_reference_and_says_so(searched, reference, monkeypatch):
    left = reference(1.0, 2.0)
    events = []
    monkeypatch.setattr(alone_module, "time", SimpleNamespace(monotonic=lambda: float("inf")))
    result = searched(objectives=TIMED, trials=2, listener=events.append)
    assert result.done == 2
    assert left == [2.0]
    assert "nothing tells whether" in [e["text"] for e in events if e["event"] == "note"][-1]


def test_a_grid_that_cannot_time_its_middle_network_in_time_stores_nothing(searched, holder, tiny):
    with pytest.raises(MachineError, match="the device was in use for the whole time limit") as raised:
        searched(objectives=TIMED, sampler="grid", trials=12, time_limit=0.5)
    assert f"process {holder.pid}" in raised.value.value
    assert not (tiny / "nas-moo.db").exists()


def test_a_study_is_not_resumed_under_another_power_cap_unless_one_is_not_known(searched, monkeypatch):
    real = latency_module.measurement_key

    def cap(watts):
        monkeypatch.setattr(
            latency_module, "measurement_key", lambda *a, **k: dataclasses.replace(real(*a, **k), power_cap_w=watts)
        )

    cap(250.0)
    searched(objectives=TIMED, trials=1)
    cap(None)
    assert searched(objectives=TIMED, trials=2).done == 2
    cap(300.0)
    with pytest.raises(StudyMismatchError, match=r"conditions of measurement.*power_cap_w: 250.0"):
        searched(objectives=TIMED, trials=3)


def test_a_study_goes_on_where_hosts_were_not_told_apart_and_on_no_other_host(searched, monkeypatch):
    monkeypatch.setattr("nas_moo.device.host_digest", lambda: None)
    searched(objectives=TIMED, trials=2)  # as before keys had a host, or in a container
    monkeypatch.setattr("nas_moo.device.host_digest", lambda: "here")
    assert len(searched(objectives=TIMED, trials=4).front())
    monkeypatch.setattr("nas_moo.device.host_digest", lambda: "there")
    searched(objectives=TIMED, trials=1, study="elsewhere")
    monkeypatch.setattr("nas_moo.device.host_digest", lambda: "here")
    with pytest.raises(StudyMismatchError, match="host: there"):
        searched(objectives=TIMED, trials=2, study="elsewhere")


def test_a_stored_latency_of_another_device_is_no_hit(searched, monkeypatch):
    """As where a database was copied: the network is known, its key is another, and it is timed here."""
    searched(objectives=TIMED, trials=4)
    real = latency_module.Latency.is_same
    asked = []

    def elsewhere(self, candidate, known):
        asked.append(real(self, candidate, known))
        return False

    monkeypatch.setattr(latency_module.Latency, "is_same", elsewhere)
    result = searched(objectives=TIMED, trials=10)
    assert asked
    assert all(asked)
    networks = result.trials.groupby("network_digest")["latency_eager"].nunique()
    assert networks.max() > 1


def test_a_front_from_two_keys_is_refused(searched):
    result = searched(objectives=TIMED, trials=4)
    assert len(result.front())
    rows = result.measurements.index[result.measurements["objective"] == "latency_eager"]
    key = json.loads(json.dumps(result.measurements.at[rows[-1], "details"]["key"]))
    result.measurements.at[rows[-1], "details"]["key"] = key | {"uuid": "GPU-2"}
    fresh = dataclasses.replace(result)  # whatever was cached is gone
    for read in (fresh.front, fresh.choose, lambda: fresh.report("never")):
        with pytest.raises(StudyMismatchError, match="under more than one key") as raised:
            read()
    assert "uuid" in str(raised.value.value)


def test_models_with_best_batches_of_their_own_make_one_front(searched, monkeypatch):
    """What batch is best within a limit is a result of the model, and no condition in which two models differ."""

    def told(self, candidate):
        best, n = candidate.architecture["width_0"], self.batch
        value = 1.0 + 0.1 * n if n <= best else (1.0 + 0.1 * best) * n / best
        details = {"key": self.key_of(candidate).to_dict(), "within": [value, value]}
        return Measurement(value, self.unit, value, value, "none", 1, self.method, details)

    monkeypatch.setattr(latency_module.Latency, "measure", told)
    networks = [{"depth": 1, "learning_rate": 0.1, "width_0": width} for width in (2, 8)]
    searched(objectives=("error", "throughput@9ms"), trials=2, seed_architectures=networks, epochs=1)
    result = nas_moo.load_study("Tiny-blobs")
    rows = result.measurements[result.measurements["objective"] == "throughput"]
    assert {d["batch"] for d in rows["details"]} == {2, 8}
    assert len(result.front())
    assert result.choose(max={"throughput": "10ms"}).feasible


def test_a_network_without_memory_fails_its_trial_frees_it_and_the_next_one_runs(searched, faulty, monkeypatch):
    freed = []
    monkeypatch.setattr("nas_moo.study.worker.free_memory", freed.append)
    result = searched(space=f"{faulty}:Large", objectives=TIMED, trials=4, sampler="random", seed=3)
    failed = result.trials[result.trials["state"] == "failed"]
    assert len(failed)
    assert set(failed["kind"]) == {"oom"}
    assert failed["reason"].str.contains("out of memory").all()
    assert len(freed) == len(failed)
    complete = result.trials[result.trials["state"] == "complete"]
    assert len(complete) == 4
    assert failed["number"].min() < complete["number"].max()


@pytest.mark.parametrize("objectives", [("error", "params"), ("error", "memory")])
def test_a_network_that_does_not_fit_into_the_host_fails_as_one_without_memory(searched, faulty, objectives):
    deep = {"depth": 2, "learning_rate": 0.1, "width_0": 2, "width_1": 2}
    result = searched(space=f"{faulty}:Huge", objectives=objectives, trials=1, epochs=1, seed_architectures=[deep])
    first = result.trials.iloc[0]
    assert (first["state"], first["kind"]) == ("failed", "oom")
    assert "can't allocate memory" in first["reason"]


def test_memory_is_given_back_to_the_gpu(monkeypatch):
    from nas_moo.device import free_memory

    emptied = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(True))
    free_memory(torch.device("cpu"))
    assert emptied == []
    free_memory(torch.device("cuda", 0))
    assert emptied == [True]


def test_a_network_that_returns_a_dictionary_is_told_what_to_return(searched, faulty):
    with pytest.raises(SpaceError) as raised:
        searched(space=f"{faulty}:Named", objectives=TIMED)
    assert "output is not (batch, n_classes)" in raised.value.value
    assert "dict" in raised.value.value


def test_a_network_of_several_inputs_is_told_so(searched, faulty):
    with pytest.raises(SpaceError) as raised:
        searched(space=f"{faulty}:Two", objectives=TIMED)
    assert "several inputs: 'image, text'" in raised.value.value


def test_a_percentile_limit_that_is_new_or_gone_is_named(searched):
    """Any other limit may come and go; this one changes how calls are timed."""
    searched(objectives=TIMED, trials=1)
    searched(objectives=TIMED, trials=1, study="one-by-one", max={"latency_p99": "5s"})
    told = []
    for study, limits in (("Tiny-blobs", {"latency_p99": "3ms", "error": "50%"}), ("one-by-one", {"error": "50%"})):
        with pytest.raises(StudyMismatchError, match="timed one by one") as raised:
            searched(objectives=TIMED, trials=2, study=study, max=limits)
        told.append((raised.value.value, "begun without" in raised.value.what))
    assert told == [("latency_eager_p99", True), ("latency_eager_p99", False)]
    assert searched(objectives=TIMED, trials=2, study="one-by-one", max={"latency_p95": "5s"}).done == 2


def test_a_limit_may_name_a_percentile(searched):
    """Calls are timed one by one then, so that quick networks have percentiles, too."""
    result = searched(objectives=TIMED, trials=3, max={"latency_p95": "5s"})
    rows = result.measurements[result.measurements["objective"] == "latency_eager"]
    assert "one by one" in rows["method"].iloc[0]
    p95 = [d["p95"] for d in rows["details"]]
    assert all(p is not None and p > 0 for p in p95)
    assert result.choose(max={"latency_p95": max(p95) * 1.01}).feasible
    assert not result.choose(max={"latency_p95": min(p95) * 0.5}).feasible
    assert "latency_eager_p95" in result.choose(max={"latency_p95": min(p95) * 0.5}).reason
    screened = searched(objectives=TIMED, trials=1, max={"latency_p95": "1us"}, study="tight", time_limit=3)
    assert set(screened.trials["kind"]) == {"budget:latency_eager_p95"}
    assert screened.trials["reason"].str.contains("latency_eager_p95 at least").all()
