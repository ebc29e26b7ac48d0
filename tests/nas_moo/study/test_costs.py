"""What a live search tells its sampler before anything is trained."""

import math
import random
from collections import Counter

import pytest
import torch

from nas_moo.objectives.params import Params
from nas_moo.samplers.screening import EXPLORED, SHORTLIST
from nas_moo.study.config import configure
from nas_moo.study.costs import CandidateCosts, known_before_training
from nas_moo.study.storage import Storage

WIDE = """
import torch
from torch import nn
from nas_moo import Genome, Integer, Real


class Wide:
    genome = Genome(Integer("width", 1, 64), Integer("second", 1, 64), Real("rate", 0.01, 0.1, affects="training"))

    def optimizer(self, architecture, parameters):
        return torch.optim.SGD(parameters, lr=architecture["rate"])

    def build(self, architecture, input_shape, n_classes):
        width, second = architecture["width"], architecture["second"]
        first = [nn.Linear(input_shape[0], width), nn.ReLU(), nn.Linear(width, second), nn.ReLU()]
        return nn.Sequential(*first, nn.Linear(second, n_classes))


class Fragile(Wide):
    def build(self, architecture, input_shape, n_classes):
        if architecture["width"] > 40:
            raise ValueError("too wide")
        return super().build(architecture, input_shape, n_classes)
"""
USERS = """
import math
import random
from nas_moo import Measurement


class Fails:
    name, unit, label, stage, log, method = "fails", "FLOPs", "Fails", "static", True, "counted"

    def measure(self, candidate):
        raise ValueError("oh no")


class Draws(Fails):
    name = "draws"

    def measure(self, candidate):
        return Measurement.exact(1.0 + random.random(), "FLOPs", "counted")
"""


@pytest.fixture
def setup(tiny):
    """A configured search, with changes."""
    (tiny / "users.py").write_text(USERS)
    (tiny / "wide.py").write_text(WIDE)

    def make(space="space.py:Tiny", objectives=("error", "params", "flops"), **changes):
        return configure(space, "blobs.npz", objectives, **{"sampler": "nsga2", **changes})

    return make


def architecture(setup, **values):
    tiny = {"depth": 1, "width_0": 8, "learning_rate": 0.1}
    return setup.space.space.genome.architecture(tiny | values)


def test_costs_are_those_that_a_trial_measures(searched, setup):
    result, told = searched(trials=4, epochs=1), setup()
    costs = CandidateCosts(told, {})
    for _, row in result.trials.iterrows():
        genes = {k.removeprefix("gene_"): v for k, v in row.items() if k.startswith("gene_") and v is not None}
        assert costs(told.space.space.genome.architecture(genes)) == {"params": row["params"], "flops": row["flops"]}


def test_a_network_is_built_once_whatever_its_training(setup, monkeypatch):
    told, measured, built = setup(), {}, []
    original = told.space.space.build
    monkeypatch.setattr(told.space.space, "build", lambda *a: built.append(1) or original(*a), raising=False)
    costs = CandidateCosts(told, measured)
    first, second = architecture(told), architecture(told, learning_rate=0.01)
    assert costs(first) == costs(second)
    assert len(built) == 1
    assert set(measured) == {("params", first.network_digest), ("flops", first.network_digest)}


@pytest.mark.parametrize(
    "changes", [{"space": "space.py:Broken"}, {"objectives": ("error", "params", "users.py:Fails")}]
)
def test_what_cannot_be_built_or_counted_has_no_costs(setup, changes):
    told, measured = setup(**changes), {}
    assert CandidateCosts(told, measured)(architecture(told)) == {}
    assert measured == {}


