import dataclasses
import json
import random
import subprocess
import sys

import pytest
import torch
from torch import nn

from nas_moo.errors import SpaceError, UserInputError
from nas_moo.genome import Architecture
from nas_moo.measurement import Measurement
from nas_moo.nvidia import GpuState
from nas_moo.objectives import Candidate, latency
from nas_moo.objectives.latency import MODES, SETTLE_S, Latency, LatencyEager, caveats
from nas_moo.objectives.timers import CpuTimer, CudaTimer
from nas_moo.objectives.timing import Sample, TimingPreset, time_call

CPU = torch.device("cpu")
QUICK = TimingPreset(name="quick", budget_s=0.02)


class StepTimer:
    """Each timed run takes a fixed time."""

    clock = "steps"

    def __init__(self, wall_ms=1.0, thread_ms=1.0):
        self.sample, self.seconds = Sample(wall_ms, thread_ms), 0.0

    def now(self):
        return self.seconds

    def time(self, calls):
        calls()
        self.seconds += self.sample.wall_ms / 1e3
        return self.sample


class Probe(nn.Module):
    """Writes down under which conditions it is called."""

    def __init__(self, notes, fails=False):
        super().__init__()
        self.notes, self.fails, self.linear, self.cache = (notes,), fails, nn.Linear(4, 2), None

    def forward(self, x):
        self.notes[0].append((tuple(x.shape), x.dtype, self.training, torch.is_inference_mode_enabled(),
                              torch.get_num_threads(), x.sum().item()))  # fmt: skip
        self.cache = x * 2
        torch.rand(3)
        random.random()  # noqa: S311
        if self.fails:
            raise ValueError("the forward failed")
        return self.linear(x)


def candidate(model, shape=(4,), device=CPU):
    return Candidate(None, model, shape, 2, device)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_the_network_is_called_in_eval_and_inference_mode_with_one_thread(two_threads):
    notes = []
    LatencyEager(CPU, batch=3, timer=StepTimer()).measure(candidate(Probe(notes).train()))
    assert {note[:5] for note in notes} == {((3, 4), torch.float32, False, True, 1)}
    sums = [note[5] for note in notes]
    assert len(set(sums)) == 4
    assert sums[:4] == sums[4:8]


@pytest.mark.parametrize("fails", [False, True])
def test_everything_is_put_back(two_threads, fails):
    model = Probe([], fails).train()
    model.linear.eval()
    before = (torch.get_rng_state().tolist(), random.getstate(), [id(p) for p in model.parameters()])
    objective = LatencyEager(CPU, timer=StepTimer())
    if fails:
        with pytest.raises(ValueError, match="the forward failed"):
            objective.measure(candidate(model))
    else:
        objective.measure(candidate(model))
    assert (model.training, model.linear.training) == (True, False)
    assert torch.get_num_threads() == 2
    assert not torch.is_inference_mode_enabled()
    assert (torch.get_rng_state().tolist(), random.getstate(), [id(p) for p in model.parameters()]) == before
    assert model.cache is None


def test_a_measured_network_can_still_be_trained():
    class Caching(nn.Module):
        """Keeps a table from its first call, as positional encodings do."""

        def __init__(self):
            super().__init__()
            self.linear, self.table = nn.Linear(4, 2), None

        def forward(self, x):
            if self.table is None:
                self.table = torch.ones(4) * 2
            return self.linear(x * self.table)

    model = Caching()
    LatencyEager(CPU, timer=StepTimer()).measure(candidate(model))
    model(torch.ones(1, 4, requires_grad=True)).sum().backward()
    assert model.linear.weight.grad is not None


def test_the_measurement_carries_its_record():
    objective = LatencyEager(CPU, batch=2, timer=StepTimer(wall_ms=2.0, thread_ms=1.9))
    measured = objective.measure(candidate(nn.Linear(4, 2)))
    assert (measured.value, measured.unit, measured.n) == (2.0, "ms", 8)
    assert measured.method == objective.method
    told = json.loads(json.dumps(measured.to_dict()))["details"]
    assert (told["converged"], told["contended"], told["few_blocks"], told["warmup"]) == (True, False, False, 10)
    assert told["seconds"] == pytest.approx(told["warmup"] * 2e-3 + told["samples"] * 2e-3)
    assert len(told["block_medians"]) == 8


def test_the_interval_reckons_with_what_changes_from_run_to_run():
    measured = LatencyEager(CPU, timer=StepTimer(wall_ms=2.0)).measure(candidate(nn.Linear(4, 2)))
    assert measured.details["within"] == [2.0, 2.0]
    assert (measured.low, measured.high) == (pytest.approx(2 * 0.99, rel=1e-3), pytest.approx(2 * 1.01, rel=1e-3))
    assert measured.interval.endswith("and 1% from run to run")


