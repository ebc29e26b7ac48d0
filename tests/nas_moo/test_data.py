import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nas_moo.data import Dataset, Scaling, load_data, split
from nas_moo.errors import UnknownNameError, UserInputError

RNG = np.random.default_rng(0)


def vectors(sizes, n_features=3, **more):
    y = np.repeat(np.arange(len(sizes)), sizes)
    return Dataset.from_arrays("v", np.random.default_rng(1).normal(2, 3, (len(y), n_features)), y, **more)


def write_idx(folder, name, array, *, zipped=False):
    raw = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()
    (folder / f"{name}.gz" if zipped else folder / name).write_bytes(gzip.compress(raw) if zipped else raw)


def save_image(path, size=(8, 6), mode="RGB", colour=100):
    path.parent.mkdir(exist_ok=True)
    Image.new(mode, size, colour if mode in ("L", "I;16") else (colour,) * len(mode)).save(path)


# --- what a data set is -------------------------------------------------------------------------------------------


def test_digits():
    data = load_data("digits")
    assert (data.name, data.reference, data.input_shape, data.n_classes) == ("digits", "digits", (1, 8, 8), 10)
    assert data.x.dtype == np.float32
    assert (data.x.min(), data.x.max(), len(data.y)) == (0, 1, 1797)
    assert data.digest == load_data("digits").digest
    assert load_data(data) is data


def test_bytes_are_scaled_and_grey_images_get_a_channel():
    data = Dataset.from_arrays("a", np.full((4, 5, 6), 255, np.uint8), [0, 1, 0, 1])
    assert data.input_shape == (1, 5, 6)
    assert (data.x == 1).all()
    assert Dataset.from_arrays("a", np.full((4, 5), 255, np.int64), [0, 1, 0, 1]).x.max() == 255


def test_digest_follows_content():
    x, y = RNG.normal(size=(6, 3)), np.array([0, 1, 2, 0, 1, 2])
    first = Dataset.from_arrays("a", x, y)
    assert first.digest == Dataset.from_arrays("other name", x.copy(), y).digest
    assert first.digest != Dataset.from_arrays("a", x + 1, y).digest
    assert first.digest != Dataset.from_arrays("a", x, y[::-1].copy()).digest
    assert first.digest != Dataset.from_arrays("a", x, y, x, y).digest
    assert first.digest != Dataset.from_arrays("a", x, y, class_names=("p", "q", "r")).digest


GOOD_X, GOOD_Y = np.zeros((4, 3)), np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((np.zeros(4), GOOD_Y), "x has the wrong shape"),
        ((np.zeros((4, 2, 2, 2, 2)), GOOD_Y), "x has the wrong shape"),
        ((np.zeros((4, 0)), GOOD_Y), "x has the wrong shape"),
        ((np.zeros((4, 32, 32, 3)), GOOD_Y), "channels last"),
        ((np.array([["a"]] * 4), GOOD_Y), "no real numbers"),
        ((GOOD_X, GOOD_Y[:3]), "unequal numbers"),
        ((np.where(np.eye(4, 3), np.nan, 0), GOOD_Y), "NaN or infinity"),
        ((GOOD_X + 1e300, GOOD_Y), "NaN or infinity"),
        ((GOOD_X, GOOD_Y.astype(float)), "no list of whole numbers"),
        ((GOOD_X, np.eye(4, 2, dtype=int)), "no list of whole numbers"),
        ((GOOD_X, np.array(list("abab"))), "no list of whole numbers"),
        ((GOOD_X, GOOD_Y - 1), "out of range"),
        ((GOOD_X, GOOD_Y * 10**12), "out of range"),
        ((GOOD_X, GOOD_Y * 2), "a class has no example"),
        ((GOOD_X, GOOD_Y * 0), "fewer than two classes"),
        ((GOOD_X, np.array([], int)), "unequal numbers"),
        ((GOOD_X, GOOD_Y, GOOD_X), "half there"),
        ((GOOD_X, GOOD_Y, None, GOOD_Y), "half there"),
        ((GOOD_X, GOOD_Y, np.zeros((4, 2)), GOOD_Y), "differ in shape"),
        ((GOOD_X, GOOD_Y, GOOD_X, GOOD_Y + 1), "test label is out of range"),
        ((GOOD_X, GOOD_Y, GOOD_X + np.inf, GOOD_Y), "NaN or infinity"),
        ((GOOD_X.astype(np.uint8), GOOD_Y, GOOD_X, GOOD_Y), "scaled differently"),
    ],
)
def test_unsound_arrays_are_refused(arrays, message):
    with pytest.raises(UserInputError, match=message):
        Dataset.from_arrays("a", *arrays)


def test_unsound_data_sets_cannot_be_made_directly():
    with pytest.raises(UserInputError, match="wrong type"):
        Dataset("a", "", GOOD_X, GOOD_Y, ("0", "1"))
    with pytest.raises(UserInputError, match="a class has no example"):
        Dataset("a", "", GOOD_X.astype(np.float32), GOOD_Y, ("0", "1", "2"))


