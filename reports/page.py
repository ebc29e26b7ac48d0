"""The folder that ``nas-moo report`` leaves: one page that works offline, its figures, and the tables behind them.

Other formats have parts of it, made from the same sections.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

import nas_moo
from nas_moo.errors import UnknownNameError, UserInputError
from nas_moo.finalists import DeviceFront, join, read_measurements
from nas_moo.results import StudyResult
from reports import choice, curves, finalists, folder, made, markdown, outcomes, progress, pruning, style, tables
from reports.section import Picture, Section
from reports.slim import Slimmer

PAGE, MARKDOWN, FIGURES = "index.html", "report.md", "figures"
FORMATS = ("html", "md", "png", "csv")
_FILES = dict.fromkeys(("front.csv", "trials.csv", "epochs.csv", "prunings.csv"), "") | {
    "columns.csv": "units and methods", "front.json": "to time the front on another machine",
}  # fmt: skip


def write(
    result: StudyResult,
    out: str | Path,
    measurements: Sequence[str | Path] = (),
    format: str = "html",  # noqa: A002  as the option is called
) -> Path:
    """Write the report of a study into a folder, in place of an earlier one.

    Opens the sealed test values of the front, which the study records.

    Args:
        result: The study.
        out: The folder.
        measurements: Files of finalists that were timed again.
        format: "html": the page with figures and tables; "md": the same as Markdown; "png": the figures alone; "csv":
            the tables alone.

    Returns:
        The path of its page; of the figures' folder, or of the folder itself, where there is none.

    Raises:
        UserInputError: there is no such format, it cannot show the measurements, or ``out`` is a file, or a folder with
            something else in it; nothing was opened or written.
        CorruptError: a file of measurements is none.
        StudyMismatchError: the front was measured under several keys, or the measurements are of another study.
        MachineError: the disk refuses.
    """
    out = Path(out)
    _check_format(format, measurements)
    folder.claim(out)
    result.require_one_key()
    fronts = join(result, read_measurements(measurements)) if measurements else ()
    opened = result.unseal(purpose="report")
    contents: dict[str, bytes] = {}
    if format != "png":
        contents |= tables.csv_files(result, opened)
    if format in ("html", "md"):
        contents["front.json"] = tables.front_json(result)
    if format != "csv":
        contents |= _shown(result, opened, sections(result, opened, fronts), format, tuple(contents))
    folder.fill(out, contents)
    return out / {"html": PAGE, "md": MARKDOWN, "png": FIGURES, "csv": ""}[format]


def _check_format(name: str, measurements: Sequence[str | Path]) -> None:
    if name not in FORMATS:
        raise UnknownNameError("report format", name, FORMATS)
    if measurements and name in ("png", "csv"):
        raise UserInputError(
            "finalists that were timed again are shown on a page alone",
            value=f"format {name}",
            do="Choose html or md, or leave out the measurements.",
        )


def _shown(
    result: StudyResult, opened: pd.DataFrame, parts: tuple[Section, ...], form: str, listed: tuple[str, ...]
) -> dict[str, bytes]:
    """The figures and, where the format has one, the page; the page last."""
    images = {picture.name: style.files(picture.draw()) for part in parts for picture in part.pictures}
    contents = {f"{FIGURES}/{name}.png": pixels for name, (_, pixels) in images.items()}
    if form == "html":
        vectors = {name: vector for name, (vector, _) in images.items()}
        contents |= {f"{FIGURES}/{name}.svg": vector for name, vector in vectors.items()}
        contents[PAGE] = render(result, opened, parts, vectors).encode()
    elif form == "md":
        page = markdown.render(
            name=result.name, facts=_facts(result), card=choice.card(result, opened), sections=parts, files=listed,
            version=nas_moo.__version__,
        )  # fmt: skip
        contents[MARKDOWN] = page.encode()
    return contents


def sections(result: StudyResult, opened: pd.DataFrame, fronts: tuple[DeviceFront, ...] = ()) -> tuple[Section, ...]:
    """The page's questions; ``opened`` holds the test values of the front, ``fronts`` what was timed again."""
    return (
        choice.section(result, opened),
        *([finalists.section(result, fronts)] if fronts else []),
        progress.section(result),
        curves.section(result),
        pruning.section(result),
        outcomes.section(result),
        made.section(result),
    )


def render(result: StudyResult, opened: pd.DataFrame, parts: tuple[Section, ...], vectors: dict[str, bytes]) -> str:
    """The page as HTML.

    Args:
        result: The study.
        opened: The test values of the front.
        parts: The questions.
        vectors: Each picture as SVG, by its name.
    """
    return frame(result.name, _facts(result), choice.card(result, opened), parts, vectors, _FILES)


def frame(
    name: str,
    facts: Sequence[tuple[str, Any]],
    card: choice.Card | None,
    parts: tuple[Section, ...],
    vectors: Mapping[str, bytes],
    listed: Mapping[str, str],
) -> str:
    """A page as HTML.

    Args:
        name: The heading.
        facts: What stands below it.
        card: The chosen model, where there is one.
        parts: The questions.
        vectors: Each picture as SVG, by its name.
        listed: The files beside the page, and what is to be said of them.
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    slimmer = Slimmer()
    template = environment.from_string(files("reports").joinpath("page.html").read_text(encoding="utf-8"))
    return template.render(
        name=name,
        facts=facts,
        card=card,
        sections=parts,
        figure=lambda picture: _figure(picture, vectors, slimmer),
        version=nas_moo.__version__,
        states=style.STATE_COLOURS,
        files=listed,
    )


def _figure(picture: Picture, vectors: Mapping[str, bytes], slimmer: Slimmer) -> Markup:
    return Markup(slimmer.inlined(vectors[picture.name]))  # noqa: S704  matplotlib's own text, as outlines


def _facts(result: StudyResult) -> list[tuple[str, Any]]:
    about = result.description
    data, space = about.get("data") or {}, about.get("space") or {}
    counted = [
        ("trials", f"{len(result.trials):,}"),
        ("trained", f"{int(result.trials['trained'].sum()):,}"),
        ("complete", f"{len(result.complete):,}"),
        ("on the front", f"{int(result.trials['front'].sum()):,}"),
        ("space", space.get("reference")),
        ("data", data.get("name")),
        ("sampler", about.get("sampler")),
        ("seed", about.get("seed")),
    ]
    return [(name, value) for name, value in counted if value is not None]
