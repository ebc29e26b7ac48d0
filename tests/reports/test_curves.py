import numpy as np
import pytest

from nas_moo.errors import UserInputError
from reports import curves, learning_curves


def test_front_and_others_are_split_and_shown_in_per_cent(study):
    shown = curves.gather(study)
    assert set(shown.front["number"]) == set(study.trials["number"][study.trials["front"]])
    assert shown.n_others == study.epochs["number"].nunique() - shown.front["number"].nunique()
    assert shown.front["error"].max() == pytest.approx(
        100 * study.epochs["error"][study.epochs["number"].isin(shown.front["number"])].max()
    )
    assert shown.bands.empty


def test_many_curves_become_bands(study, monkeypatch):
    monkeypatch.setattr(curves, "MANY_CURVES", 10)
    shown = curves.gather(study)
    assert shown.others.empty
    first = study.epochs[(study.epochs["epoch"] == 1) & ~study.epochs["number"].isin(shown.front["number"])]
    assert shown.bands.loc[1, 0.25] == pytest.approx(100 * np.quantile(first["error"], 0.25))
    assert shown.bands.loc[1, "n"] == len(first)
    texts = [t.get_text() for t in curves.draw(shown).get_legend().get_texts()]
    assert f"5 to 95 % of the other {shown.n_others}" in texts


def test_axes_and_legend(study):
    ax = learning_curves(study)
    assert "(%)" in ax.get_ylabel()
    assert "hold-out, 359 images" in ax.get_ylabel()
    texts = [t.get_text() for t in ax.get_legend().get_texts()]
    assert f"chosen: {study.choose().id}" in texts
    assert "pruned (1)" in texts


def test_without_training(make):
    assert curves.gather(make(5, ("flops", "params"))) is None
    assert "No objective" in curves.section(make(5, ("flops", "params"))).missing
    assert "No epoch" in curves.section(make(0)).missing
    with pytest.raises(UserInputError):
        learning_curves(make(0))
