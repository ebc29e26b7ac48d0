import contextlib
import dataclasses
import sys

import pytest
import torch
from torch import nn

from nas_moo.errors import UserInputError
from nas_moo.objectives import Candidate, modes
from nas_moo.objectives.latency import MODES, Latency, LatencyCompiled, LatencyEager, LatencyGraph, LatencyOnnx
from nas_moo.objectives.modes import GRAPH, ModeError, require_same
from nas_moo.objectives.timing import SEARCH, TimingPreset, one_by_one

CPU = torch.device("cpu")
QUICK = TimingPreset(name="quick", budget_s=0.02)


class Noise(nn.Linear):
    """Draws random numbers in evaluation mode, too."""

    def forward(self, x):
        return super().forward(x) + torch.randn(2)


class Picky(nn.Linear):
    """Fails whatever runs it."""

    def forward(self, x):
        raise ValueError("the forward failed")


@pytest.fixture
def net():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 36, 3)).train()


@pytest.fixture
def without_code(monkeypatch):
    """torch.compile without the compiler, whose seconds are not ours to test."""
    compile_ = torch.compile
    monkeypatch.setattr(torch, "compile", lambda model, **more: compile_(model, backend="eager", **more))


def candidate(model, shape=(1, 8, 8)):
    return Candidate(None, model, shape, 3, CPU)


def test_each_mode_has_a_name_of_its_own():
    assert list(MODES) == ["latency_eager", "latency", "latency_compiled", "latency_onnx", "latency_trt"]
    assert len({mode.says for mode in MODES.values()}) == len(MODES)


@pytest.mark.parametrize("name", ["latency", "latency_trt"])
def test_a_mode_of_gpus_is_refused_elsewhere(name):
    with pytest.raises(UserInputError, match=f"{name} cannot be measured on this device"):
        Latency(MODES[name], CPU)


def test_a_compiled_network_is_timed_and_left_as_it_was(net, without_code):
    measured = LatencyCompiled(CPU, preset=QUICK).measure(candidate(net))
    assert measured.details["key"]["mode"] == "latency_compiled"
    assert measured.details["preparation_s"] > 0
    assert net.training
    assert "torch.compile" in measured.method
    net(torch.randn(2, 1, 8, 8)).sum().backward()


def test_more_networks_of_one_class_than_the_compiler_keeps_are_compiled(without_code):
    for width in range(1, 12):
        LatencyCompiled(CPU, preset=QUICK).measure(candidate(nn.Linear(4, width), (4,)))


def test_a_network_that_does_not_compile_is_told_from_one_that_fails(net, monkeypatch):
    def refuse(model, **more):
        def run(x):
            raise RuntimeError("no working C++ compiler")

        return run

    monkeypatch.setattr(torch, "compile", refuse)
    with pytest.raises(ModeError, match=r"torch\.compile fails on this network .*no working C"):
        LatencyCompiled(CPU, preset=QUICK).measure(candidate(net))
    with pytest.raises(ValueError, match="the forward failed"):
        LatencyCompiled(CPU, preset=QUICK).measure(candidate(Picky(4, 2), (4,)))


def test_what_computes_another_function_is_not_timed(without_code):
    with pytest.raises(ModeError, match="gives other outputs"):
        LatencyCompiled(CPU, preset=QUICK).measure(candidate(Noise(4, 2), (4,)))


class InPlace(nn.Linear):
    """Writes into its input."""

    def forward(self, x):
        return super().forward(x.mul_(2))


def test_a_network_that_writes_into_its_input_is_compared_on_copies_and_marked(without_code):
    for objective in (LatencyCompiled, LatencyEager):
        measured = objective(CPU, preset=QUICK).measure(candidate(InPlace(4, 2), (4,)))
        assert "writes into its inputs" in measured.caveats
    other = LatencyEager(CPU, preset=QUICK).measure(candidate(nn.Linear(4, 2), (4,)))
    assert "writes into its inputs" not in other.caveats


def test_why_a_correct_network_may_give_other_outputs_is_told():
    with pytest.raises(ModeError) as raised:
        require_same("it", torch.ones(2), torch.tensor([1.0, 1.004]), "float32")
    for reason in ("random numbers", "torch.autocast", "latency_eager"):
        assert reason in raised.value.do


