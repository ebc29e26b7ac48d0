"""``nas-moo replay``: one document out, progress beside it, and every impossible wish refused."""

import json

import pytest

from nas_moo.cli import main

TABLE = """depth,err,flops
1,0.5,10
2,0.4,20
3,0.2,30
4,0.1,40
5,0.3,50
"""
DESCRIPTION = """
table = "towers.csv"
[error]
curve = ["err"]
[costs]
flops = { column = "flops", log = true }
[[genes]]
name = "depth"
kind = "integer"
low = 1
high = 5
"""


@pytest.fixture
def towers(tmp_path, monkeypatch):
    """A folder with a table of five models, made the working directory."""
    (tmp_path / "towers.csv").write_text(TABLE)
    (tmp_path / "towers.toml").write_text(DESCRIPTION)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def replay(capsys, *arguments):
    code = main(["replay", *arguments])
    return code, *capsys.readouterr()


def test_one_document_on_standard_output(towers, capsys):
    arguments = ["towers.toml", "--sampler", "random", "--trials", "4", "--seeds", "3", "--out", "results"]
    code, out, err = replay(capsys, *arguments, "--json")
    document = json.loads(out)
    assert code == 0
    assert document["sampler"] == "random"
    assert document["pruner"] == "never"
    assert document["seeds"] == 3
    assert document["fulls"] == [1, 2, 3, 4]
    assert len(document["regret"]) == len(document["hypervolume"]) == 4
    assert all(low <= middle <= high for low, middle, high in document["regret"] + document["hypervolume"])
    assert 0 <= document["duplicate_share"] < 1
    assert document["cpu_ms_per_proposal"] > 0
    assert document["judge"]["budget_cost"] == "flops"
    assert (towers / document["curves"]).is_file()
    assert json.loads((towers / "results" / "towers-random.json").read_text()) == document
    assert [line.split(":")[1].split()[:2] for line in err.splitlines()] == [["seed", f"{i}/3"] for i in (1, 2, 3)]


def test_a_table_and_a_comparison_for_people(towers, capsys):
    small = ["--trials", "30", "--seeds", "2"]
    code, out, err = replay(capsys, "towers.toml", "--sampler", "grid", *small)
    assert code == 0
    assert "grid on towers, 2 seeds" in out
    assert "nothing was left after 5" in err
    assert out.splitlines()[5].split()[:2] == ["30", "0.00"]
    code, out, _ = replay(capsys, "towers.toml", "--population", "4", *small)
    assert "duplicates" in out
    pair = ["nas-moo-replay/towers-grid.json", "nas-moo-replay/towers-nsga2-4.json"]
    code, out, _ = replay(capsys, "--compare", *pair)
    assert code == 0
    assert "A: grid   B: nsga2 4   2 paired seeds" in out
    assert "B ended before 50, 100, 200 fulls" in out
    code, out, _ = replay(capsys, "--compare", *pair, "--json")
    assert json.loads(out)["speedups"][0]["fulls"] == 25


def test_the_report_of_the_first_search(towers, capsys):
    arguments = ["towers.toml", "--sampler", "random", "--trials", "5", "--seeds", "2", "--report", "page"]
    code, out, _ = replay(capsys, *arguments, "--json")
    assert code == 0
    assert json.loads(out)["report"] == "page/index.html"
    page = (towers / "page" / "index.html").read_text()
    assert "recorded table towers" in page
    assert "No seconds were recorded." in page
    rows = (towers / "page" / "trials.csv").read_text().splitlines()
    assert len(rows) == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "there is nothing to replay"),
        (["none.toml"], "there is no such description"),
        (["towers.toml", "--sampler", "nsga9"], "unknown sampler"),
        (["towers.toml", "--sampler", "tpe", "--population", "9"], "this sampler has no population"),
        (["towers.toml", "--population", "1"], "a population is too small to breed"),
        (["towers.toml", "--population", "0"], "a population is too small to breed"),
        (["towers.toml", "--grid-steps", "3"], "this sampler walks no grid"),
        (["towers.toml", "--trials", "0"], "--trials is no number of trials"),
        (["towers.toml", "--seeds", "0"], "--seeds is no number of seeds"),
        (["towers.toml", "--jobs", "0"], "--jobs is no number of jobs"),
        (["--compare", "a.json", "b.json"], "there is no such file"),
        (["--compare", "a.json", "b.json", "--seeds", "3"], "takes no other option"),
        (["--compare", "a.json", "b.json", "--report", "page"], "takes no other option"),
        (["towers.toml", "--compare", "a.json", "b.json"], "takes no other option"),
    ],
)
def test_what_cannot_be_had_is_refused(towers, capsys, arguments, message):
    code, out, _ = replay(capsys, *arguments, "--json")
    assert code == 2
    assert message in json.loads(out)["error"]


def test_a_description_that_does_not_match_is_a_users_error(towers, capsys):
    (towers / "towers.toml").write_text(DESCRIPTION.replace('"err"', '"error"'))
    code, out, _ = replay(capsys, "towers.toml", "--json")
    assert code == 2
    assert json.loads(out)["error"] == "unknown column for the curve"


CURVES = DESCRIPTION.replace('["err"]', '["first", "err"]')


@pytest.fixture
def curves(towers):
    """The same models, with an error after half the training."""
    lines = TABLE.split()
    halves = ["first", "0.9", "0.8", "0.7", "0.6", "0.9"]
    (towers / "towers.csv").write_text("\n".join(f"{line},{half}" for line, half in zip(lines, halves, strict=True)))
    (towers / "towers.toml").write_text(CURVES)


def test_the_document_names_the_pruner_and_what_it_did(curves, capsys):
    options = ["towers.toml", "--sampler", "random", "--trials", "5", "--seeds", "2"]
    code, out, err = replay(capsys, *options, "--pruner", "front", "--pruner-quantile", "0.2", "--json")
    assert "2 points are no curve" in err
    document = json.loads(out)
    assert code == 0
    assert [document[k] for k in ("pruner", "quantile", "control_share", "thaw")] == ["front", 0.2, None, True]
    assert document["pruning"]["covered"] == {"hits": 2, "n": 2, "low": pytest.approx(0.342, abs=1e-3), "high": 1.0}
    assert document["curves"].endswith("towers-random-front-0.2-thaw.npz")
    code, out, err = replay(capsys, *options, "--pruner", "median", "--no-thaw", "--control-share", "0.1")
    assert code == 0
    assert "0 of 0 controls" in out
    assert "error alone" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--pruner", "frnt"], "unknown pruner"),
        (["--pruner", "front", "--pruner-quantile", "0.6"], "outside (0, 0.5]"),
        (["--pruner", "front", "--pruner-quantile", "0"], "outside (0, 0.5]"),
        (["--pruner", "rank", "--pruner-quantile", "0.1"], "no quantile"),
        (["--pruner", "rank", "--control-share", "2"], "share of controls"),
        (["--pruner-quantile", "0.1"], "nothing is pruned"),
        (["--no-thaw"], "nothing is pruned"),
    ],
)
def test_pruners_that_cannot_be_are_refused(curves, capsys, options, said):
    code, _, err = replay(capsys, "towers.toml", "--sampler", "random", "--trials", "2", *options)
    assert code == 2
    assert said in err


def test_a_table_without_a_curve_has_nothing_to_prune_by(towers, capsys):
    code, _, err = replay(capsys, "towers.toml", "--sampler", "random", "--pruner", "front")
    assert code == 2
    assert "no curve" in err