# --- where it comes from ------------------------------------------------------------------------------------------


def test_npz(tmp_path):
    x, y = RNG.integers(0, 256, (20, 3, 8, 8), np.uint8), np.arange(20) % 4
    np.savez(tmp_path / "mine.npz", x=x, y=y, x_test=x[:5], y_test=y[:5], class_names=list("abcd"))
    data = load_data(str(tmp_path / "mine.npz"))
    assert (data.name, data.class_names, data.input_shape) == ("mine", ("a", "b", "c", "d"), (3, 8, 8))
    assert data.reference == str(tmp_path / "mine.npz")
    assert data.x_test is not None
    assert len(data.x_test) == 5


def test_faulty_npz(tmp_path):
    path = tmp_path / "a.npz"
    with pytest.raises(UserInputError, match="no such data file"):
        load_data(str(path))
    path.write_bytes(b"PK nonsense")
    with pytest.raises(UserInputError, match="cannot be read"):
        load_data(str(path))
    np.savez(path, x=np.array([{}], object), y=[0])
    with pytest.raises(UserInputError, match="cannot be read"):
        load_data(str(path))
    np.savez(path, images=[1.0], y=[0])
    with pytest.raises(UserInputError, match="has no x"):
        load_data(str(path))
    np.savez(path, x=[1.0], y=[0], x_valid=[1.0])
    with pytest.raises(UserInputError, match="unknown meaning"):
        load_data(str(path))
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(UserInputError, match="cannot be read"):
        load_data(str(path))


@pytest.mark.parametrize("zipped", [False, True])
def test_idx_folder(tmp_path, zipped):
    x, y = RNG.integers(0, 256, (12, 28, 28)), np.arange(12) % 3
    write_idx(tmp_path, "train-images-idx3-ubyte", x, zipped=zipped)
    write_idx(tmp_path, "train-labels-idx1-ubyte", y, zipped=zipped)
    data = load_data(str(tmp_path))
    assert (data.input_shape, data.n_classes, data.x_test) == ((1, 28, 28), 3, None)
    assert np.allclose(data.x[:, 0] * 255, x)
    write_idx(tmp_path, "t10k-images-idx3-ubyte", x[:5])
    with pytest.raises(UserInputError, match="an idx file is missing"):
        load_data(str(tmp_path))
    write_idx(tmp_path, "t10k-labels-idx1-ubyte", y[:5])
    tested = load_data(str(tmp_path)).y_test
    assert tested is not None
    assert tested.tolist() == y[:5].tolist()


def test_faulty_idx_folder(tmp_path):
    write_idx(tmp_path, "train-labels-idx1-ubyte", np.arange(3))
    images = tmp_path / "train-images-idx3-ubyte"
    for content in (b"", b"\0\0\x0d\1\0\0\0\1\0\0\0\0", struct.pack(">HBB3I", 0, 8, 3, 9, 9, 9) + b"too short"):
        images.write_bytes(content)
        with pytest.raises(UserInputError, match="cannot be read"):
            load_data(str(tmp_path))
    images.unlink()
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"not zipped")
    with pytest.raises(UserInputError, match="cannot be read"):
        load_data(str(tmp_path))


def test_image_folder(tmp_path):
    for name in ("cat", "dog"):
        for i in range(3):
            save_image(tmp_path / name / f"{i}.png", size=(8 + i, 6), mode="L", colour=51)
    (tmp_path / "cat" / ".DS_Store").write_text("x")
    (tmp_path / "LICENSE").write_text("x")
    data = load_data(str(tmp_path))
    assert (data.name, data.class_names, data.input_shape) == (tmp_path.name, ("cat", "dog"), (1, 6, 8))
    assert np.allclose(data.x, 0.2)
    save_image(tmp_path / "dog" / "9.jpg", mode="RGB")
    assert load_data(str(tmp_path)).input_shape == (3, 6, 8)


def test_large_images_are_shrunk_to_224(tmp_path):
    for name in ("a", "b"):
        save_image(tmp_path / name / "0.png", size=(448, 300), mode="L")
    assert load_data(str(tmp_path)).input_shape == (1, 150, 224)


def test_faulty_image_folders(tmp_path):
    with pytest.raises(UserInputError, match="no class folders"):
        load_data(str(tmp_path))
    (tmp_path / "empty").mkdir()
    save_image(tmp_path / "deep" / "0.png", mode="I;16")
    save_image(tmp_path / "fine" / "0.png")
    (tmp_path / "fine" / "nested").mkdir()
    for i in range(30):
        (tmp_path / "fine" / f"{i:02}.jpg").write_text("no image")
    with pytest.raises(UserInputError, match="33 fault") as caught:
        load_data(str(tmp_path))
    assert "empty/: no image in it" in caught.value.value
    assert "more than 8 bits" in caught.value.value
    assert "and 13 more" in caught.value.value


