import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from nas_moo.errors import UserInputError
from reports import lines, parallel
from reports.coded import coded
from reports.importance_numbers import gather

sys.path.append(str(Path(__file__).parent))
import planted_studies as studies


def collect(result):
    genes = coded(result)
    return lines.collect(result, genes, gather(result, genes))


@pytest.fixture(scope="module")
def result():
    return studies.planted(150)


def test_a_line_a_model_of_the_front_by_ascending_error(result):
    shown, front = collect(result), result.front()
    assert shown.ids == tuple(front.sort_values("error")["id"])
    assert shown.models == len(front)
    assert [r.name for r in shown.rails if not r.objective] == [g.name for g in coded(result)]
    assert [r.name for r in shown.rails if r.objective] == ["validation error (%)", "FLOPs"]
    assert shown.ids[shown.chosen] == result.choose().id
    assert (np.diff(shown.colours) >= 0).all()
    assert (shown.colours[0], shown.colours[-1]) == (0, 1)


def test_models_stand_near_their_value_and_inactive_genes_apart(result):
    shown = collect(result)
    front = result.trials[result.trials["front"]].sort_values(["error", "number"])
    at = [r.name for r in shown.rails]
    depth = shown.places[:, at.index("depth")]
    wanted = (front["gene_depth"].to_numpy(dtype=float) - 0.5) / 6
    assert np.abs(depth - wanted).max() == pytest.approx(lines._WIDEST)
    inactive = np.isnan(shown.places[:, at.index("kernel")])
    assert (inactive == (front["gene_depth"] < 3).to_numpy()).all()
    assert inactive.any()
    texts = [t.get_text() for t in lines.draw(shown).texts]
    assert "inactive" in texts
    assert "$x^2$ <b>" in texts


def test_too_many_models_and_genes_are_left_out(result, monkeypatch):
    whole = collect(result)
    monkeypatch.setattr(lines, "MOST_MODELS", 3)
    monkeypatch.setattr(lines, "MOST_GENES", 2)
    shown = collect(result)
    assert shown.ids == whole.ids[:3]
    assert (shown.models, shown.genes) == (whole.models, 8)
    ranked = gather(result, coded(result))
    best = {one.table["gene"].iloc[0] for one in ranked}
    assert best == {r.name for r in shown.rails if not r.objective}


def test_equal_objectives_stand_in_the_middle(result):
    one = studies.planted(30, objectives=("error",))
    shown = collect(one)
    assert shown.places[:, -1].tolist() == [0.5]
    assert parallel(one).get_legend() is not None


def test_axes_are_used_and_an_empty_front_is_refused(result):
    ax = Figure().add_subplot()
    assert parallel(result, ax) is ax
    assert [t.get_text() for t in ax.get_yticklabels()][-1] == "FLOPs"
    with pytest.raises(UserInputError, match="no front"):
        parallel(studies.planted(0))