def test_outputs_are_compared_whatever_they_are_held_in():
    x = torch.tensor([1.0, -2.0])
    require_same("it", {"a": x, "b": (x,)}, {"a": x + 1e-4, "b": (x,)}, "float32")
    require_same("it", x, x + 0.05, "float16")
    for other in (x + 0.05, x[:1], (x, x), torch.tensor([1.0, float("nan")])):
        with pytest.raises(ModeError):
            require_same("it", x, other, "float32")


def test_a_network_that_cannot_be_captured_is_timed_eagerly_under_that_name(net):
    """As on a GPU, where the capture fails."""

    def fail(stack, model, inputs):
        raise ModeError("this network cannot be captured as a CUDA graph (a sync)", value="Net", do="Mend it.")

    graph = Latency(dataclasses.replace(GRAPH, devices=("cpu",), prepare=fail), CPU, preset=QUICK)
    assert graph.name == "latency"
    with pytest.raises(ModeError, match=r"a CUDA graph \(a sync\); it takes [\d.]+ (ms|µs) as latency_eager"):
        graph.measure(candidate(net))


class TestCaptureWithoutADevice:
    """PyTorch's own context of a capture, over graphs and streams that are no GPU's."""

    def capture(self, model, count=2):
        with contextlib.ExitStack() as stack:
            return modes._graph(stack, model, [torch.randn(1, 4) for _ in range(count)])

    def test_a_network_that_writes_into_its_input_is_compared_on_copies(self, captures):
        self.capture(InPlace(4, 2))

    def test_a_graph_for_each_input(self, captures):
        call = self.capture(nn.Linear(4, 2), count=3)
        assert torch.cuda.CUDAGraph.begun == 3
        call(5)
        assert captures == []

    def test_a_network_that_waits_is_refused_before_a_capture_begins(self, captures):
        class Waits(nn.Linear):
            def forward(self, x):
                if torch.cuda.get_sync_debug_mode() == "error":
                    raise RuntimeError("called a synchronizing CUDA operation")
                return super().forward(x)

        with pytest.raises(ModeError, match=r"a CUDA graph \(called a synchronizing CUDA operation\)"):
            self.capture(Waits(4, 2))
        assert torch.cuda.CUDAGraph.begun == 0
        assert torch.cuda.get_sync_debug_mode() == "default"

    @pytest.mark.parametrize(
        ("error", "is_memory"),
        [
            (RuntimeError("stream is capturing"), False),
            (torch.OutOfMemoryError("out of memory"), True),
            (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        ],
    )
    def test_a_capture_that_fails_leaves_no_stream_behind_and_tells_why(self, captures, error, is_memory):
        class Fails(nn.Linear):
            def forward(self, x):
                if torch.cuda.CUDAGraph.capturing:
                    raise error
                return super().forward(x)

        with pytest.raises((ModeError, RuntimeError)) as raised:
            self.capture(Fails(4, 2))
        assert torch.cuda.current_stream().cuda_stream == 0
        assert captures == [("_cuda_endAllocateToPool", 0, (0, 7)), ("_cuda_releasePool", 0, (0, 7))]
        if is_memory:
            assert raised.value is error
        else:
            assert "(stream is capturing)" in str(raised.value)

    def test_what_was_handled_before_is_not_the_cause(self, captures):
        class Waits(nn.Linear):
            def forward(self, x):
                if torch.cuda.get_sync_debug_mode() == "error":
                    raise RuntimeError("it waits")
                return super().forward(x)

        def fail():
            raise torch.OutOfMemoryError("of another network")

        try:
            fail()
        except torch.OutOfMemoryError:
            with pytest.raises(ModeError, match="it waits"):
                self.capture(Waits(4, 2))


def test_onnx_runtime_times_a_network_that_computes_the_same(net):
    pytest.importorskip("onnxruntime", exc_type=ImportError)
    measured = LatencyOnnx(CPU, preset=QUICK).measure(candidate(net))
    assert measured.details["key"]["runtime"].startswith("onnxruntime ")
    assert "ONNX Runtime" in measured.method
    assert measured.value > 0
    assert net.training
    net(torch.randn(2, 1, 8, 8)).sum().backward()


@pytest.mark.parametrize(("name", "package", "extra"), [("latency_onnx", "onnxruntime", "onnx")])
def test_what_is_missing_is_named_with_how_to_install_it(monkeypatch, name, package, extra):
    for module in ("onnx", "onnxscript"):
        monkeypatch.setitem(sys.modules, module, sys)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserInputError, match=f"{name} needs {package}") as raised:
        Latency(MODES[name], CPU)
    assert f"nas-moo[{extra}]" in raised.value.do


def test_tensorrt_is_refused_where_it_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_tensorrt", None)
    with pytest.raises(UserInputError, match="latency_trt needs torch_tensorrt") as raised:
        MODES["latency_trt"].runtime(torch.device("cuda", 0))
    assert "nas-moo[trt]" in raised.value.do


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
class TestOnAGpu:
    device = torch.device("cuda", 0)

    def on_the_gpu(self, model, shape=(3, 32, 32)):
        return Candidate(None, model, shape, 3, self.device)

    def convolutions(self, depth=12):
        layers = [nn.Conv2d(3, 32, 3, padding=1)]
        for _ in range(depth):
            layers += [nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU()]
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * 32 * 32, 3)).train()

    def test_a_replayed_graph_is_no_slower_than_eager(self):
        net = self.convolutions()
        eager = LatencyEager(self.device).measure(self.on_the_gpu(net))
        graph = LatencyGraph(self.device).measure(self.on_the_gpu(net))
        assert graph.value <= eager.value * 1.02
        assert graph.details["key"]["mode"] == "latency"
        assert graph.details["host_share"] is not None
        assert not graph.details["host_bound"]
        assert {p.device for p in net.parameters()} == {CPU}
        assert net.training

    def test_a_network_that_waits_for_the_gpu_is_not_captured_and_the_gpu_goes_on(self):
        class Waits(nn.Linear):
            def forward(self, x):
                return super().forward(x) * float(x.sum().item() > 0)

        stream = torch.cuda.current_stream(self.device)
        with pytest.raises(ModeError, match=r"synchronizing CUDA operation.* as latency_eager"):
            LatencyGraph(self.device).measure(self.on_the_gpu(Waits(4, 2), (4,)))
        assert torch.cuda.current_stream(self.device) == stream
        assert LatencyGraph(self.device).measure(self.on_the_gpu(nn.Linear(4, 2), (4,))).value > 0

    def test_after_a_capture_that_fails_midway_the_gpu_goes_on(self):
        class Breaks(nn.Linear):
            def forward(self, x):
                if torch.cuda.is_current_stream_capturing():
                    torch.cuda.synchronize()
                return super().forward(x)

        stream = torch.cuda.current_stream(self.device)
        for _ in range(3):
            with pytest.raises(ModeError, match="as latency_eager"):
                LatencyGraph(self.device).measure(self.on_the_gpu(Breaks(4, 2), (4,)))
        assert torch.cuda.current_stream(self.device) == stream
        assert torch.rand(4, device=self.device).isfinite().all()
        assert LatencyGraph(self.device).measure(self.on_the_gpu(nn.Linear(4, 2), (4,))).value > 0

    def test_rotating_inputs_are_all_replayed(self):
        seen = LatencyGraph(self.device, preset=TimingPreset(inputs=3)).measure(self.on_the_gpu(nn.Linear(4, 2), (4,)))
        assert seen.details["converged"] in (True, False)

    def test_a_compiled_network_on_the_gpu(self):
        measured = LatencyCompiled(self.device).measure(self.on_the_gpu(self.convolutions(2)))
        assert measured.details["preparation_s"] > 0

    @pytest.mark.parametrize("name", ["latency_onnx", "latency_trt"])
    def test_the_runtimes_on_the_gpu(self, name):
        try:
            objective = Latency(MODES[name], self.device)
        except UserInputError as absent:
            pytest.skip(str(absent))
        assert objective.measure(self.on_the_gpu(self.convolutions(2))).value > 0

    @pytest.mark.parametrize("objective", [LatencyGraph, LatencyEager])
    def test_a_cold_cache_is_slower(self, objective):
        net = nn.Sequential(*[nn.Linear(1024, 1024) for _ in range(4)])
        warm = objective(self.device, preset=one_by_one(SEARCH)).measure(self.on_the_gpu(net, (1024,)))
        cold = objective(self.device, cold_cache=True).measure(self.on_the_gpu(net, (1024,)))
        assert cold.value > warm.value
