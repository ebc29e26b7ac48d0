"""The folder that ``nas-moo report`` leaves: one page that works offline, its figures, and the tables behind them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

import nas_moo
from nas_moo.finalists import DeviceFront, join, read_measurements
from nas_moo.results import StudyResult
from reports import (
    choice,
    clock,
    curves,
    finalists,
    folder,
    made,
    matters,
    outcomes,
    progress,
    proxy,
    pruning,
    style,
    tables,
    trust,
    unseen,
)
from reports.section import Picture, Section

PAGE = "index.html"


def write(result: StudyResult, out: str | Path, measurements: Sequence[str | Path] = ()) -> Path:
    """Write the report of a study into a folder, in place of an earlier one.

    Opens the sealed test values of the front, which the study records.

    Args:
        result: The study.
        out: The folder.
        measurements: Files of finalists that were timed again.

    Returns:
        The path of its ``index.html``.

    Raises:
        UserInputError: ``out`` is a file, or a folder with something else in it; nothing was opened or written.
        CorruptError: a file of measurements is none.
        StudyMismatchError: the front was measured under several keys, or the measurements are of another study.
        MachineError: the disk refuses.
    """
    out = Path(out)
    folder.claim(out)
    result.require_one_key()
    fronts = join(result, read_measurements(measurements)) if measurements else ()
    opened = result.unseal(purpose="report")
    parts = sections(result, opened, fronts)
    images = {picture.name: style.files(picture.draw()) for part in parts for picture in part.pictures}
    contents = tables.csv_files(result, opened) | {"front.json": tables.front_json(result)}
    for name, (vector, pixels) in images.items():
        contents |= {f"figures/{name}.svg": vector, f"figures/{name}.png": pixels}
    vectors = {name: vector for name, (vector, _) in images.items()}
    contents[PAGE] = render(result, opened, parts, vectors).encode()
    folder.fill(out, contents)
    return out / PAGE


def sections(result: StudyResult, opened: pd.DataFrame, fronts: tuple[DeviceFront, ...] = ()) -> tuple[Section, ...]:
    """The page's questions; ``opened`` holds the test values of the front, ``fronts`` what was timed again."""
    return (
        choice.section(result, opened),
        unseen.section(result, opened),
        proxy.section(result),
        *([finalists.section(result, fronts)] if fronts else []),
        trust.section(result, fronts),
        progress.section(result),
        curves.section(result),
        matters.section(result),
        pruning.section(result),
        clock.section(result),
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
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(files("reports").joinpath("page.html").read_text(encoding="utf-8"))
    return template.render(
        name=result.name,
        facts=_facts(result),
        card=choice.card(result, opened),
        sections=parts,
        figure=lambda picture: _figure(picture, vectors),
        version=nas_moo.__version__,
        states=style.STATE_COLOURS,
    )


def _figure(picture: Picture, vectors: dict[str, bytes]) -> Markup:
    return Markup(style.inlined(vectors[picture.name], picture.name))  # noqa: S704  matplotlib's own text, as outlines


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