def test_function_in_a_file(tmp_path):
    file = tmp_path / "my_data.py"
    file.write_text(
        "import numpy as np\n"
        "from nas_moo.data import Dataset\n"
        "x, y = np.zeros((4, 3)), np.array([0, 1, 0, 1])\n"
        "def as_dict(): return {'x': x, 'y': y}\n"
        "def as_tuple(): return x, y, x, y\n"
        "def as_dataset(): return Dataset.from_arrays('mine', x, y)\n"
        "def as_nothing(): return None\n"
        "def broken(): return 1 / 0\n"
    )
    reference = f"{file}:as_dict"
    data = load_data(reference)
    assert (data.name, data.reference, data.input_shape) == ("as_dict", reference, (3,))
    assert load_data(data.reference).digest == data.digest
    assert load_data(f"{file}:as_tuple").x_test is not None
    assert (load_data(f"{file}:as_dataset").name, load_data(f"{file}:as_dataset").reference) == (
        "mine",
        f"{file}:as_dataset",
    )
    with pytest.raises(UserInputError, match="returned no data"):
        load_data(f"{file}:as_nothing")
    with pytest.raises(UserInputError, match="ZeroDivisionError"):
        load_data(f"{file}:broken")
    with pytest.raises(UnknownNameError):
        load_data(f"{file}:nothing_like_it")


def test_unknown_name_lists_what_there_is():
    with pytest.raises(UnknownNameError, match=r"Did you mean 'digits'\?.*file\.npz"):
        load_data("digit")


# --- how it is divided --------------------------------------------------------------------------------------------


def test_holdout_is_60_20_20_and_stratified():
    data = vectors((100, 50, 25))
    (only,) = split(data, seed=3)
    counts = [np.bincount(part.y).tolist() for part in (only.train, only.validation, only.test)]
    assert counts == [[60, 30, 15], [20, 10, 5], [20, 10, 5]]
    assert only.n_classes == 3


def test_given_test_part_is_kept():
    data = vectors((40, 40), x_test=np.ones((7, 3)), y_test=[0] * 7)
    (only,) = split(data, seed=0)
    assert (len(only.train.y), len(only.validation.y), len(only.test.y)) == (60, 20, 7)
    assert np.allclose(only.test.x, only.scaling.apply(np.ones((7, 3), np.float32)))


@given(
    sizes=st.lists(st.integers(10, 30), min_size=2, max_size=4),
    folds=st.integers(0, 8),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_parts_are_disjoint_and_complete(sizes, folds, seed):
    y = np.repeat(np.arange(len(sizes)), sizes)
    data = Dataset.from_arrays("a", np.arange(len(y))[:, None], y)
    splits = split(data, validation=f"kfold:{folds}" if folds >= 2 else "holdout", seed=seed)

    def ids(part, own):
        return set(np.rint(part.x[:, 0] * own.scaling.std[0] + own.scaling.mean[0]).astype(int))

    validated = [ids(s.validation, s) for s in splits]
    for own in splits:
        parts = [ids(part, own) for part in (own.train, own.validation, own.test)]
        assert sum(map(len, parts)) == len(set.union(*parts)) == len(y)
        assert all(set(part.y) == set(y) for part in (own.train, own.validation, own.test))
        assert parts[2] == ids(splits[0].test, splits[0])
    if folds >= 2:
        assert sum(map(len, validated)) == len(set.union(*validated)) == len(y) - len(splits[0].test.y)


def test_same_seed_same_split():
    data = vectors((30, 30))
    one, two, other = (split(data, seed=s)[0].train.x for s in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_only_the_training_part_decides_the_scaling():
    data = vectors((50, 50))
    (only,) = split(data, seed=0)
    assert np.allclose(only.train.x.mean(0), 0, atol=1e-6)
    assert np.allclose(only.train.x.std(0), 1, atol=1e-5)
    assert not np.allclose(only.test.x.mean(0), 0, atol=1e-3)


def test_scaling_is_per_channel_and_leaves_constants_alone():
    x = np.stack([np.full((4, 4), 7), np.arange(16).reshape(4, 4)]).astype(np.float32)[None]
    scaling = Scaling.of(x)
    assert scaling.mean.shape == (2, 1, 1)
    assert scaling.std[0] == 1
    assert scaling.apply(x)[0, 0].max() == 0
    assert scaling.apply(x).dtype == np.float32


@pytest.mark.parametrize(
    "validation", ["", "hold-out", "kfold", "kfold:", "kfold:1", "kfold:0", "kfold:05", "kfold:-3"]
)
def test_validation_is_parsed_strictly(validation):
    with pytest.raises(UserInputError, match="no way to validate"):
        split(vectors((30, 30)), validation=validation, seed=0)


@pytest.mark.parametrize(("sizes", "validation"), [((30, 4), "holdout"), ((30, 10), "kfold:9"), ((3, 30), "kfold:2")])
def test_small_classes_are_refused(sizes, validation):
    with pytest.raises(UserInputError, match="too small"):
        split(vectors(sizes), validation=validation, seed=0)
