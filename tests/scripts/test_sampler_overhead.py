"""What samplers cost: the workload, that all searches go on, and what the table and the verdicts say of it."""

import importlib
import runpy
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "scripts" / "benchmarks"
sys.path.append(str(BENCHMARKS))
arms = importlib.import_module("sampler_overhead_arms")
script = runpy.run_path(str(BENCHMARKS / "sampler_overhead"))
Sample = script["Sample"]


def made(milliseconds):
    """Samples of five rounds with these figures in whole and one less in hooks, by case."""
    return {case: [Sample(m, m - 1.0, 9.0)] * 5 for case, m in milliseconds.items()}


PLAIN = made({("random", 1): 2.0, ("nsga2 (20)", 1): 3.0, ("nsga2 (20)", 8): 4.5, ("nsga2 (50)", 1): 5.0})


def test_a_genome_has_twelve_genes_and_three_objectives():
    architecture = arms.GENOME.architecture({gene.name: gene.values(2)[0] for gene in arms.GENOME.genes})
    assert len(arms.GENOME) == 12
    assert np.isfinite(arms.objectives(architecture)).all()
    assert arms.objectives(architecture)[1:] == list(arms.costs(architecture).values())


@pytest.mark.parametrize("name", list(arms.LOADERS))
def test_a_search_goes_on_from_what_is_finished(name):
    search = arms.StudySearch(arms.LOADERS[name], 12, 0)
    spent = search.step(3)
    assert len(search.study.trials) == 15
    assert 0 < spent.hooks < spent.whole


def test_optunas_nsga2_breeds_from_trials_that_were_added():
    search = arms.StudySearch(arms.LOADERS["optuna-nsga2"], arms.POPULATION, 0)
    search.step(1)
    (generation,) = {v for k, v in search.study.trials[-1].system_attrs.items() if k.endswith("generation")}
    assert generation == 1


def test_a_search_proposes_nothing_twice():
    search = arms.StudySearch(arms.LOADERS["nsga2 (20)"], 20, 0)
    search.step(20)
    assert len({arms.GENOME.architecture(t.params) for t in search.study.trials}) == 40


@pytest.mark.skipif(find_spec("pymoo") is None, reason="pymoo is an optional peer")
def test_pymoo_goes_from_generation_to_generation():
    pymoo = importlib.import_module("sampler_overhead_pymoo")
    assert pymoo.PymooSearch(0).step(arms.POPULATION + 1).whole > 0


def test_all_cases_are_timed_in_every_round():
    chosen = [("random", 30), ("nsga2 (20)", 30), ("screening", 30)]
    samples = script["measure"](chosen, 1)
    assert list(samples) == chosen
    assert all(s.first > 0 and 0 < s.hooks < s.whole for (s,) in samples.values())


def test_the_random_sampler_is_the_floor_at_every_size():
    chosen = script["cases"]((1, 9), (5,))
    assert {n for name, n in chosen if name == "random"} == {1, 5, 9}
    assert {n for name, n in chosen if name == "screening"} == {5}


def test_the_table_has_a_row_for_each_search():
    rows = script["table"](made({("random", 1): 2.0, ("nsga2 (20)", 1): 3.5}))[2:]
    assert "| 3.500 (3.500-3.500) | 1.500 (1.500-1.500) | 2.500 (2.500-2.500) | 9.0 |" in rows[1]
    assert "| - |" in rows[0]


def test_verdicts_take_the_worst_size_and_the_ratio_of_the_ends():
    screened = made({("screening", 1): 90.0, ("screening", 8): 11.0, ("nsga2 (50)", 8): 5.0})
    found = [np.median(values) for _, values, _ in script["verdicts"](PLAIN | screened, 8)]
    assert found == [3.5, 4.5, 1.5, 4.0, 5.0, 1.0, 10.0]
