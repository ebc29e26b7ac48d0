"""The front of a study as another machine gets it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nas_moo.errors import CorruptError, NasMooError, UserInputError
from nas_moo.genome import Architecture
from nas_moo.objectives import Candidate
from nas_moo.objectives.candidate import untrained
from nas_moo.space import LoadedSpace, load_space

FORMAT = 1
_NEEDED = ("format", "study", "space", "code_digest", "input_shape", "n_classes", "models")


@dataclass(frozen=True)
class Finalist:
    """One model of the front.

    Attributes:
        id: As the study shows it.
        architecture: Its genes.
    """

    id: str
    architecture: Architecture


@dataclass(frozen=True)
class FrontFile:
    """What is timed.

    Attributes:
        study: Where it comes from.
        space: That builds the networks.
        input_shape: Of one example.
        n_classes: Length of an output.
        finalists: The models.
    """

    study: str
    space: LoadedSpace
    input_shape: tuple[int, ...]
    n_classes: int
    finalists: tuple[Finalist, ...]

    def build(self, finalist: Finalist, device: torch.device) -> Candidate:
        """Its network, with weights of its own making: latency does not depend on them."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return untrained(self.space.space, finalist.architecture, self.input_shape, self.n_classes, device)


def read_front(path: Path, space: str | None = None) -> FrontFile:
    """Read ``front.json``.

    Args:
        path: Of the file.
        space: Where the search space is on this machine; default where it was on the study's.

    Raises:
        UserInputError: there is no file that can be read, or the space cannot be loaded.
        CorruptError: it is no front, a part of it is missing or of another kind, or the space's code is not what the
            study was made with.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserInputError(
            "there is no such file", value=str(path), do="Give the front.json of a report: nas-moo report STUDY."
        ) from error
    except OSError as error:
        raise UserInputError(
            f"this file cannot be read ({error.strerror})",
            value=str(path),
            do="Give the front.json of a report: nas-moo report STUDY.",
        ) from error
    except ValueError as error:
        raise CorruptError("this is no JSON", value=str(path), do="Take the front.json of a report.") from error
    return parse_front(document, str(path), space)


def parse_front(document: Mapping[str, Any], where: str, space: str | None = None) -> FrontFile:
    """Check a front and load its space; arguments and errors as for ``read_front``."""
    if not isinstance(document, Mapping) or any(n not in document for n in _NEEDED) or document["format"] != FORMAT:
        raise CorruptError("this is no front of a study", value=where, do="Take the front.json of a report.")
    if not document["models"]:
        raise UserInputError("this front has no models", value=where, do="Run the search for longer.")
    loaded = load_space(space or str(document["space"]))
    if loaded.code_digest != document["code_digest"]:
        raise CorruptError(
            "the code of the space is not what the study was made with",
            value=loaded.reference,
            do="Take the version of the space that the study was made with; --space names where it is.",
        )
    try:
        finalists = tuple(_finalist(m, loaded, where) for m in document["models"])
        shape, n_classes = tuple(int(n) for n in document["input_shape"]), int(document["n_classes"])
    except NasMooError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptError(
            f"a part of this front is missing or of another kind ({type(error).__name__}: {error})",
            value=where,
            do="Take the front.json of a report.",
        ) from error
    return FrontFile(str(document["study"]), loaded, shape, n_classes, finalists)


def _finalist(model: Mapping[str, Any], space: LoadedSpace, where: str) -> Finalist:
    architecture = space.space.genome.architecture(model["architecture"])
    if architecture.network_digest != model["network_digest"]:
        raise CorruptError(
            "the genes of a model do not give its digest",
            value=f"{model['id']} in {where}",
            do="Write the report again.",
        )
    return Finalist(model["id"], architecture)
