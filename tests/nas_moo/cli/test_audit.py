"""``nas-moo audit`` of a recorded table: one line a pruner, or one document."""

import json
from pathlib import Path

import pytest

from nas_moo.cli import main
from nas_moo.pruners import PRUNERS

TABLES = Path(__file__).parents[3] / "scripts/benchmarks/data"
TINY = str(TABLES / "tiny_cnn_seed0.toml")


def audit(capsys, *arguments):
    code = main(["audit", *arguments])
    return code, *capsys.readouterr()


def test_every_pruner_is_judged(capsys):
    code, out, _ = audit(capsys, TINY, "--finished", "60", "--json")
    document = json.loads(out)
    assert code == 0
    assert [a["pruner"] for a in document["pruners"]] == list(PRUNERS)
    assert {a["judged"] for a in document["pruners"]} == {1152 - 60}
    by_name = {a["pruner"]: a for a in document["pruners"]}
    assert by_name["never"]["saved"] == 0
    assert by_name["front"]["front_lost"] < by_name["median"]["front_lost"]


def test_a_line_a_pruner_and_a_warning(capsys):
    code, out, err = audit(capsys, TINY, "--finished", "40", "--pruner", "median", "--pruner", "front")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[3:5]] == ["median", "front"]
    assert "fitted to 40 rows, judged on the other 1112" in out
    assert out.splitlines()[-1].startswith("Hypervolume: errors up to the worst of the front")
    assert "error alone" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([TINY, "--finished", "5"], "12 complete"),
        ([TINY, "--finished", "1152"], "1152 rows"),
        ([TINY, "--pruner", "frnt"], "unknown pruner"),
        ([TINY, "--pruner", "rank", "--pruner-quantile", "0.1"], "no quantile"),
        ([str(TABLES / "nasbench_macro.toml")], "no curve"),
    ],
)
def test_what_cannot_be_audited_is_refused(capsys, arguments, said):
    code, _, err = audit(capsys, *arguments)
    assert code == 2
    assert said in err
