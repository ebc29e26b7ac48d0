import json
import subprocess
import sys

import pytest
import torch

from nas_moo.errors import CorruptError, MachineError, UnknownNameError, UserInputError
from nas_moo.measure import session as session_module
from nas_moo.measure.__main__ import main
from nas_moo.measure.front import parse_front, read_front
from nas_moo.measure.records import Round, combine
from nas_moo.measure.session import Session, run, summary
from nas_moo.measure.write import write
from nas_moo.measurement import Measurement
from nas_moo.objectives.latency import Latency
from nas_moo.objectives.modes import ModeError
from nas_moo.objectives.reference import Drift, Reference
from nas_moo.space import load_space

CPU = torch.device("cpu")
GENES = [{"depth": 1, "width_0": 2}, {"depth": 1, "width_0": 8}, {"depth": 2, "width_0": 8, "width_1": 2}]


@pytest.fixture
def document(tiny):
    """What a report of three models leaves."""
    space = load_space("space.py:Tiny")
    models = []
    for genes in GENES:
        architecture = space.space.genome.architecture(genes | {"learning_rate": 0.1})
        told = {"id": architecture.digest[:8], "digest": architecture.digest}
        told |= {"network_digest": architecture.network_digest, "architecture": dict(architecture)}
        models.append(told)
    return {
        "format": 1, "study": "tiny", "space": space.reference, "code_digest": space.code_digest,
        "input_shape": [4], "n_classes": 3, "models": models,
    }  # fmt: skip


@pytest.fixture
def front(document):
    return parse_front(document, "front.json")


@pytest.fixture
def timed(monkeypatch):
    """No clock: each latency, and the reference, is told; what was asked is written down."""
    asked, references = [], []

    def measure(self, candidate):
        asked.append((self.name, candidate.architecture.network_digest))
        value = 1.0 + len(asked) % 3 / 100
        key = self.key_of(candidate).to_dict()
        details = {
            "key": key, "converged": True, "host_bound": None, "wall_over_thread": 1.0, "gpu": [], "p95": 2.0,
            "p99": None, "other_processes": None, "caveats": [], "within": [value * 0.999, value * 1.001],
        }  # fmt: skip
        return Measurement(value, "ms", value * 0.999, value * 1.001, "95 %", 8, self.method, details)

    monkeypatch.setattr(Latency, "measure", measure)
    monkeypatch.setattr(Reference, "time", lambda self: references.pop(0) if references else 1.0)
    return asked, references


def test_all_models_are_timed_in_every_round_in_random_order(front, timed):
    asked, _ = timed
    lines = list(run(front, Session(CPU, seed=1)))
    rounds = [asked[i : i + 3] for i in range(0, 9, 3)]
    assert len(asked) == 9
    assert all(len(set(r)) == 3 for r in rounds)
    assert len({tuple(r) for r in rounds}) > 1
    assert [line["kind"] for line in lines] == ["session", "latency", "latency", "latency"]
    assert [line["id"] for line in lines[1:]] == [f.id for f in front.finalists]
    again = asked[:]
    asked.clear()
    list(run(front, Session(CPU, seed=1)))
    assert asked == again


def test_a_line_says_what_was_measured_and_under_which_key(front, timed):
    header, line, *_ = run(front, Session(CPU, batch=2))
    assert header["device"]["kind"] == "cpu"
    assert header["options"]["rounds"] == 3
    assert line["key"]["network"] == line["network_digest"] == front.finalists[0].architecture.network_digest
    assert (line["key"]["batch"], line["key"]["input_shape"], line["mode"]) == (2, [4], "latency_eager")
    assert line["low"] <= line["value"] <= line["high"]
    assert len(line["rounds"]) == 3
    assert line["p95"] == 2.0
    assert json.loads(json.dumps(line, allow_nan=False)) == line
    assert line["id"] in summary(line)


def test_models_between_two_references_that_disagree_are_timed_again(front, timed):
    asked, references = timed
    references += [1.0, 1.0, 1.0, 1.05, 1.05, 1.05]  # the second round twice
    lines = list(run(front, Session(CPU)))[1:]
    assert len(asked) == 12
    assert [r["attempts"] for r in lines[0]["rounds"]] == [1, 2, 1]
    assert "contended" not in lines[0]["caveats"]


