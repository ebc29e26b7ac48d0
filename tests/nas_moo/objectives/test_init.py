import subprocess
import sys

import pytest

from nas_moo.errors import SpaceError, UnknownNameError, UserInputError
from nas_moo.objectives import STAGES, known_objectives, load_objective

OWN = """
class Size:
    name = "size"
    unit = "layers"
    label = "layers"
    stage = "static"
    log = False
    method = "number of layers"
    def measure(self, candidate):
        from nas_moo import Measurement
        return Measurement.exact(3, self.unit, self.method)

ready = Size()

class Needs(Size):
    def __init__(self, layers):
        self.layers = layers

class Nameless:
    unit = label = method = "x"
    stage, log = "static", False

class Misnamed(Size):
    name = "two words"

class Late(Size):
    stage = "later"

class Vague(Size):
    log = None

class Empty(Size):
    unit = ""

class Mute(Size):
    measure = None
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own_objectives.py"
    path.write_text(OWN)
    return path


ELSEWHERE = {"latency_trt": "cpu", "latency_onnx": "onnx"}  # needs a GPU, an extra


@pytest.mark.parametrize("name", [n for n in known_objectives() if n not in ELSEWHERE])
def test_each_known_name_loads_an_objective_with_all_members(name):
    objective = load_objective(name, device="cpu")
    assert objective.name == ("latency_eager" if name == "latency" else name)
    assert objective.stage in STAGES
    assert objective.log is (objective.stage != "trained")
    assert objective.unit
    assert objective.label
    assert objective.method


def test_the_batch_reaches_latency_and_not_flops():
    assert "batch 8" in load_objective("latency", device="cpu", batch=8).method
    assert "batch 1" in load_objective("flops", device="cpu", batch=8).method


def test_latency_is_the_one_of_the_device_at_hand():
    assert load_objective("latency", device="cpu").name == "latency_eager"
    with pytest.raises(UserInputError, match="latency_trt cannot be measured on this device"):
        load_objective("latency_trt", device="cpu")


def test_precision_and_cold_cache_reach_latency():
    objective = load_objective("latency", device="cpu", precision=0.005, cold_cache=True)
    assert objective.preset.precision == 0.005
    assert "cold cache" in objective.method
    with pytest.raises(UserInputError, match="precision"):
        load_objective("latency", device="cpu", precision=2.0)


def test_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'flops'"):
        load_objective("flop", device="cpu")


@pytest.mark.parametrize("name", ["Size", "ready"])
def test_a_users_class_or_instance_is_an_objective(own, name):
    objective = load_objective(f"{own}:{name}", device="cpu")
    assert objective.name == "size"
    assert objective.measure(None).value == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Nameless", "lacks name, measure"),
        ("Needs", "without arguments"),
        ("Misnamed", "name of objective"),
        ("Late", "one of static, device, trained"),
        ("Vague", "True or False"),
        ("Empty", "not empty"),
        ("Mute", "takes a Candidate"),
    ],
)
def test_what_is_no_objective_is_refused(own, name, message):
    with pytest.raises(UserInputError, match=message):
        load_objective(f"{own}:{name}", device="cpu")


def test_a_missing_name_and_a_broken_file_are_refused(own, tmp_path):
    with pytest.raises(UnknownNameError):
        load_objective(f"{own}:Sise", device="cpu")
    (tmp_path / "broken.py").write_text("import not_there_at_all")
    with pytest.raises(SpaceError):
        load_objective(f"{tmp_path / 'broken.py'}:Size", device="cpu")


@pytest.mark.parametrize(
    ("name", "absent"),
    [("error", ("torch", "fvcore")), ("latency", ("fvcore", "optuna", "pandas", "seaborn"))],
)
def test_an_objective_imports_only_what_it_needs(name, absent):
    code = (
        "import sys; from nas_moo.objectives import load_objective; "
        f"load_objective({name!r}, device='cpu'); print([m for m in {absent} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["latency", "latency_eager", "throughput", "throughput@2ms", "memory"])
def test_a_device_that_is_not_there_is_refused(name, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for device in ("cuda", "cuda:0"):
        with pytest.raises(UserInputError, match="PyTorch sees no CUDA devices here"):
            load_objective(name, device=device)
