"""Every error has three parts and an exit code."""

import pytest

from nas_moo import errors


def test_an_error_says_what_is_wrong_the_value_and_what_to_do():
    error = errors.UserInputError("no such thing", value="x", do="Take y.")
    assert str(error) == "no such thing: 'x'. Take y."
    assert error.to_dict() == {"error": "no such thing", "value": "x", "do": "Take y."}


def test_passwords_of_urls_are_replaced_wherever_they_stand():
    hidden = errors.hide_password("--storage postgresql://me:s3cr:et@host/db x")
    assert hidden == "--storage postgresql://me:***@host/db x"
    assert errors.hide_password("mysql://h/db?user=me&password=s3&x=1") == "mysql://h/db?user=me&password=***&x=1"
    assert errors.hide_password("sqlite:///place.db") == "sqlite:///place.db"


def test_an_unknown_name_gets_the_nearest_and_all_known_ones():
    error = errors.UnknownNameError("space", "convnt", ["mlp", "convnet"])
    assert "Did you mean 'convnet'? Known: convnet, mlp." in str(error)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.NasMooError, 1),
        (errors.UserInputError, 2),
        (errors.SpaceError, 2),
        (errors.StudyMismatchError, 3),
        (errors.CorruptError, 3),
        (errors.MachineError, 4),
    ],
)
def test_exit_codes(kind, code):
    assert kind.exit_code == code


def test_the_tree_in_the_docstring_names_every_error():
    public = [v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, errors.NasMooError)]
    for kind in public:
        assert kind.__name__ in (errors.__doc__ or "")
