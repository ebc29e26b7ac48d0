"""The command line: one command a file, heavy imports inside the commands, so that ``--help`` answers at once."""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from nas_moo import __version__
from nas_moo.cli import (
    audit,
    choose,
    compare,
    demo,
    doctor,
    flops,
    measure,
    replay,
    report,
    search,
    show,
    status,
    studies,
)
from nas_moo.cli.options import one_document
from nas_moo.errors import MachineError, NasMooError, UserInputError

COMMANDS = (demo, search, status, report, compare, choose, measure, show, flops, studies, replay, audit, doctor)
_EPILOG = """exit codes: 0 done, 1 a fault of nas-moo, 2 something asked for cannot be had,
3 a study that does not match or is corrupt, 4 disk, storage or device, 130 and 143 stopped by a signal"""
_STOPPED = "stopped; what was finished is stored"
_GO_ON = "The same command goes on from here."


class Terminated(BaseException):
    """SIGTERM arrived. No ``SystemExit``: a search space that calls ``sys.exit`` is told apart from it."""


class _Parser(argparse.ArgumentParser):
    """Reports what it cannot parse as everything else is reported, and takes no shortened options."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{**settings, "allow_abbrev": False})

    def error(self, message: str) -> NoReturn:
        raise UserInputError("the command line cannot be read", value=message, do=f"See `{self.prog} --help`.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without "≤" shall not stop us
    try:
        code = _guarded(arguments, as_json="--json" in arguments)
        _flush()
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        _let_go_of_output()
        return 0
    except OSError as error:
        _let_go_of_output()
        _say_error(_refused(error).to_dict(), as_json=False)
        return MachineError.exit_code
    return code


def _guarded(arguments: list[str], *, as_json: bool) -> int:
    """Run one command; whatever it raises becomes a message and an exit code."""
    try:
        with _terminable(), one_document(as_json):
            parsed = _parser().parse_args(arguments)
            code: int = parsed.run(parsed)
    except SystemExit as end:  # --help and --version
        return int(end.code or 0)
    except NasMooError as error:
        return _end(error.exit_code, error.to_dict(), as_json)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not tear the message
        return _end(130, {"error": _STOPPED, "value": "Ctrl-C", "do": _GO_ON}, as_json)
    except Terminated:
        return _end(143, {"error": _STOPPED, "value": "SIGTERM", "do": _GO_ON}, as_json)
    except BrokenPipeError:
        raise
    except OSError as error:
        return _end(MachineError.exit_code, _refused(error).to_dict(), as_json)
    except Exception as error:  # noqa: BLE001 - the last line of defence: a bug is said to be one
        traceback.print_exc()
        bug = {"error": "a fault of nas-moo", "value": f"{type(error).__name__}: {error}", "do": "Please report it."}
        return _end(1, bug, as_json)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="nas-moo",
        description="Multi-objective architecture search that ends in a model you can deploy, and the evidence for it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"nas-moo {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Parser)
    for command in COMMANDS:
        command.add(commands)
    return parser


def _end(code: int, error: dict[str, str], as_json: bool) -> int:
    _say_error(error, as_json)
    return code


def _refused(error: OSError) -> MachineError:
    return MachineError(
        f"the operating system refuses ({error.strerror or type(error).__name__})",
        value=error.filename if error.filename is not None else "standard output",
        do="Check the path, its rights and the disk's space.",
    )


def _flush() -> None:
    """Find out now whether everything could be written: at the interpreter's end nobody could say so."""
    if sys.stdout is not None:  # closed by the shell: `>&-`
        sys.stdout.flush()


def _let_go_of_output() -> None:
    """Send what is still buffered nowhere, so that the interpreter does not fail on it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say_error(error: dict[str, str], as_json: bool) -> None:
    if as_json:
        print(json.dumps(error))
    else:
        print(f"nas-moo: {error['error']}: {error['value']}\n  {error['do']}", file=sys.stderr)


@contextmanager
def _terminable() -> Iterator[None]:
    """End on SIGTERM as on Ctrl-C, so that the running trial is marked."""
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated
