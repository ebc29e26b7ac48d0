import dataclasses
import json
import os
import re
import subprocess
import sys
import types

import pytest
import torch

from nas_moo import device as device_module
from nas_moo.device import Finding, fingerprint, is_out_of_memory, resolve_device, timing_trust
from nas_moo.errors import UserInputError

CPU = torch.device("cpu")


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.parametrize(
    ("name", "found"), [("auto", "cuda:0"), ("cuda", "cuda:0"), ("cuda:1", "cuda:1"), ("cpu", "cpu")]
)
def test_a_name_becomes_a_device_with_its_index(two_gpus, name, found):
    assert str(resolve_device(name)) == found


def test_auto_is_the_cpu_where_there_is_no_gpu(no_gpu):
    assert resolve_device("auto") == CPU


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps"])
def test_an_absent_device_is_refused(no_gpu, name):
    with pytest.raises(UserInputError, match="Use cpu"):
        resolve_device(name)


def test_an_absent_index_is_refused_with_those_that_are_there(two_gpus):
    with pytest.raises(UserInputError, match="cuda:0 to cuda:1"):
        resolve_device("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "", "cpu:1", "CUDA", "cuda:-1", "meta"])
def test_an_unknown_name_is_refused(name):
    with pytest.raises(UserInputError, match="Give auto, cpu"):
        resolve_device(name)


def test_the_fingerprint_of_a_cpu_names_it_and_its_software():
    found = fingerprint(CPU)
    assert (found.kind, found.uuid, found.cuda, found.driver) == ("cpu", None, None, None)
    assert found.name
    assert found.name in found.key
    assert torch.__version__ in found.key
    assert json.loads(json.dumps(found.to_dict()))["machine"] == found.machine
    assert fingerprint(CPU) is found


def test_two_devices_have_two_keys():
    told = fingerprint(CPU).to_dict()
    gpu = device_module.Fingerprint(**told | {"kind": "cuda", "name": "H100", "cuda": "12.8", "driver": "580.1"})
    other = device_module.Fingerprint(**gpu.to_dict() | {"name": "H200"})
    twin = device_module.Fingerprint(**gpu.to_dict() | {"uuid": "another"})
    assert len({fingerprint(CPU).key, gpu.key, other.key}) == 3
    assert twin.key == gpu.key


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("processor : 0\nmodel name\t: Fast CPU 9000\nmodel name\t: second core\n", "Fast CPU 9000"),
        ("CPU implementer : 0x41\nCPU part : 0xd0c\n", "implementer 0x41 part 0xd0c"),
    ],
)
def test_the_processor_has_a_name(tmp_path, monkeypatch, text, name):
    monkeypatch.setattr(device_module.platform, "system", lambda: "Linux")
    (tmp_path / "cpuinfo").write_text(text)
    assert device_module._processor_name(tmp_path / "cpuinfo").endswith(name)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19\n", "535.104.05"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build\n", "580.95.05"),
        ("something else\n", None),
    ],
)
def test_the_driver_version_is_read_where_nvml_is_not_there(tmp_path, monkeypatch, text, version):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    (tmp_path / "version").write_text(text)
    assert device_module._driver_version(tmp_path / "version") == version
    assert device_module._driver_version(tmp_path / "absent") is None


def test_trust_on_a_cpu_tells_each_finding():
    findings = timing_trust(CPU)
    assert [f.name for f in findings] == ["cores", "load", "governor", "wall/thread"]
    assert all(bool(f.advice) != (f.trust == "good") for f in findings)


@pytest.mark.parametrize(("load", "cores", "trust"), [(0.2, 2, "good"), (1.5, 2, "poor"), (1.5, 8, "good")])
def test_load_is_judged_by_the_cores_it_leaves(monkeypatch, load, cores, trust):
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0, 0))
    assert device_module._judge_load(cores).trust == trust


def test_what_cannot_be_read_is_unknown(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "getloadavg")
    assert device_module._judge_load(4).trust == "unknown"
    assert device_module._judge_governor(tmp_path / "absent").trust == "unknown"


@pytest.mark.parametrize(("governor", "trust"), [("performance\n", "good"), ("powersave\n", "poor")])
def test_the_governor_is_judged(tmp_path, governor, trust):
    (tmp_path / "governor").write_text(governor)
    assert device_module._judge_governor(tmp_path / "governor").trust == trust


@pytest.mark.parametrize(("ratio", "trust"), [(1.0, "good"), (1.2, "good"), (1.21, "poor")])
def test_contention_is_judged_by_wall_over_thread_time(ratio, trust):
    assert device_module._contention(ratio).trust == trust


def _fake_nvml(pids):
    return types.SimpleNamespace(
        NVMLError=RuntimeError,
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        nvmlDeviceGetComputeRunningProcesses=lambda handle: [types.SimpleNamespace(pid=p) for p in pids],
    )


@pytest.mark.parametrize(("others", "trust"), [([], "good"), ([1], "poor")])
def test_other_processes_on_the_gpu_are_found(monkeypatch, others, trust):
    monkeypatch.setitem(sys.modules, "pynvml", _fake_nvml([os.getpid(), *others]))
    gpu = dataclasses.replace(fingerprint(CPU), uuid="1234")
    monkeypatch.setattr(device_module, "fingerprint", lambda device: gpu)
    assert device_module._judge_gpu_processes(torch.device("cuda", 0)).trust == trust


def test_without_nvml_the_gpu_processes_are_unknown(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    gpu = dataclasses.replace(fingerprint(CPU), uuid="1234")
    monkeypatch.setattr(device_module, "fingerprint", lambda device: gpu)
    found = device_module._judge_gpu_processes(torch.device("cuda", 0))
    assert found == Finding("gpu processes", "cannot be read", "unknown", found.advice)


def test_importing_the_package_imports_no_torch():
    code = "import sys, nas_moo; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_fingerprint_of_a_gpu():
    device = resolve_device("cuda")
    found = fingerprint(device)
    assert found.kind == "cuda"
    assert found.name == torch.cuda.get_device_name(device)
    assert found.uuid
    assert found.cuda == torch.version.cuda
    assert found.cudnn
    assert found.driver
    assert found.name in found.key
    assert [f.name for f in timing_trust(device)][-1] == "gpu processes"
    json.dumps(found.to_dict())


def test_a_machine_is_known_by_a_digest_that_gives_nothing_away(tmp_path):
    identity = "0123456789abcdef" * 2
    (tmp_path / "one").write_text(f"{identity}\n")
    (tmp_path / "other").write_text(identity[::-1])
    one, other = (device_module.host_digest(tmp_path / name) for name in ("one", "other"))
    assert re.fullmatch("[0-9a-f]{12}", one)
    assert one != other
    assert one not in identity


@pytest.mark.parametrize("text", ["", "uninitialized\n", "é"])
def test_a_machine_without_an_identity_has_no_digest(tmp_path, text):
    (tmp_path / "machine-id").write_text(text)
    assert device_module.host_digest(tmp_path / "machine-id") is None
    assert device_module.host_digest(tmp_path / "absent") is None


def test_what_the_allocator_of_a_cpu_raises_is_out_of_memory():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**50)
    assert is_out_of_memory(raised.value)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] data. DefaultCPUAllocator: not enough memory: you tried"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
)
def test_each_way_in_which_memory_runs_out_is_known(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", [None, RuntimeError("shapes cannot be multiplied"), ValueError("memory_format")])
def test_other_errors_are_not_of_memory(error):
    assert not is_out_of_memory(error)
