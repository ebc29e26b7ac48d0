"""Our importance is Optuna's, number for number, for every kind of gene."""

import sys
import warnings
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.importance import PedAnovaImportanceEvaluator

from nas_moo.genome import Genome
from nas_moo.samplers.distributions import distributions
from reports.coded import coded
from reports.ped_anova import Grid, best_of, importance

sys.path.append(str(Path(__file__).parent))
import planted_studies as studies


def optunas(result, share):
    """What Optuna's evaluator says of the same trials."""
    of_gene = distributions(Genome(*studies.GENES))
    study = optuna.create_study()
    for _, row in result.trials.iterrows():
        active = {n: row[f"gene_{n}"] for n in row["active"]}
        study.add_trial(
            optuna.trial.create_trial(params=active, distributions={n: of_gene[n] for n in active}, value=row["error"])
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Optuna's: experimental, and genes that are hardly ever active
        return PedAnovaImportanceEvaluator(target_quantile=share).evaluate(study)


@pytest.mark.parametrize(("trials", "share"), [(3, 0.1), (20, 0.4), (60, 0.13), (300, 0.1)])
def test_it_agrees_with_optuna(trials, share):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    result = studies.planted(trials, seed=trials)
    genes = coded(result)
    active = {g.name: g.active for g in genes}
    result.trials["active"] = [[n for n in active if active[n][i]] for i in range(trials)]
    once = np.ones((1, trials))
    best = best_of(result.trials["error"].to_numpy(dtype=float), once, share, 1)
    found = importance([Grid(*g.cells(), not g.choices) for g in genes], best, once)[:, 0]
    wanted = optunas(result, share)
    assert {g.kind for g in genes} == {"integer", "real", "categorical"}
    for gene, value in zip(genes, found, strict=True):
        assert value == pytest.approx(wanted.get(gene.name, 0.0), rel=1e-9, abs=1e-12), gene.name


def test_a_weight_of_two_is_the_model_twice():
    rng = np.random.default_rng(3)
    cells, values = rng.integers(-1, 7, 40), rng.random(40)
    weights = rng.integers(0, 3, 40).astype(float)
    again = np.repeat(np.arange(40), weights.astype(int))
    for ordered in (True, False):
        once = np.ones((1, len(again)))
        want = importance([Grid(cells[again], 7, ordered)], best_of(values[again], once, 0.2, 5), once)
        have = importance([Grid(cells, 7, ordered)], best_of(values, weights[None], 0.2, 5), weights[None])
        assert have == pytest.approx(want)


def test_the_best_are_the_smallest_with_ties_and_never_fewer_than_asked_for():
    values, once = np.array([3.0, 1.0, 2.0, 2.0, 5.0]), np.ones((1, 5))
    assert best_of(values, once, 0.4, 1).tolist() == [[0, 1, 1, 1, 0]]
    assert best_of(values, once, 0.1, 4).tolist() == [[1, 1, 1, 1, 0]]
    assert best_of(values, once, 0.1, 1).tolist() == [[0, 1, 0, 0, 0]]
    assert best_of(values, np.array([[1.0, 0, 0, 3, 1]]), 0.2, 1).tolist() == [[0, 0, 0, 3, 0]]


def test_a_gene_that_is_never_active_among_the_best_has_none():
    cells = np.r_[np.full(10, -1), np.arange(10) % 3]
    best = np.r_[np.ones(10), np.zeros(10)][None]
    assert importance([Grid(cells, 3, ordered=False)], best, np.ones((1, 20))).tolist() == [[0.0]]