def test_models_whose_reference_never_stays_are_marked(front, timed):
    asked, references = timed
    references += [1.0, 1.5] * 3
    lines = list(run(front, Session(CPU)))[1:]
    assert len(asked) == 9 + 2 * 3
    assert all("contended" in line["caveats"] for line in lines)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4503599627370496 bytes."),
    ],
)
def test_a_model_that_fails_costs_its_own_line(front, timed, monkeypatch, error):
    measure, freed = Latency.measure, []
    victim = front.finalists[1].architecture.network_digest

    def fail(self, candidate):
        if candidate.architecture.network_digest == victim:
            raise error
        return measure(self, candidate)

    monkeypatch.setattr(Latency, "measure", fail)
    monkeypatch.setattr(session_module, "free_memory", freed.append)
    lines = list(run(front, Session(CPU)))[1:]
    assert [line["kind"] for line in lines] == ["latency", "failed", "latency"]
    assert (lines[1]["error"], freed) == ("oom", [CPU])
    assert "more memory" in lines[1]["do"]
    assert "failed: oom" in summary(lines[1])


def test_a_machine_that_fails_stops_the_session_and_leaves_no_file(front, timed, monkeypatch, tmp_path):
    def fail(self, candidate):
        raise MachineError("the clock stood still", value=0, do="Measure elsewhere.")

    monkeypatch.setattr(Latency, "measure", fail)
    with pytest.raises(MachineError):
        write(tmp_path / "out.jsonl", front, Session(CPU), lambda text: None)
    assert not list(tmp_path.glob("out*"))


def test_a_network_that_cannot_be_captured_is_timed_eagerly_and_says_so(front, timed, monkeypatch):
    """As on a GPU: the graph's mode is made one of the CPU."""
    import dataclasses

    from nas_moo.objectives.latency import MODES

    measure = Latency.measure

    def fail(self, candidate):
        if self.mode.name == "latency":
            raise ModeError("it cannot be captured (a sync)", value="Net", do="Mend it.")
        return measure(self, candidate)

    monkeypatch.setitem(MODES, "latency", dataclasses.replace(MODES["latency"], devices=("cpu",)))
    monkeypatch.setattr(Latency, "measure", fail)
    monkeypatch.setattr(Session, "latencies", lambda self: (self.latency("latency"),))
    line = list(run(front, Session(CPU)))[1]
    assert (line["asked"], line["mode"]) == ("latency", "latency_eager")
    assert line["instead_of_asked"] == "it cannot be captured (a sync)"
    assert "in place of latency: it cannot be captured" in summary(line)


@pytest.mark.parametrize("works", [1, 2])
def test_rounds_of_a_capture_that_worked_at_first_are_no_part_of_an_eager_latency(front, timed, monkeypatch, works):
    import dataclasses

    from nas_moo.objectives.latency import MODES

    measure, asked = Latency.measure, []
    victim = front.finalists[0].architecture.network_digest

    def fail(self, candidate):
        if candidate.architecture.network_digest == victim:
            asked.append(self.mode.name)
            if self.mode.name == "latency" and len(asked) > works:
                raise ModeError("it cannot be captured (a sync)", value="Net", do="Mend it.")
        return measure(self, candidate)

    monkeypatch.setitem(MODES, "latency", dataclasses.replace(MODES["latency"], devices=("cpu",)))
    monkeypatch.setattr(Latency, "measure", fail)
    monkeypatch.setattr(Session, "latencies", lambda self: (self.latency("latency"),))
    lines = list(run(front, Session(CPU)))[1:]
    assert asked == ["latency"] * (works + 1) + ["latency_eager"] * 3
    assert [line["mode"] for line in lines] == ["latency_eager", "latency", "latency"]
    assert [len(line["rounds"]) for line in lines] == [3, 3, 3]
    assert lines[0]["key"]["mode"] == "latency_eager"
    assert lines[0]["instead_of_asked"] == "it cannot be captured (a sync)"


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"rounds": 2}, UserInputError, "too few rounds"),
        ({"modes": ("fast",)}, UnknownNameError, "latency_eager"),
        ({"modes": ("latency", "latency_eager")}, UserInputError, "given twice"),
        ({"modes": ("latency_trt",)}, UserInputError, "cannot be measured on this device"),
        ({"precision": 0.9}, UserInputError, "precision"),
        ({"batch": 0}, UserInputError, "batch"),
    ],
)
def test_a_session_that_cannot_be_had_is_refused_before_anything_is_timed(front, timed, wrong, error, message):
    with pytest.raises(error, match=message):
        list(run(front, Session(**{"device": CPU, **wrong})))
    assert timed[0] == []


def test_other_code_of_the_space_is_refused(document, tiny):
    with pytest.raises(CorruptError, match="code of the space"):
        parse_front(document | {"code_digest": "0123"}, "front.json")
    document["models"][0]["network_digest"] = "0123"
    with pytest.raises(CorruptError, match="do not give its digest"):
        parse_front(document, "front.json")
    with pytest.raises(UserInputError, match="no models"):
        parse_front(document | {"models": []}, "front.json")


