"""One sampler against another: fulls for equal regret, with what was not reached counted."""

import json
from functools import partial

import numpy as np
import pytest

from nas_moo.errors import CorruptError, UserInputError
from nas_moo.replay.compare import compare_files, speedups
from nas_moo.replay.run import load_named, replay_seeds
from nas_moo.replay.summary import Arm, read_summary, write_summary
from nas_moo.replay.table import load_table
from nas_moo.samplers import SamplerOptions

GRID = np.arange(1.0, 201.0)
RNG = np.random.default_rng(0)
SCALE = np.exp(RNG.normal(0, 0.2, size=(12, 1)))  # seeds are more or less lucky


def test_a_curve_that_falls_three_times_as_fast_is_three_times_cheaper():
    slow, fast = 100 / GRID * SCALE, 100 / (3 * GRID) * SCALE
    found = speedups(fast, GRID, slow, GRID)
    assert [s.fulls for s in found] == [25, 50, 100, 200]
    for s in found:
        assert s.b_needs == s.fulls
        assert s.a_needs == np.ceil(s.fulls / 3)
        assert s.low <= s.ratio <= s.high
        assert s.ratio == pytest.approx(3, rel=0.1)
        assert s.not_reached == 0


def test_a_sampler_is_no_cheaper_than_itself_even_where_it_stood_still():
    still = np.tile(np.where(GRID < 20, 5.0, 1.0), (6, 1))
    for s in speedups(still, GRID, still, GRID):
        assert (s.ratio, s.low, s.high) == (1.0, 1.0, 1.0)
        assert s.b_needs == s.a_needs == 20


def test_what_was_not_reached_counts_as_not_reached():
    slow, stuck = 100 / GRID * SCALE, np.full((12, 200), 10.0)
    early, late = speedups(stuck, GRID, slow, GRID)[0::3]
    assert late.a_needs is None
    assert (late.ratio, late.low, late.high, late.not_reached) == (0.0, 0.0, 0.0, 1.0)
    assert early.a_needs is None
    never = speedups(slow, GRID, stuck, GRID)
    assert all(s.a_needs is not None for s in never)


def test_a_goal_that_some_seeds_miss_widens_the_interval_down_to_nothing():
    goal = np.tile(np.where(GRID < 25, 5.0, 1.0), (12, 1))
    some_miss = goal.copy()
    some_miss[:5] = 5.0
    found = speedups(some_miss, GRID, goal, GRID)[0]
    assert found.ratio == found.high == 1.0
    assert found.low == 0.0
    assert 0 < found.not_reached < 1


def test_checkpoints_that_b_has_not_run_are_left_out():
    assert [s.fulls for s in speedups(SCALE / GRID[:60], GRID[:60], SCALE / GRID[:60], GRID[:60])] == [25, 50]


def written(described, folder, sampler="random", seeds=3, replacements=(), trials=6):
    table = load_table(described(*replacements))
    options = SamplerOptions(population=2)
    traces = replay_seeds(table, partial(load_named, sampler), options, trials=trials, seeds=seeds)
    write_summary(folder, table, Arm(sampler), traces, trials)
    return folder / f"tiny-{sampler}.json"


def test_documents_are_read_back_and_compared(described, tmp_path):
    a, b = (written(described, tmp_path / "out", s, trials=30) for s in ("tpe", "random"))
    document, regret = read_summary(a)
    assert document["sampler"] == "tpe"
    assert document["pruner"] == "never"
    assert regret.shape == (3, 30)
    assert document["regret"][-1] == [0, 0, 0]
    np.testing.assert_allclose(document["hypervolume"][-1], 1)
    found = compare_files(a, b)
    assert found["a"] == {"sampler": "tpe", "pruner": "never", "trials": 30}
    assert [s["fulls"] for s in found["speedups"]] == [25]
    assert found["beyond_b"] == [50, 100, 200]


def test_seconds_are_written_where_the_table_has_them(described, tmp_path):
    path = described(("[costs]", '[seconds]\ntraining = "s"\n[costs]'), s=[100.0, 200, 300, 400, 500, 600])
    table = load_table(path)
    traces = replay_seeds(table, partial(load_named, "random"), SamplerOptions(), trials=6, seeds=2)
    document = write_summary(tmp_path, table, Arm("random"), traces, 6)
    np.testing.assert_allclose(document["seconds"], 350 * np.arange(1, 7))
    assert len(document["regret_by_seconds"]) == len(document["hypervolume_by_seconds"]) == 6


def test_other_judges_and_other_seeds_are_not_compared(described, tmp_path):
    a = written(described, tmp_path / "a")
    with pytest.raises(UserInputError, match="different seeds: '3 and 2'"):
        compare_files(a, written(described, tmp_path / "b", seeds=2))
    with pytest.raises(UserInputError, match="judged differently: 'box'"):
        compare_files(a, written(described, tmp_path / "c", replacements=[("[0.1, 0.5]", "[0.1, 0.4]")]))


def test_files_that_are_no_replay_are_refused(described, tmp_path):
    path = written(described, tmp_path / "out")
    with pytest.raises(UserInputError, match="no such file"):
        read_summary(tmp_path / "none.json")
    for text in ("{", "[]", '{"curves": "x.npz"}'):
        (tmp_path / "other.json").write_text(text)
        with pytest.raises(UserInputError, match="no document of a replay"):
            read_summary(tmp_path / "other.json")
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "regret": document["regret"][::-1]}))
    with pytest.raises(CorruptError, match="not those of the document"):
        read_summary(path)
    curves = path.with_suffix(".npz")
    curves.write_bytes(curves.read_bytes()[:50])
    with pytest.raises(CorruptError, match="cannot be read"):
        read_summary(path)
    curves.unlink()
    with pytest.raises(UserInputError, match="are gone"):
        read_summary(path)


def test_a_document_may_be_kept_apart_from_its_curves(described, tmp_path):
    path = written(described, tmp_path / "out")
    moved = tmp_path / "a.json"
    path.rename(moved)
    assert read_summary(moved)[1].shape == (3, 6)
