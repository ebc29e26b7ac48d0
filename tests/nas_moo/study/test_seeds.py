"""Architectures that are trained first: every way to give them, and every way to get them wrong."""

import json

import pytest

import nas_moo
from nas_moo.errors import UserInputError
from nas_moo.genes import Categorical, Integer, Real, at_least
from nas_moo.genome import Genome
from nas_moo.samplers import SAMPLERS
from nas_moo.study.seeds import read_seeds
from nas_moo.study.storage import Storage

GENOME = Genome(
    Integer("depth", 1, 2),
    Categorical("norm", ("batch", "none", None)),
    Categorical("width", (2, 8), active=at_least("depth", 2)),
    Real("rate", 0.01, 1.0, affects="training"),
)
ONE, TWO = {"depth": 1, "norm": "batch", "rate": 0.1}, {"depth": 2, "norm": None, "width": 8, "rate": 0.5}
SEEDS = [
    {"depth": 2, "width_0": 8, "width_1": 2, "learning_rate": 0.1},
    {"depth": 1, "width_0": 2, "learning_rate": 0.1},
]


def columns(values):
    """As in the tables of results."""
    return {f"gene_{name}": value for name, value in values.items()}


@pytest.fixture
def written(tmp_path):
    """Read what is written into a file."""

    def read(content, name="seeds.json"):
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / name).write_text(text)
        return [dict(a) for a in read_seeds(str(tmp_path / name), GENOME)]

    return read


@pytest.mark.parametrize(
    "document",
    [
        [ONE, TWO],
        [{**ONE, "width": 2}, TWO, ONE],  # an inactive gene, and a duplicate
        {"models": [{"id": "a", "architecture": ONE}, {"id": "b", "architecture": TWO}]},
        {"study": "s", "front": [{"id": "a", "error": 0.1, "gene_width": None, **columns(ONE)}, columns(TWO)]},
    ],
)
def test_json_of_several(written, document):
    assert written(document) == [ONE, TWO]


@pytest.mark.parametrize("document", [TWO, {"id": "x", "architecture": TWO, "curve": []}, columns(TWO)])
def test_json_of_one(written, document):
    assert written(document) == [TWO]


def test_csv_with_and_without_other_columns(written):
    plain = "depth,norm,width,rate\n1,batch,,0.1\n2,None,8,0.5\n"
    assert written(plain, "seeds.CSV") == [ONE, TWO]
    front = "\ufeffid,error,gene_depth,gene_norm,gene_width,gene_rate\na,0.1,1,batch,,0.1\nb,0.2,2,None,8,5e-1\n"
    assert written(front, "front.csv") == [ONE, TWO]


def test_mappings_of_python(tmp_path):
    assert [dict(a) for a in read_seeds([ONE, GENOME.architecture(TWO)], GENOME)] == [ONE, TWO]


@pytest.mark.parametrize(
    ("content", "name", "told"),
    [
        ([], "a.json", "there are no seed architectures"),
        ({"models": []}, "a.json", "there are no seed architectures"),
        ("depth,norm,width,rate\n", "a.csv", "there are no seed architectures"),
        ("", "a.csv", "there are no seed architectures"),
        ("", "a.json", "are no JSON"),
        ("[" * 100_000, "a.json", "are no JSON"),
        (3, "a.json", "seed architecture 1 is no architecture"),
        ([ONE, [1]], "a.json", "seed architecture 2 is no architecture"),
        ([ONE, {**TWO, "colour": "red"}], "a.json", "seed architecture 2: unknown gene"),
        ([{**ONE, "depth": 2}], "a.json", "seed architecture 1: an active gene has no value"),
        ([TWO, ONE, {**ONE, "rate": 7}], "a.json", "seed architecture 3: gene 'rate' cannot have this value"),
        ([{**ONE, "depth": 1.0}], "a.json", "seed architecture 1: gene 'depth' cannot"),
        ([{**ONE, "depth": True}], "a.json", "seed architecture 1: gene 'depth' cannot"),
        ([{**ONE, "norm": [1]}], "a.json", "seed architecture 1: gene 'norm' cannot"),
        ('[{"depth": 1, "norm": "batch", "rate": NaN}]', "a.json", "seed architecture 1: gene 'rate' cannot"),
        ("depth,norm,rate\nx,batch,0.1\n", "a.csv", "seed architecture 1: gene 'depth' cannot"),
        ("depth,norm,rate\n1,batch\n", "a.csv", "seed architecture 1: an active gene has no value"),
        ("depth,norm,rate\n1,batch,0.1,5\n", "a.csv", "seed architecture 1: unknown gene"),
        ("depth;norm\n1;batch\n", "a.csv", "seed architecture 1: unknown gene"),
    ],
)
def test_what_is_no_architecture_is_named_by_its_number(written, content, name, told):
    with pytest.raises(UserInputError) as refused:
        written(content, name)
    assert told in refused.value.what
    assert refused.value.do


