import sys
from itertools import pairwise
from pathlib import Path

import pytest

from reports import shared
from reports.coded import coded

sys.path.append(str(Path(__file__).parent))
import planted_studies as studies


@pytest.fixture(scope="module")
def result():
    return studies.planted(200, pruned=0.2)


def common(result):
    return shared.gather(result, coded(result))


def test_counts_are_those_of_the_tables(result):
    genes, front, everywhere = common(result)
    assert (front, everywhere) == (result.trials["front"].sum(), result.trials["digest"].nunique())
    width = next(g for g in genes if g.gene == "width")
    for share in width.shares:
        rows = result.trials[result.trials["gene_width"] == int(share.value)]
        assert (share.front, share.everywhere) == (rows["front"].sum(), len(rows))
    for gene in genes:
        assert sum(s.front for s in gene.shares) == front
        assert sum(s.everywhere for s in gene.shares) == everywhere
    kernel = {s.value: s for s in next(g for g in genes if g.gene == "kernel").shares}
    assert kernel["inactive"].everywhere == (result.trials["gene_depth"] < 3).sum()


def test_many_values_are_cut_into_quarters(result):
    rate = next(g for g in common(result)[0] if g.gene == "learning_rate")
    assert [s.everywhere for s in rate.shares] == [50, 50, 50, 50]
    assert rate.shares[0].value.startswith("0.0001 to ")
    assert rate.shares[-1].value.endswith(" to 1")


def test_luck_is_the_hypergeometric_tail():
    gene = next(g for g in coded(studies.planted(10)) if g.name == "depth")
    values = gene.values.copy()
    values[:] = [1, 1, 1, 2, 2, 2, 2, 2, 2, 2]
    front = values == 1
    found = shared._of(gene, values, front, genes=4)
    assert found.most == shared.Share("1", 3, 3)
    assert found.luck == pytest.approx(1 / 120)  # one of the 120 ways to pick three of ten
    assert not found.stands_out, "three models are too few"


def test_what_stands_out_is_named_with_its_counts(result):
    alike = studies.planted(200)
    alike.trials["front"] = (alike.trials["gene_depth"] == 1) & (alike.trials.index < 100)
    genes, front, everywhere = common(alike)
    told = " ".join(shared.sentences(genes, front, everywhere))
    named = [g for g in genes if g.stands_out]
    assert "depth" in {g.gene for g in named}
    for gene in named:
        assert gene.luck * len(genes) < 0.05
        count = f"all {front}" if gene.most.front == front else f"{gene.most.front} of {front}"
        assert (
            f"{gene.gene} {gene.most.value} on {count} ({100 * gene.most.everywhere / everywhere:.0f} % of all)" in told
        )


def test_a_small_front_and_one_like_the_rest_say_so():
    genes, front, everywhere = common(studies.planted(30))
    assert "too few to say what they have in common" in shared.sentences(genes[:1], 4, everywhere)[0]
    plain = [g for g in genes if not g.stands_out]
    assert "No single value stands out" in shared.sentences(plain, max(front, 5), everywhere)[0]
    assert shared.sentences((), 0, 0) == ()


def test_the_table_has_the_largest_contrast_first(result):
    genes, front, everywhere = common(result)
    table = shared.table(genes, front, everywhere)
    contrasts = [int(str(row[3]).split()[0]) - int(str(row[4]).split()[0]) for row in table.rows]
    assert all(a >= b - 1 for a, b in pairwise(contrasts)), "rounded to whole per cent"
    assert len(table.rows) == len(genes)


def test_nothing_trained_yet():
    assert common(studies.planted(0)) == ((), 0, 0)
