"""Help is complete, and answers at once."""

import argparse
import subprocess
import sys

import pytest

from nas_moo import cli

NAMES = [c.__name__.rpartition(".")[2] for c in cli.COMMANDS]


def subparsers():
    (action,) = [a for a in cli._parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return action


def test_help_lists_every_command_with_a_line_and_the_exit_codes(run):
    code, out, _ = run("--help")
    assert code == 0
    for name in NAMES:
        assert f"    {name}" in out
    assert all(a.help for a in subparsers()._choices_actions)
    assert "130 and 143" in out


@pytest.mark.parametrize("name", NAMES)
def test_every_option_has_a_help_text(run, name):
    code, out, _ = run(name, "--help")
    assert code == 0
    parser = subparsers().choices[name]
    assert parser.description
    for action in parser._actions:
        assert action.help, action.option_strings or action.dest
        assert not action.option_strings or action.option_strings[-1] in out


def test_every_command_speaks_json():
    assert all("--json" in p._option_string_actions for p in subparsers().choices.values())


def test_help_imports_nothing_heavy():
    """Half a second is won or lost here: each of these takes longer to import."""
    program = (
        "import sys; from nas_moo.cli import main\n"
        "codes = [main(['--help']), main(['search', '--help'])]\n"
        "print(codes, [m for m in ('torch', 'optuna', 'pandas', 'numpy', 'matplotlib', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[0, 0] []"


def test_precision_tells_its_range(run):
    from nas_moo.objectives import timing

    told = " ".join(run("search", "--help")[1].split())
    assert f"{100 * timing._FINEST:g}% to {100 * timing._COARSEST:g}%" in told


def test_version(run):
    assert run("--version")[:2] == (0, "nas-moo 0.1.0\n")


def test_options_are_not_shortened(refused, search):
    """``--js`` would print a document where the rest of the command line expects text."""
    assert "--jso" in refused(2, "doctor", "--jso")["value"]
