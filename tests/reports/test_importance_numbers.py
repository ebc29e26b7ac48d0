import sys
from pathlib import Path

import numpy as np
import pytest

from nas_moo.errors import StudyMismatchError, UnknownNameError
from reports.coded import coded
from reports.importance_numbers import BEST_SHARE, FEWEST, FEWEST_BEST, gather

sys.path.append(str(Path(__file__).parent))
import planted_studies as studies


def found(result, objective="error"):
    return gather(result, coded(result), objective)[0]


def test_what_was_planted_is_found_and_the_rest_stays_within_chance():
    result = studies.planted(300, pruned=0.2)
    error, flops = gather(result, coded(result))
    assert error.mattering[0] == "learning_rate"
    assert "optimizer" in error.mattering
    assert flops.mattering[:2] in (["width", "depth"], ["depth", "width"])
    assert error.table["share"].sum() == pytest.approx(1)
    assert ((error.table["low"] <= error.table["share"]) & (error.table["share"] <= error.table["high"])).all()
    assert error.table["share"].is_monotonic_decreasing


def test_genes_without_effect_are_above_chance_about_once_in_twenty():
    above = [found(studies.planted(80, seed=s, effect=0.0)).table["matters"] for s in range(15)]
    assert 0.01 < np.mean(np.concatenate(above)) < 0.12


def test_the_interval_is_as_wide_as_fresh_studies_differ():
    tables = [found(studies.planted(120, seed=s)).table.set_index("gene") for s in range(16)]
    for gene in ("learning_rate", "optimizer"):
        spread = np.std([t.loc[gene, "share"] for t in tables], ddof=1)
        told = np.median([(t.loc[gene, "high"] - t.loc[gene, "share"]) / 1.96 for t in tables])
        assert 0.5 < told / spread < 2.0, gene


def test_an_objective_is_judged_by_complete_models_and_a_cost_by_networks_each_once():
    result = studies.planted(150, pruned=0.3)
    error, flops = gather(result, coded(result))
    assert (error.of, error.n) == ("complete models", len(result.complete))
    assert (flops.of, flops.n) == ("networks", result.trials["network_digest"].nunique())
    assert error.best == max(np.ceil(BEST_SHARE * error.n), FEWEST_BEST)
    assert error.limit == pytest.approx(100 * np.sort(result.complete["error"])[error.best - 1])
    assert flops.unable == ("optimizer", "learning_rate")
    assert error.unable == ()
    assert "only" not in set(error.table["gene"]), "a gene of one value is no choice"


def test_a_network_that_is_trained_again_counts_once_for_its_cost():
    few = tuple(g for g in studies.GENES if g.name in ("depth", "width", "optimizer", "learning_rate"))
    result = studies.planted(90, genes=few)
    assert found(result, "flops").n == 18
    assert "18 networks are too few to say what decides FLOPs: it takes 20." in found(result, "flops").missing


def test_conditional_genes_say_where_they_were_active():
    result = studies.planted(100)
    rows = found(result).table.set_index("gene")
    assert rows.loc["kernel", "active"] == (result.trials["gene_depth"] >= 3).sum()
    assert rows.loc["norm", "active"] == result.trials["gene_width"].isin([32, 64]).sum(), "None is a choice here"
    assert (rows.loc["kernel", "condition"], rows.loc["norm", "condition"]) == ("depth at least 3", "width 32 or 64")
    assert (rows["active_best"] <= rows["active"]).all()


def test_the_same_study_gives_the_same_numbers():
    assert found(studies.planted(60)).table.equals(found(studies.planted(60)).table)


def test_what_is_missing_is_said(make):
    assert (
        f"19 complete models are too few to say what decides validation error: it takes {FEWEST}."
        == found(studies.planted(FEWEST - 1)).missing
    )
    assert found(studies.planted(FEWEST)).missing == ""
    same = studies.planted(40)
    same.trials["flops"] = 1.0
    assert "are among the best in FLOPs or tie with them." in found(same, "flops").missing
    training = studies.planted(40)
    training.description["genome"][:] = [g | {"affects": "training"} for g in training.description["genome"]]
    assert "No gene of this study has several values and can change FLOPs" in found(training, "flops").missing
    with pytest.raises(UnknownNameError):
        found(make(5), "nothing")


def test_numbers_of_two_devices_are_refused(make):
    result = make(30)
    for i, details in enumerate(result.measurements["details"]):
        details["key"] = {"device": f"device {i % 2}"}
    with pytest.raises(StudyMismatchError):
        gather(result, coded(result))
