"""Options and output that commands share."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TextIO, TypeAlias

from nas_moo.errors import UserInputError

if TYPE_CHECKING:
    from nas_moo.results import StudyResult

_STANDARD_OUTPUT: ContextVar[TextIO | None] = ContextVar("standard output", default=None)
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_storage(parser: argparse.ArgumentParser) -> None:
    """``--storage`` and ``--json``."""
    parser.add_argument(
        "--storage", metavar="PLACE", help="SQLite file or SQLAlchemy URL (default: $NAS_MOO_STORAGE or nas-moo.db)"
    )
    add_json(parser)


def add_json(parser: argparse.ArgumentParser) -> None:
    """``--json``."""
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def add_study(parser: argparse.ArgumentParser) -> None:
    """A study's name, ``--storage`` and ``--json``."""
    parser.add_argument("study", metavar="STUDY", help="name of the study, as `nas-moo studies` lists it")
    add_storage(parser)


def add_limits(parser: argparse.ArgumentParser) -> None:
    """``--max``."""
    parser.add_argument(
        "--max",
        action="append",
        default=[],
        metavar="OBJECTIVE=LIMIT",
        help="a budget such as latency=2ms, flops=50M or error=5%%; repeatable",
    )


def add_allow_uncounted(parser: argparse.ArgumentParser) -> None:
    """``--allow-uncounted``."""
    parser.add_argument(
        "--allow-uncounted",
        action="store_true",
        help="operators whose FLOPs are not known count nothing and are named, instead of ending the count",
    )


def read_limits(given: list[str]) -> dict[str, str | float]:
    """``["latency=2ms"]`` as ``{"latency": "2ms"}``."""
    limits: dict[str, str | float] = {}
    for text in given:
        name, sign, limit = text.partition("=")
        if not sign or not name or not limit:
            raise UserInputError("a limit has no objective or no value", value=text, do="Write --max latency=2ms.")
        if name in limits:
            raise UserInputError("an objective has two limits", value=text, do="Give one --max for each objective.")
        limits[name] = limit
    return limits


def load(parsed: argparse.Namespace) -> StudyResult:
    """The study that the command names."""
    from nas_moo.study.storage import load_study

    return load_study(parsed.study, parsed.storage)


@contextmanager
def one_document(as_json: bool) -> Iterator[None]:
    """Keep standard output for the one document: what a user's own code prints goes to standard error."""
    if not as_json:
        yield
        return
    token = _STANDARD_OUTPUT.set(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _STANDARD_OUTPUT.reset(token)


def print_json(document: Any) -> None:
    """One JSON document; what JSON cannot say (NaN) is null."""
    print(json.dumps(_plain(document), indent=2, allow_nan=False), file=_STANDARD_OUTPUT.get())


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if hasattr(value, "item"):  # a numpy scalar
        value = value.item()
    return None if isinstance(value, float) and (value != value or abs(value) == float("inf")) else value
