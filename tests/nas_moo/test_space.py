import subprocess
import sys

import pytest

from nas_moo import Categorical, Genome
from nas_moo.errors import SpaceError, UnknownNameError, UserInputError
from nas_moo.space import AUGMENTATIONS, SCHEDULES, Recipe, SearchSpace, load_object, load_space

SOURCE = '''
from nas_moo import Categorical, Genome
{extra}

class Tower:
    """What it is."""

    genome = Genome(Categorical("batch_size", (8, 16), affects="training"))

    def build(self, architecture, input_shape, n_classes):
        # a comment
        return {value}

    def optimizer(self, architecture, parameters):
        return None

not_a_space = 3
'''


def write(path, *, value="None", extra=""):
    path.write_text(SOURCE.format(value=value, extra=extra))
    return path


class Here:
    genome = Genome(Categorical("schedule", SCHEDULES, affects="training"))

    def build(self, architecture, input_shape, n_classes):
        return None

    def optimizer(self, architecture, parameters):
        return None


def test_registered_name():
    loaded = load_space("mlp")
    assert (loaded.reference, loaded.name) == ("mlp", "mlp")
    assert isinstance(loaded.space, SearchSpace)
    with pytest.raises(UnknownNameError, match=r"Did you mean 'convnet'\?.*my_file\.py:Tower"):
        load_space("convnett")


def test_module_reference():
    loaded = load_space("search_spaces.mlp:MLP")
    assert loaded.name == "MLP"
    assert loaded.code_digest == load_space("mlp").code_digest


def test_file_reference_is_made_absolute(tmp_path, monkeypatch):
    write(tmp_path / "file_space.py")
    monkeypatch.chdir(tmp_path)
    loaded = load_space("file_space.py:Tower")
    assert loaded.reference == f"{tmp_path / 'file_space.py'}:Tower"
    monkeypatch.chdir("/")
    again = load_space(loaded.reference)
    assert type(again.space) is type(loaded.space)


def test_a_file_may_import_its_neighbours_but_not_hide_others(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "my_neighbour_blocks.py").write_text("WIDTH = 3\n")
    (tmp_path / "statistics.py").write_text("raise RuntimeError('hidden')\n")
    write(tmp_path / "s.py", extra="from my_neighbour_blocks import WIDTH\nimport statistics", value="WIDTH")
    assert load_space(f"{tmp_path / 's.py'}:Tower").space.build(None, (), 2) == 3
    assert sys.path[-1] == str(tmp_path)


def test_class_and_instance():
    for given in (Here, Here()):
        loaded = load_space(given)
        assert isinstance(loaded.space, Here)
        assert loaded.name == "Here"
        assert loaded.reference.endswith(":Here")
    instance = Here()
    assert load_space(instance).space is instance


def test_a_class_that_came_from_a_file_is_found_again_in_another_process(tmp_path):
    path = write(tmp_path / "elsewhere.py")
    found, _ = load_object(f"{path}:Tower", kind="space")
    reference = load_space(found).reference
    assert reference == f"{path}:Tower"
    code = f"from nas_moo import load_space; print(load_space({reference!r}).name)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "Tower"


def test_a_class_of_the_running_script_is_found_again(tmp_path):
    path = write(tmp_path / "script.py")
    path.write_text(
        path.read_text() + "if __name__ == '__main__':\n"
        "    from nas_moo import load_space\n"
        "    print(load_space(Tower).reference)\n"
    )
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{path}:Tower"


def test_import_failures_are_the_users(tmp_path):
    broken = tmp_path / "broken_space.py"
    broken.write_text("1 / 0\n")
    for _ in range(2):  # a module half imported is not remembered
        with pytest.raises(SpaceError, match="ZeroDivisionError"):
            load_space(f"{broken}:Tower")
    with pytest.raises(UserInputError, match="no such file"):
        load_space("nowhere.py:Tower")
    with pytest.raises(SpaceError, match="ModuleNotFoundError"):
        load_space("no_such_package.module:Tower")
    with pytest.raises(UserInputError, match="a place and a name"):
        load_space(":Tower")
    with pytest.raises(UserInputError, match="a place and a name"):
        load_space("module:")


def test_what_was_found_must_be_a_space(tmp_path):
    path = write(tmp_path / "some_space.py")
    with pytest.raises(UnknownNameError, match="Did you mean 'Tower'"):
        load_space(f"{path}:Towr")
    with pytest.raises(SpaceError, match="genome, build, optimizer"):
        load_space(f"{path}:not_a_space")

    class NeedsArguments(Here):
        def __init__(self, size):
            self.size = size

    with pytest.raises(SpaceError, match="without arguments"):
        load_space(NeedsArguments)
    with pytest.raises(SpaceError, match="genome missing or of another type"):
        load_space(type("Odd", (Here,), {"genome": [1]}))


def test_code_digest_follows_code_not_layout(tmp_path):
    digests = []
    for i, (value, change) in enumerate((("1", str), ("1", lambda s: s.replace("# a comment", "# other")), ("2", str))):
        path = tmp_path / f"version_{i}.py"
        write(path, value=value)
        path.write_text(change(path.read_text()).replace("What it is.", f"Text {i}."))
        digests.append(load_space(f"{path}:Tower").code_digest)
    assert digests[0] == digests[1] != digests[2]


def test_recipe_from_reserved_genes():
    loaded = load_space(Here)
    architecture = loaded.space.genome.architecture({"schedule": "step"})
    assert loaded.recipe(architecture) == Recipe(schedule="step")


def test_own_recipe_wins_and_is_checked():
    class Own(Here):
        def recipe(self, architecture):
            return Recipe(batch_size=7)

    class Odd(Here):
        def recipe(self, architecture):
            return {"batch_size": 7}

    architecture = Here.genome.architecture({"schedule": "step"})
    assert load_space(Own).recipe(architecture) == Recipe(batch_size=7)
    with pytest.raises(SpaceError, match="no Recipe"):
        load_space(Odd).recipe(architecture)


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 0},
        {"batch_size": True},
        {"batch_size": 1.5},
        {"schedule": "linear"},
        {"augmentation": "mixup"},
        {"clip_norm": 0},
        {"clip_norm": float("nan")},
    ],
)
def test_recipes_are_checked_at_birth(wrong):
    with pytest.raises(UserInputError):
        Recipe(**wrong)


def test_recipe_names_are_all_accepted():
    for schedule in SCHEDULES:
        for augmentation in AUGMENTATIONS:
            Recipe(schedule=schedule, augmentation=augmentation)


def test_an_edited_file_is_loaded_anew(tmp_path):
    """What runs and what the digest speaks of must be the same code, in a notebook too."""
    path = write(tmp_path / "edited.py")
    first = load_space(f"{path}:Tower")
    path.write_text(path.read_text().replace("class Tower", "NEW = True\n\n\nclass Tower"))
    second = load_space(f"{path}:Tower")
    assert second.code_digest != first.code_digest
    assert sys.modules[type(second.space).__module__].NEW
    assert load_space(f"{path}:Tower").space.__class__ is second.space.__class__


def test_a_file_in_another_encoding_is_read_as_python_reads_it(tmp_path):
    text = "# -*- coding: latin-1 -*-\n" + write(tmp_path / "utf.py").read_text() + "\nNAME = 'é'\n"
    (tmp_path / "latin.py").write_bytes(text.encode("latin-1"))
    assert load_space(f"{tmp_path / 'latin.py'}:Tower").code_digest != "no source"