@pytest.mark.parametrize("name", ["latency_eager", "latency"])
def test_what_is_made_ready_once_leaves_the_budget_whole(monkeypatch, name):
    """As where CUDA starts, libraries load and a graph is captured: longer than the whole budget."""
    timer = StepTimer()

    def prepare(stack, model, inputs):
        timer.seconds += 0.4
        return lambda number: model(inputs[number % len(inputs)])

    def ask(uuid):
        timer.seconds += 0.1

    monkeypatch.setattr(latency, "gpu_state", ask)
    mode = dataclasses.replace(MODES[name], devices=("cpu",), prepare=prepare)
    details = Latency(mode, CPU, timer=timer).measure(candidate(nn.Linear(4, 2))).details
    assert (details["steady"], details["converged"], details["few_blocks"]) == (True, True, False)
    assert details["samples"] > 100
    assert details["preparation_s"] == pytest.approx(0.5)


def test_a_contended_cpu_is_flagged():
    details = LatencyEager(CPU, timer=StepTimer(1.3, 1.0)).measure(candidate(nn.Linear(4, 2))).details
    assert details["contended"] is True
    assert details["caveats"] == ["contended"]
    assert details["wall_over_thread"] == pytest.approx(1.3)


def test_a_slow_network_says_that_it_has_few_blocks():
    measured = LatencyEager(CPU, timer=StepTimer(wall_ms=400.0)).measure(candidate(nn.Linear(4, 2)))
    assert (measured.n, measured.details["few_blocks"], measured.details["converged"]) == (3, True, False)
    assert "not converged" in measured.caveats


def test_the_method_tells_what_makes_two_numbers_differ():
    method = LatencyEager(CPU, batch=4).method
    for part in ("wall clock, 1 thread", "batch 4", "float32", "cpu", f"torch {torch.__version__}", "protocol 3"):
        assert part in method
    assert method == LatencyEager("cpu", batch=4, preset=QUICK).method
    assert method != LatencyEager(CPU, batch=8).method


def test_a_compiled_network_is_timed_eagerly():
    def refuse(graph, inputs):
        raise AssertionError("it was compiled")

    calls = []
    model = nn.Sequential(torch.compile(Probe(calls), backend=refuse))
    LatencyEager(CPU, timer=StepTimer()).measure(candidate(model))
    assert calls


def test_a_cold_cache_is_timed_call_by_call():
    warm = LatencyEager(CPU, timer=StepTimer(wall_ms=0.05))
    cold = LatencyEager(CPU, timer=StepTimer(wall_ms=0.05), cold_cache=True)
    assert "cold cache" in cold.method
    assert cold.method != warm.method
    net = nn.Linear(4, 2)
    assert warm.measure(candidate(net)).details["calls_per_sample"] == 4
    assert cold.measure(candidate(net)).details["calls_per_sample"] == 1


def test_what_the_gpu_tells_becomes_caveats():
    timing = time_call(lambda number: None, StepTimer(), QUICK, started=0.0)
    hot = GpuState(1200, 1593, 91, 350.0, 100, ("power cap", "temperature (hardware)"))
    cool = GpuState(None, None, None, None, None, None)
    assert caveats(timing, None, None, None) == []
    assert caveats(timing, [], cool, cool) == []
    assert caveats(timing, [17], cool, hot) == [
        "other processes on the GPU",
        "slowed down by power cap, temperature (hardware)",
    ]
    late = dataclasses.replace(timing, host_share=0.95, trend=0.08, jumps=1)
    assert caveats(late, None) == ["drifting", "host-bound", "the clock jumped"]


def test_a_stored_latency_is_the_same_only_under_the_whole_key():
    net, objective = nn.Linear(4, 2), LatencyEager(CPU, timer=StepTimer())
    one = Candidate(Architecture({"width": 1}), net, (4,), 2, CPU)
    measured = Measurement.from_dict(json.loads(json.dumps(objective.measure(one).to_dict())))
    assert objective.is_same(one, measured)
    assert not objective.is_same(dataclasses.replace(one, architecture=Architecture({"width": 2})), measured)
    assert not objective.is_same(dataclasses.replace(one, input_shape=(5,)), measured)
    assert not LatencyEager(CPU, timer=StepTimer(), batch=2).is_same(one, measured)
    for field, value in (("driver", "580.1"), ("uuid", "another"), ("protocol", 1)):
        objective.key = dataclasses.replace(LatencyEager(CPU, timer=StepTimer()).key, **{field: value})
        assert not objective.is_same(one, measured), field


def test_real_clocks_time_a_real_network():
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 10))
    measured = LatencyEager(CPU, preset=QUICK).measure(candidate(model, (1, 8, 8)))
    assert 0 < measured.low <= measured.value <= measured.high < 1000
    assert measured.details["wall_over_thread"] > 0
    assert measured.details["samples"] >= 3


