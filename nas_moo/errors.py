"""Every error that nas-moo raises on purpose.

Each has three parts: what is wrong, the value received, what to do. The exit code is what the command line ends with::

    NasMooError                      1   a fault of nas-moo itself
     +- UserInputError               2   something asked for cannot be had
     |   +- UnknownNameError             a space, objective, unit, model ... nobody has heard of
     |   +- InactiveGeneError            a gene was read that this architecture does not have
     |   +- SpaceError                   a search space that does not load, build or fit the data
     |   +- UncountedOperatorError       an operator whose FLOPs are not known
     +- StudyMismatchError           3   a study was begun with other objectives, methods, space or data
     +- CorruptError                 3   a stored record or file is not what was written
     +- MachineError                 4   disk, storage or device
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@\s]*(?=@)|([?&](?:ssl)?passw(?:or)?d=)[^&#\s'\"]*", re.IGNORECASE)


def hide_password(text: str) -> str:
    """A text in which the passwords of URLs are replaced by asterisks."""
    return _PASSWORD.sub(r"\1\2***", text)


class NasMooError(Exception):
    """An error with a cause, the value received and a way out."""

    exit_code = 1

    def __init__(self, what: str, *, value: Any, do: str) -> None:
        super().__init__(what)
        self.what, self.value, self.do = what, value, do

    def __str__(self) -> str:
        return f"{self.what}: {self.value!r}. {self.do}"

    def to_dict(self) -> dict[str, str]:
        """The error as ``--json`` prints it."""
        return {"error": self.what, "value": str(self.value), "do": self.do}


class UserInputError(NasMooError):
    """Something asked for cannot be had."""

    exit_code = 2


class UnknownNameError(UserInputError):
    """A name that nobody has heard of; the message lists those that exist and the nearest one."""

    def __init__(self, kind: str, value: Any, known: Iterable[str], *, also: str = "") -> None:
        names = sorted(known)
        near = difflib.get_close_matches(str(value), names, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        listed = f"Known: {', '.join(names)}." if names else "There is none yet."
        super().__init__(f"unknown {kind}", value=value, do=f"{hint}{listed}{' ' + also if also else ''}")


class InactiveGeneError(UserInputError, KeyError):
    """A gene was read that this architecture does not have."""


class SpaceError(UserInputError):
    """A search space that does not load, build or fit the data."""


class UncountedOperatorError(UserInputError):
    """An operator whose FLOPs are not known; never counted as zero."""


class StudyMismatchError(NasMooError):
    """A study was begun with other objectives, methods, space or data."""

    exit_code = 3


class CorruptError(NasMooError):
    """A stored record or file is not what was written."""

    exit_code = 3


class MachineError(NasMooError):
    """Disk, storage or device do not do what they should."""

    exit_code = 4
