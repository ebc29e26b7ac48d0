import sys
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from nas_moo.errors import UserInputError
from nas_moo.genes import Categorical
from reports import importance, importance_pictures, matters
from reports.coded import coded
from reports.importance_numbers import gather

sys.path.append(str(Path(__file__).parent))
import planted_studies as studies

FOUR = ("error", "flops", "latency_eager", "params")


@pytest.fixture(scope="module")
def result():
    return studies.planted(150, pruned=0.2, sampler="nsga2")


def test_the_answer_stands_in_words_pictures_and_tables(result):
    section = matters.section(result)
    error, flops = gather(result, coded(result))
    assert not section.missing
    assert [p.name for p in section.pictures] == ["importance", "slices", "front-genes"]
    first = error.table.iloc[0]
    assert f"learning_rate ({100 * first['share']:.0f} % of the importance, 95 %: " in section.sentences[0]
    assert f"best {flops.best} of {flops.n} networks" in section.sentences[1]
    numbers, common = section.tables
    assert [str(r[0]) for r in numbers.rows] == list(error.table["gene"])
    cells = {str(r[0]): r for r in numbers.rows}
    assert str(cells["learning_rate"][2]) == "cannot matter"
    assert (
        f"if depth at least 3: {error.table.set_index('gene').loc['kernel', 'active']} of {error.n}"
        in cells["kernel"][0].note
    )
    assert "relative to what nsga2 tried" in numbers.notes[1]
    assert common.title == "What the front's models share"


@pytest.mark.parametrize(
    "case",
    [
        {"trials": 0}, {"trials": 1}, {"trials": 19}, {"trials": 30, "objectives": ("error",)},
        {"trials": 40, "objectives": FOUR}, {"trials": 40, "objectives": ("flops", "params")},
        {"trials": 30, "pruned": 1.0},
    ],
)  # fmt: skip
def test_every_study_has_an_answer_or_says_what_is_missing(case):
    section = matters.section(studies.planted(**case))
    assert section.missing or section.sentences
    for picture in section.pictures:
        assert picture.draw().get_figure(root=True).axes


def test_studies_without_models(make):
    for state in ("failed", "running", "screened", "interrupted"):
        assert "0 complete models are too few" in matters.section(make(3, state=state)).missing
    pruned = matters.section(make(25, state="pruned", judged=False))
    assert "0 complete models are too few" in " ".join(pruned.sentences)
    assert not pruned.missing


def test_the_front_is_shown_while_there_are_too_few_models(result):
    section = matters.section(studies.planted(12))
    assert "12 complete models are too few" in section.missing
    assert [p.name for p in section.pictures] == ["front-genes"]


def test_forty_genes_are_cut_to_the_most_important_and_said():
    more = tuple(Categorical(f"one_of_many_genes_with_a_long_name_{i}", "abc") for i in range(32))
    result = studies.planted(60, genes=studies.GENES + more)
    section = matters.section(result)
    assert f"The {importance_pictures.MOST_GENES} genes with the highest shares of 40." in section.pictures[0].caption
    assert "genes that matter most of 40" in section.pictures[2].caption
    assert len(section.tables[0].rows) == 40


def test_a_panel_has_a_row_a_gene_and_a_mark_where_it_cannot_matter(result):
    found = gather(result, coded(result))
    ax = importance_pictures.draw(found)
    assert [t.get_text() for t in ax.get_yticklabels()] == list(found[0].table["gene"])
    panels = ax.get_figure().axes
    assert [p.get_title(loc="left").split("\n")[0] for p in panels] == ["validation error", "FLOPs"]
    assert [t.get_text() for t in panels[1].texts] == [importance_pictures.UNABLE] * 2
    shares = {100 * s for s in found[0].table["share"]}
    drawn = {x for line in ax.lines if line.get_label() in ("above chance", "within chance") for x in line.get_xdata()}
    assert sorted(drawn) == pytest.approx(sorted(shares))


def test_one_objective_on_axes_of_ones_own(result):
    ax = Figure().add_subplot()
    assert importance(result, "flops", ax) is ax
    assert "learning_rate" not in [t.get_text() for t in ax.get_yticklabels()]
    with pytest.raises(UserInputError, match="too few"):
        importance(studies.planted(5))


def test_a_long_name_keeps_both_ends():
    assert importance_pictures.shortened("block_of_the_first_stage", 11) == "block…stage"
    assert importance_pictures.shortened("short", 11) == "short"