@pytest.mark.parametrize("file", ["none.json", ".", "~nobody-of-this-name/x.json"])
def test_a_file_that_cannot_be_read(tiny, file):
    with pytest.raises(UserInputError):
        read_seeds(file, GENOME)


def test_a_file_of_bytes_is_no_text(tmp_path):
    (tmp_path / "x.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserInputError, match="cannot be read"):
        read_seeds(tmp_path / "x.json", GENOME)


@pytest.mark.parametrize("sampler", [s for s in SAMPLERS if s != "gp"])
def test_seeds_are_trained_first_and_count(searched, sampler):
    trials = 12 if sampler == "grid" else 4
    result = searched(sampler=sampler, trials=trials, epochs=1, seed_architectures=SEEDS)
    assert len(result.trials) == len(result.complete) == trials
    assert result.trials["gene_depth"].tolist()[:2] == [2, 1]
    assert result.trials["gene_width_0"].tolist()[:2] == [8, 2]
    assert result.trials["digest"].is_unique


def test_seeds_that_are_known_are_not_trained_again(searched, tiny):
    (tiny / "seeds.json").write_text(json.dumps(SEEDS))
    told = []
    searched(trials=1, epochs=1, seed_architectures="seeds.json", listener=told.append)
    result = searched(trials=4, epochs=1, seed_architectures="seeds.json", listener=told.append)
    assert result.trials["gene_depth"].tolist()[:2] == [2, 1]
    assert [e["text"] for e in told if e["event"] == "note"] == [
        "Seed architectures: 1 to train first, 0 known already, 1 wait for more --trials",
        "Seed architectures: 1 to train first, 1 known already",
    ]
    runs = result.description["runs"]
    assert runs[0]["seed_architectures"] == result.trials["digest"].tolist()[:2]


def test_an_interrupted_seed_is_trained_by_the_same_command(searched, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("nas_moo.study.worker.evaluate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            searched(seed_architectures=SEEDS)
    result = searched(trials=3, seed_architectures=SEEDS)
    assert result.trials["state"].tolist() == ["interrupted", "complete", "complete", "complete"]
    assert result.trials["digest"][0] == result.trials["digest"][1]
    assert result.trials["gene_depth"].tolist()[1:3] == [2, 1]


def test_a_seed_whose_worker_died_is_trained_by_the_same_command(searched):
    searched(trials=1, epochs=1)
    study = Storage().open("Tiny-blobs")
    genome = nas_moo.load_space("space.py:Tiny").space.genome
    lost = genome.architecture(SEEDS[0])
    trial = study.optuna.ask()
    for key, value in (("architecture", dict(lost)), ("digest", lost.digest), ("network_digest", lost.network_digest)):
        trial.set_user_attr(key, value)
    result = searched(trials=2, epochs=1, seed_architectures=[lost])
    assert result.trials["state"].tolist() == ["complete", "interrupted", "complete"]
    assert result.trials["digest"][2] == lost.digest


def test_seeds_break_budgets_like_any_other(searched):
    result = searched(trials=2, epochs=1, seed_architectures=SEEDS, max={"params": 30})
    assert result.trials["state"].tolist()[:2] == ["screened", "complete"]


def test_two_workers_share_the_seeds(cli, tiny):
    seeds = [{"depth": 1, "width_0": width, "learning_rate": rate} for width in (2, 8) for rate in (0.01, 0.1)]
    (tiny / "seeds.json").write_text(json.dumps(seeds))
    command = ("search", "--space", "space.py:Slow", "--data", "blobs.npz", "--objective", "error", "--objective",
               "params", "--epochs", "1", "--trials", "4", "--seed-architectures", "seeds.json")  # fmt: skip
    Storage("nas-moo.db", create=True)
    workers = [cli.start(*command) for _ in range(2)]
    for worker in workers:
        _, err = worker.communicate(timeout=120)
        assert worker.returncode == 0, err
    result = nas_moo.load_study("Slow-blobs")
    assert result.done == 4
    assert (result.complete["gene_depth"] == 1).all()
    assert result.complete["digest"].is_unique


def test_a_grid_counts_the_seeds_beside_it(tiny, searched):
    (tiny / "real.py").write_text(
        "from space import Tiny\nfrom nas_moo import Genome, Integer, Real\n\n\nclass Rated(Tiny):\n"
        '    genome = Genome(Integer("depth", 1, 1), Integer("width_0", 2, 2), Real("learning_rate", 0.01, 0.1))\n'
    )
    told = {"space": "real.py:Rated", "sampler": "grid", "grid_steps": 2, "epochs": 1}
    seeds = [{"depth": 1, "width_0": 2, "learning_rate": rate} for rate in (0.03, 0.1)]
    with pytest.raises(UserInputError, match="3 points x"):
        searched(**told, trials=2, seed_architectures=seeds)
    result = searched(**told, trials=3, seed_architectures=seeds)
    assert result.trials["gene_learning_rate"].tolist() == [0.03, 0.1, 0.01]
