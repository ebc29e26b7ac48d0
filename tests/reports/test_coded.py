import sys
from pathlib import Path

import numpy as np
import pytest

from reports.coded import STEPS, coded

sys.path.append(str(Path(__file__).parent))
import planted_studies as studies


@pytest.fixture(scope="module")
def result():
    return studies.planted(120)


@pytest.fixture(scope="module")
def genes(result):
    return {g.name: g for g in coded(result)}


def test_genes_stand_in_the_genomes_order_without_those_of_one_value(genes):
    assert list(genes) == [g.name for g in studies.GENES if g.name != "only"]
    assert [n for n, g in genes.items() if g.training] == ["optimizer", "learning_rate"]


def test_none_and_true_are_choices_and_not_inactive(genes, result):
    norm, column = genes["norm"], result.trials["gene_norm"]
    assert [norm.text(v) for v in norm.levels] == ["batch", "None", "True", "$x^2$ <b>"]
    active = result.trials["gene_width"].isin([32, 64]).to_numpy()
    assert (norm.active == active).all()
    assert [norm.text(v) for v in norm.values[active]] == [str(v) for v in column[active]]


def test_a_gene_under_an_inactive_one_is_inactive(genes, result):
    assert (genes["kernel"].active == (result.trials["gene_depth"] >= 3).to_numpy()).all()
    assert not genes["kernel"].active.all()


def test_values_are_told_apart_where_there_are_few(genes):
    assert genes["depth"].levels.tolist() == [1, 2, 3, 4, 5, 6]
    assert genes["units"].levels.size == genes["dropout"].levels.size == 0
    assert genes["units"].text(512.0) == "512"
    assert genes["dropout"].text(0.123456) == "0.1235"


def test_places_lie_on_the_genes_own_scale(genes):
    assert genes["learning_rate"].positions(np.array([1e-4, 1e-2, 1.0])) == pytest.approx([0, 0.5, 1])
    assert genes["depth"].positions(np.array([1.0, 6.0])) == pytest.approx([0, 1])


def test_cells_cover_the_grid(genes):
    for name, size in (("depth", 6), ("norm", 4), ("dropout", STEPS), ("learning_rate", STEPS), ("units", 10)):
        cells, count = genes[name].cells()
        assert count == size, name
        assert set(cells) <= {-1, *range(size)}
        assert ((cells == -1) == ~genes[name].active).all()


def test_a_study_without_trials_has_its_genes():
    empty = coded(studies.planted(0))
    assert [g.name for g in empty] == [g.name for g in studies.GENES if g.name != "only"]
    assert all(g.active.size == 0 for g in empty)
