"""Optuna's own tools read a study as it is stored: its names, its fronts, its curves, every outcome."""

import matplotlib as mpl
import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

import nas_moo

mpl.use("Agg")
NAMES = ["error", "params", "flops"]


@pytest.fixture(scope="module")
def stored(tmp_path_factory, write_tiny):
    """A result and the same study as Optuna loads it; the two largest of twelve networks were screened."""
    path = write_tiny(tmp_path_factory.mktemp("optuna"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        result = nas_moo.search(
            space="space.py:Tiny", data="blobs.npz", objectives=NAMES, trials=12, epochs=2, max={"params": 100},
            sampler="random", storage="s.db",
        )  # fmt: skip
        yield result, optuna.load_study(study_name=result.name, storage=f"sqlite:///{path / 's.db'}")


@pytest.fixture
def plots():
    """Optuna's plots with matplotlib, which it calls experimental."""
    import matplotlib.pyplot as plt
    from optuna.visualization import matplotlib as plots

    yield plots
    plt.close("all")


pytestmark = [
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:optuna.*"),
]


def test_objectives_have_their_names(stored):
    result, study = stored
    assert study.metric_names == NAMES
    assert [f"values_{n}" for n in NAMES] == [c for c in study.trials_dataframe() if c.startswith("values_")]
    assert {TrialState.COMPLETE, TrialState.PRUNED} <= {t.state for t in study.trials}, "screened ones, without values"
    assert {"complete", "screened"} <= set(result.trials["state"])


def test_the_front_is_ours(stored, plots):
    result, study = stored
    assert {t.number for t in study.best_trials} == set(result.trials.loc[result.trials["front"], "number"])
    ax = plots.plot_pareto_front(study, targets=lambda t: (t.values[1], t.values[0]), target_names=["params", "error"])
    drawn = np.vstack([c.get_offsets() for c in ax.collections])
    assert {tuple(p) for p in drawn.tolist()} == {
        tuple(p) for p in result.complete[["params", "error"]].to_numpy().tolist()
    }
    assert len(plots.plot_pareto_front(study).collections) == 2, "three objectives, dominated and not"


def test_curves_are_intermediate_values(stored, plots):
    result, study = stored
    lines = plots.plot_intermediate_values(study).lines
    drawn = sorted(tuple(line.get_ydata()) for line in lines)
    assert drawn == sorted(tuple(g.sort_values("epoch")["error"]) for _, g in result.epochs.groupby("number"))
    assert len(drawn) == 10


@pytest.mark.parametrize(
    "name",
    ["optimization_history", "param_importances", "slice", "parallel_coordinate", "edf", "contour", "rank"],
)
def test_plots_of_one_value_take_a_target(stored, plots, name):
    _, study = stored
    assert getattr(plots, f"plot_{name}")(study, target=lambda t: t.values[0]) is not None
    assert plots.plot_timeline(study) is not None


def test_what_does_not_work(stored, plots):
    """Said in the guide; where one of these works one day, the guide has to change."""
    _, study = stored
    with pytest.raises(RuntimeError, match="multi-objective"):
        _ = study.best_trial
    with pytest.raises(ValueError, match="multi-objective"):
        plots.plot_terminator_improvement(study)