def test_a_latency_is_told_only_where_it_was_measured(searched, setup, monkeypatch):
    monkeypatch.setattr("nas_moo.objectives.reference.DRIFT_LIMIT", math.inf)  # a busy machine would measure it again
    objectives = ("error", "params", "latency")
    result = searched(objectives=objectives, trials=1, epochs=1)
    told = setup(objectives=objectives)
    (trial,) = Storage().open(result.name).trials()
    known = architecture(told, **trial.user_attrs["architecture"])
    costs = CandidateCosts(told, {})
    assert set(costs(known)) == {"params"}
    from nas_moo.study.history import History

    costs = CandidateCosts(told, History(Storage().open(result.name), {}, trains=True).measured)
    assert costs(known)["latency_eager"] == result.trials["latency_eager"][0]


def test_random_numbers_stay_as_they_were(setup):
    told = setup(objectives=("error", "params", "users.py:Draws"))
    before, before_python = torch.get_rng_state(), random.getstate()
    assert CandidateCosts(told, {})(architecture(told))["draws"] > 1
    assert torch.equal(torch.get_rng_state(), before)
    assert random.getstate() == before_python


def test_the_problem_names_its_objectives(setup):
    told = setup(objectives=("flops", "error", "users.py:Draws", "latency"), limits={"error": 0.5, "latency": "2ms"})
    problem = known_before_training(told, {})
    assert (problem.error, problem.costs) == (1, ("flops", "draws", "latency_eager"))
    assert problem.log == (True, True, True)
    assert problem.limits == {"latency_eager": 2.0}


class TestOfASearch:
    """A whole search with our sampler."""

    def test_only_our_sampler_screens_and_only_with_one_error_and_a_cost(self, setup):
        assert setup().screens
        assert not setup(screening=False).screens
        assert not setup(sampler="random").screens
        for objectives in (("error", "nll", "params"), ("params", "flops"), ("error",)):
            assert not setup(objectives=objectives).screens

    def test_the_study_notes_who_screened(self, searched):
        searched(sampler="nsga2", trials=1, epochs=1)
        result = searched(sampler="nsga2", trials=2, epochs=1, screening=False)
        assert [r["screening"] for r in result.description["runs"]] == [True, False]

    def test_a_cost_is_measured_once_by_candidate_and_trial(self, searched, monkeypatch):
        counted, original = Counter(), Params.measure

        def measure(self, candidate):
            counted[candidate.architecture.network_digest] += 1
            return original(self, candidate)

        monkeypatch.setattr(Params, "measure", measure)
        result = searched(sampler="nsga2", trials=12, epochs=1)
        assert len(result.complete) == 12
        assert set(counted.values()) == {1}

    @pytest.mark.parametrize("objectives", [("error", "nll", "params"), ("params", "flops")])
    def test_a_study_that_cannot_be_screened_says_so_once(self, searched, objectives):
        told = []
        result = searched(sampler="nsga2", objectives=objectives, trials=3, epochs=1, listener=told.append)
        assert len(result.complete) == 3
        (note,) = [e["text"] for e in told if e["event"] == "note" and "nsga2" in e["text"]]
        assert "nsga2 does not screen" in note

    def test_a_proposal_asks_for_few_candidates(self, searched, setup, monkeypatch):
        setup()
        asked, original = Counter(), CandidateCosts.__call__

        def ask(self, candidate):
            asked[len(Storage().open("Wide-blobs").trials())] += 1
            return original(self, candidate)

        monkeypatch.setattr(CandidateCosts, "__call__", ask)
        searched(space="wide.py:Wide", sampler="nsga2", trials=16, epochs=1)
        first, *others = [asked[number] for number in sorted(asked)]
        assert SHORTLIST < first <= EXPLORED + SHORTLIST
        assert others
        assert max(others) <= SHORTLIST

    def test_a_latency_that_nobody_knows_stops_no_proposal(self, searched, setup):
        setup()
        result = searched(
            space="wide.py:Wide", objectives=("error", "params", "latency"), sampler="nsga2", trials=14, epochs=1
        )
        assert len(result.complete) == 14

    def test_candidates_that_cannot_be_built_stop_no_proposal(self, searched, setup):
        setup()
        result = searched(space="wide.py:Fragile", sampler="nsga2", trials=16, epochs=1)
        assert result.done == 16
