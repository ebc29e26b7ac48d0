"""Given architectures come first, whoever proposes afterwards."""

import numpy as np
import optuna
import pytest

from nas_moo.genes import Integer, Real, at_least
from nas_moo.genome import Genome
from nas_moo.samplers import SAMPLERS, SamplerOptions, load_sampler
from nas_moo.samplers.codes import Codes
from nas_moo.samplers.distributions import SpaceExhaustedError, distributions
from nas_moo.samplers.seeded import RepeatingSampler

GENOME = Genome(Integer("a", 0, 9), Integer("b", 0, 9, active=at_least("a", 5)))
SEEDS = [GENOME.architecture(values) for values in ({"a": 7, "b": 3}, {"a": 2}, {"a": 9, "b": 9})]


def proposals(name, genome, seeds, count, known=()):
    """The first architectures, and the trials that proposed them."""
    known = {a.digest for a in known}
    sampler = load_sampler(name, genome, SamplerOptions(grid_steps=2), lambda a: a.digest in known, seeds=seeds)
    study = optuna.create_study(directions=["minimize"] * 2, sampler=sampler)
    proposed = []
    for _ in range(count):
        trial = study.ask(fixed_distributions=distributions(genome))
        proposed.append(genome.architecture(trial.params))
        known.add(proposed[-1].digest)
        study.tell(trial, [trial.params["a"], -trial.params["a"]])
    return proposed, study.trials


@pytest.mark.parametrize("name", SAMPLERS)
def test_seeds_come_first_and_in_order(name):
    proposed, _ = proposals(name, GENOME, SEEDS, 6)
    assert proposed[:3] == SEEDS
    assert len(set(proposed)) == 6


def test_a_seed_that_is_known_is_passed_over():
    proposed, _ = proposals("random", GENOME, SEEDS, 2, known=SEEDS[:1])
    assert proposed == SEEDS[1:]


@pytest.mark.parametrize("name", ["optuna-nsga2", "nsga3"])
def test_seeds_belong_to_a_generation_and_so_breed(name):
    _, trials = proposals(name, GENOME, SEEDS, 4)
    assert all(any("generation" in key for key in t.system_attrs) for t in trials)


def test_a_seed_off_the_grid_is_proposed_before_the_grid():
    genome = Genome(Real("a", 0.0, 1.0))
    seed = genome.architecture({"a": 0.3})
    proposed, _ = proposals("grid", genome, [seed], 3)
    assert [a["a"] for a in proposed] == [0.3, 0.0, 1.0]


def test_the_end_of_the_space_is_said_after_the_last_seed():
    genome = Genome(Integer("a", 0, 1))
    with pytest.raises(SpaceExhaustedError):
        proposals("random", genome, list(genome.grid()), 3)


@pytest.mark.parametrize(
    ("name", "start", "later"),
    [
        ("nsga2", 10, "bred"), ("optuna-nsga2", 5, "bred"), ("nsga3", 5, "bred"), ("tpe", 10, "model"),
        ("random", 30, "random"), ("grid", 0, "grid"),
    ],
)  # fmt: skip
def test_each_proposal_says_how_it_came_about(name, start, later):
    genome = Genome(*[Integer(f"g{i}", 0, 9) for i in range(3)])
    seeds = [genome.architecture({"g0": 1, "g1": 2, "g2": 3})]
    known = set()
    sampler = RepeatingSampler(
        load_sampler(name, genome, SamplerOptions(population=5), lambda a: a.digest in known, seeds=seeds), genome
    )
    study = optuna.create_study(directions=["minimize"] * 2, sampler=sampler)
    told = []
    for number in range(20):
        sampler.again = dict(study.trials[3].params) if number == 15 else None
        trial = study.ask(fixed_distributions=distributions(genome))
        known.add(genome.architecture(trial.params).digest)
        told.append(sampler.origin)
        study.tell(trial, [trial.params["g0"], -trial.params["g1"]])
    expected = ["seed" if n == 0 else "thawed" if n == 15 else "random" if n < start else later for n in range(20)]
    assert told == expected


def test_the_rest_of_a_small_space_is_told_apart_from_what_was_bred(monkeypatch):
    genome = Genome(Integer("a", 0, 12))
    known = set()
    sampler = load_sampler("nsga2", genome, SamplerOptions(), lambda a: a.digest in known)
    again = Codes(genome).encode({"a": 0})[None]
    monkeypatch.setattr(type(sampler), "_bred", lambda self, count: np.repeat(again, count, axis=0))
    study = optuna.create_study(directions=["minimize"] * 2, sampler=sampler)
    told = []
    for _ in range(12):
        trial = study.ask(fixed_distributions=distributions(genome))
        known |= {genome.architecture(trial.params).digest, genome.architecture({"a": 0}).digest}
        told.append(sampler.origin)
        study.tell(trial, [trial.params["a"], trial.params["a"]])
    assert told[:10] == ["random"] * 10
    assert told[10:] == ["rest"] * 2
