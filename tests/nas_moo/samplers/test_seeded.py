"""Given architectures come first, whoever proposes afterwards."""

import optuna
import pytest

from nas_moo.genes import Integer, Real, at_least
from nas_moo.genome import Genome
from nas_moo.samplers import SAMPLERS, SamplerOptions, load_sampler
from nas_moo.samplers.distributions import SpaceExhaustedError, distributions

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