def test_the_cpu_timer_tells_work_from_waiting():
    timer = CpuTimer()
    sample = timer.time(lambda: sum(range(200_000)))
    assert sample.thread_ms > 0
    assert sample.wall_ms >= 0.9 * sample.thread_ms
    before = timer.now()
    assert timer.now() >= before


@pytest.mark.parametrize("batch", [0, -1, True, 1.5])
def test_a_wrong_batch_is_refused(batch):
    with pytest.raises(UserInputError, match="batch"):
        LatencyEager(CPU, batch=batch)


def test_a_device_without_a_clock_or_another_device_is_refused():
    with pytest.raises(UserInputError, match="no clock"):
        LatencyEager("mps")
    with pytest.raises(UserInputError, match="another device"):
        LatencyEager(CPU).measure(candidate(nn.Linear(4, 2), device=torch.device("cuda", 0)))


def test_other_precisions_and_lazy_networks_are_refused():
    with pytest.raises(SpaceError, match="float64"):
        LatencyEager(CPU).measure(candidate(nn.Linear(4, 2).double()))
    with pytest.raises(SpaceError, match="lazy"):
        LatencyEager(CPU).measure(candidate(nn.LazyLinear(2)))


def test_measuring_needs_torch_alone():
    code = (
        "import sys\n"
        "absent = ('optuna', 'pandas', 'seaborn', 'scipy', 'sklearn', 'fvcore', 'matplotlib')\n"
        "sys.modules.update(dict.fromkeys(absent))\n"
        "import torch\n"
        "from nas_moo.objectives import Candidate, load_objective\n"
        "cpu = torch.device('cpu')\n"
        "candidate = Candidate(None, torch.nn.Linear(4, 2), (4,), 2, cpu)\n"
        "assert load_objective('latency', device=cpu).measure(candidate).value > 0\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
class TestOnAGpu:
    def test_a_network_is_timed_where_it_was_asked_and_comes_home(self):
        device = torch.device("cuda", 0)
        model = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten()).train()
        weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        rng = torch.cuda.get_rng_state(device)
        objective = LatencyEager("cuda")
        measured = objective.measure(candidate(model, (3, 32, 32), device))
        assert "CUDA events" in measured.method
        assert torch.cuda.get_device_name(device) in measured.method
        assert 0 < measured.low <= measured.value <= measured.high < 100
        assert measured.details["contended"] is None
        assert model.training
        assert {p.device for p in (*model.parameters(), *model.buffers())} == {CPU}
        assert all(torch.equal(weights[name], tensor) for name, tensor in model.state_dict().items())
        assert torch.equal(rng, torch.cuda.get_rng_state(device))
        assert objective.method != LatencyEager(CPU).method

    @pytest.mark.parametrize("name", ["latency_eager", "latency"])
    def test_the_first_network_of_a_process_is_timed_as_any_other(self, name):
        code = (
            "import json, torch\n"
            "from nas_moo.objectives import Candidate, load_objective\n"
            "gpu = torch.device('cuda', 0)\n"
            "net = torch.nn.Sequential(torch.nn.Conv2d(3, 32, 3), torch.nn.Flatten(), torch.nn.LazyLinear(10))\n"
            "net(torch.zeros(1, 3, 32, 32))\n"
            f"found = load_objective('{name}', device=gpu).measure(Candidate(None, net, (3, 32, 32), 10, gpu))\n"
            "print(json.dumps(found.details))\n"
        )
        done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        details = json.loads(done.stdout)
        assert not details["few_blocks"]
        assert details["seconds"] - details["preparation_s"] >= SETTLE_S
        assert details["warmup"] > 200

    def test_more_work_takes_longer_and_agrees_with_the_wall_clock(self):
        device = torch.device("cuda", 0)
        small, large = (nn.Sequential(*[nn.Linear(n, n) for _ in range(8)]) for n in (64, 4096))
        objective = LatencyEager(device, batch=512)
        slow = objective.measure(candidate(large, (4096,), device)).value
        assert slow > 2 * objective.measure(candidate(small, (64,), device)).value
        data = torch.randn(512, 4096, device=device)
        large.to(device)
        clock = CudaTimer(device)
        with torch.inference_mode():
            clock.time(lambda: [large(data) for _ in range(20)])
            before = clock.now()
            clock.time(lambda: [large(data) for _ in range(50)])
            assert slow == pytest.approx((clock.now() - before) * 1e3 / 50, rel=0.25)

    def test_a_failing_forward_leaves_the_model_at_home(self):
        model = nn.Linear(4, 2)
        with pytest.raises(RuntimeError):
            LatencyEager("cuda").measure(candidate(model, (5,), torch.device("cuda", 0)))
        assert model.weight.device == CPU
