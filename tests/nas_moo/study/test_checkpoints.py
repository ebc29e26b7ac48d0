"""Checkpoints come back as they were written, or not at all, and take no more room than they may."""

import pytest
import torch

from nas_moo.errors import CorruptError
from nas_moo.snapshot import Snapshot
from nas_moo.study import checkpoints

NUMBERS = {"epoch": 3, "base_rates": [0.1, 1e-17], "optimizer": {"state": {"0": {"buffer": None}}, "groups": []}}


def snapshot(value):
    tensors = {"model.0.weight": torch.full((2, 3), value), "random.0": torch.arange(5, dtype=torch.uint8)}
    return Snapshot(tensors, NUMBERS)


def test_every_fold_comes_back_as_it_was(tmp_path):
    checkpoints.save(tmp_path, 7, [snapshot(0.1), snapshot(0.2)])
    back = checkpoints.load(tmp_path, 7, folds=2, epoch=3)
    assert len(back) == 2
    for was, now in zip((0.1, 0.2), back, strict=True):
        assert now.numbers == NUMBERS
        assert set(now.tensors) == {"model.0.weight", "random.0"}
        assert (now.tensors["model.0.weight"] == torch.tensor(was)).all()
        assert now.tensors["random.0"].dtype == torch.uint8


def test_a_flipped_byte_is_found(tmp_path):
    checkpoints.save(tmp_path, 7, [snapshot(0.1)])
    path = tmp_path / "checkpoints" / "7.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptError, match="not what was written"):
        checkpoints.load(tmp_path, 7, folds=1, epoch=3)


@pytest.mark.parametrize(("folds", "epoch"), [(2, 3), (1, 2)])
def test_a_checkpoint_of_another_training_is_refused(tmp_path, folds, epoch):
    checkpoints.save(tmp_path, 7, [snapshot(0.1)])
    with pytest.raises(CorruptError, match="of another training"):
        checkpoints.load(tmp_path, 7, folds=folds, epoch=epoch)


def test_what_is_there_is_listed_and_removed(tmp_path):
    assert checkpoints.kept(tmp_path) == {}
    for number in (3, 11):
        checkpoints.save(tmp_path, number, [snapshot(0.0)])
    (tmp_path / "checkpoints" / "mine.safetensors").write_text("no number")
    assert set(checkpoints.kept(tmp_path)) == {3, 11}
    assert all(size > 0 for size in checkpoints.kept(tmp_path).values())
    checkpoints.remove(tmp_path, 3)
    checkpoints.remove(tmp_path, 4)
    assert set(checkpoints.kept(tmp_path)) == {11}
    assert not list((tmp_path / "checkpoints").glob("3.*"))


def test_the_oldest_and_most_hopeless_go_first():
    sizes, hopelessness = dict.fromkeys(range(4), 10), {0: 0.9, 1: 0.1, 2: 0.8, 3: 0.2}
    assert checkpoints.to_drop(sizes, hopelessness, 40) == []
    assert checkpoints.to_drop(sizes, hopelessness, 39) == [0]
    assert checkpoints.to_drop(sizes, hopelessness, 20) == [0, 2]  # 1 is older, and has more hope
    assert checkpoints.to_drop(sizes, hopelessness, 0) == [0, 2, 1, 3]
