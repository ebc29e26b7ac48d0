import subprocess
import sys

import pytest

import reports


def loaded_after(code):
    told = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return {name.split(".")[0] for name in told.stdout.split()}


def test_importing_costs_nothing():
    assert not loaded_after("import reports") & {"matplotlib", "seaborn", "pandas", "numpy", "torch", "optuna"}


def test_reports_need_neither_torch_nor_optuna():
    modules = loaded_after("from reports import write, pareto, hypervolume, learning_curves, timeline")
    assert "seaborn" in modules
    assert not modules & {"torch", "optuna", "search_spaces"}


def test_public_names_exist_and_shadow_no_module():
    for name in reports.__all__:
        assert callable(getattr(reports, name))
    assert set(reports.__all__) == set(dir(reports))
    with pytest.raises(AttributeError):
        _ = reports.nothing