def test_what_is_no_front_is_refused(tmp_path):
    with pytest.raises(UserInputError, match="no such file"):
        read_front(tmp_path / "absent.json")
    for text in ("{", "[]", '{"format": 2}'):
        (tmp_path / "front.json").write_text(text)
        with pytest.raises(CorruptError):
            read_front(tmp_path / "front.json")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda d: d["models"][0].pop("network_digest"), "KeyError: 'network_digest'"),
        (lambda d: d["models"][0].pop("architecture"), "KeyError: 'architecture'"),
        (lambda d: d["models"][0].pop("id"), "KeyError: 'id'"),
        (lambda d: d.update(models="all"), "TypeError"),
        (lambda d: d["models"].append(None), "TypeError"),
        (lambda d: d["models"][0].update(architecture=3), "TypeError"),
        (lambda d: d.update(n_classes="x"), "ValueError"),
        (lambda d: d.update(n_classes=None), "TypeError"),
        (lambda d: d.update(input_shape="wide"), "ValueError"),
        (lambda d: d.update(input_shape=4), "TypeError"),
    ],
)
def test_a_front_with_a_part_missing_or_of_another_kind_is_told(document, tiny, capsys, wrong, told):
    wrong(document)
    (tiny / "front.json").write_text(json.dumps(document))
    assert main(["front.json", "--out", "out.jsonl"]) == 3
    (what, _) = capsys.readouterr().err.splitlines()
    assert told in what
    assert "front.json" in what


def test_a_folder_in_place_of_a_front_is_told(tiny, capsys):
    assert main([".", "--out", "out.jsonl"]) == 2
    assert "cannot be read" in capsys.readouterr().err


def rounds(*values, drift=0.0, caveats=()):
    key = {
        "network": "n", "input_shape": [4], "batch": 1, "dtype": "float32", "memory_format": "contiguous", "mode": "m",
        "cache": "warm", "threads": 1, "torch": "2", "cuda": None, "cudnn": None, "driver": None, "runtime": None,
        "device": "d", "uuid": None, "power_cap_w": None, "clock": "c", "protocol": 3,
    }  # fmt: skip
    details = {"key": key, "p95": None, "p99": 3.0, "converged": True, "host_bound": False, "wall_over_thread": None}
    details |= {"gpu": [], "other_processes": [], "caveats": list(caveats)}

    def one(v):
        told = details | {"within": [v * 0.99, v * 1.01]}
        return Round(Measurement(v, "ms", v * 0.9, v * 1.1, "95 %", 8, "how", told), Drift(2.0, 2.0 * (1 + drift)), 1)

    return [one(v) for v in values]


def test_the_interval_is_between_rounds_and_no_narrower_than_within():
    wide = combine(rounds(1.0, 1.1, 1.2))
    assert wide["value"] == 1.1
    assert wide["low"] < 1.0 < 1.2 < wide["high"]
    narrow = combine(rounds(1.0, 1.0, 1.0))
    assert (narrow["low"], narrow["high"]) == (pytest.approx(0.99), pytest.approx(1 / 0.99))
    assert narrow["relative_to_reference"] == pytest.approx(0.5)
    assert (narrow["p95"], narrow["p99"]) == (None, 3.0)


def test_caveats_of_half_of_the_rounds_stay():
    one = rounds(1.0, caveats=["not converged"])
    assert combine([*one, *rounds(1.0, 1.0)])["caveats"] == []
    assert combine([*one, *one, *rounds(1.0)])["caveats"] == ["not converged"]
    assert combine([*rounds(1.0, 1.0), *rounds(1.0, drift=0.03)])["caveats"] == ["contended"]


def test_a_machine_with_torch_alone_times_a_front(document, tiny):
    (tiny / "front.json").write_text(json.dumps(document | {"models": document["models"][:1]}))
    code = (
        "import sys\n"
        "absent = ('optuna', 'pandas', 'seaborn', 'scipy', 'sklearn', 'fvcore', 'matplotlib', 'moocore', 'rich')\n"
        "sys.modules.update(dict.fromkeys(absent))\n"
        "from nas_moo.measure.__main__ import main\n"
        "sys.exit(main(['front.json', '--out', 'out.jsonl', '--precision', '20%', '--device', 'cpu']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tiny, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    lines = [json.loads(line) for line in (tiny / "out.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["session", "latency"]


def test_a_file_that_is_there_is_not_written_over(document, tiny, capsys):
    (tiny / "front.json").write_text(json.dumps(document))
    (tiny / "out.jsonl").write_text("mine")
    for out, message in (("out.jsonl", "there already"), ("absent/out.jsonl", "no folder")):
        assert main(["front.json", "--out", out]) == 2
        assert message in capsys.readouterr().err
    assert (tiny / "out.jsonl").read_text() == "mine"
