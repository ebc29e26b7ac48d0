"""The folder that ``nas-moo report`` leaves: one page that works offline, its figures, and the tables behind them.

Other formats have parts of it, made from the same sections.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

import nas_moo
from nas_moo.errors import UnknownNameError, UserInputError, hide_password
from nas_moo.finalists import DeviceFront, join, read_measurements
from nas_moo.results import StudyResult
from reports import (
    choice,
    clock,
    curves,
    finalists,
    folder,
    limits,
    made,
    markdown,
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
from reports.section import Section
from reports.vector import Inliner

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
    result = without_passwords(result)
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
    if measurements and name == "csv":
        raise UserInputError(
            "the tables of a study hold no finalists that were timed again",
            value=f"format {name}",
            do="Choose html, md or png, or leave out the measurements.",
        )


def _shown(
    result: StudyResult, opened: pd.DataFrame, parts: tuple[Section, ...], form: str, listed: tuple[str, ...]
) -> dict[str, bytes]:
    """The figures and, where the format has one, the page; the page last."""
    pictures = [picture for part in parts for picture in part.pictures]
    if form != "html":
        contents = {f"{FIGURES}/{picture.name}.png": style.pixels(picture.draw()) for picture in pictures}
    else:
        images = {picture.name: style.files(picture.draw()) for picture in pictures}
        vectors = {name: vector for name, (vector, _) in images.items()}
        contents = {f"{FIGURES}/{name}.png": pixels for name, (_, pixels) in images.items()}
        contents |= {f"{FIGURES}/{name}.svg": vector for name, vector in vectors.items()}
        contents[PAGE] = render(result, opened, parts, vectors).encode()
    if form == "md":
        page = markdown.render(
            name=result.name, facts=_facts(result), card=choice.card(result, opened), sections=parts, files=listed,
            version=nas_moo.__version__,
        )  # fmt: skip
        contents[MARKDOWN] = page.encode()
    return contents


def sections(result: StudyResult, opened: pd.DataFrame, fronts: tuple[DeviceFront, ...] = ()) -> tuple[Section, ...]:
    """The page's questions; ``opened`` holds the test values of the front, ``fronts`` what was timed again."""
    return (
        choice.section(result),
        limits.section(result, opened),
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
    environment.filters["asdict"] = asdict
    environment.policies["json.dumps_kwargs"] = {"sort_keys": True, "allow_nan": False}
    inliner = Inliner()
    figures = {p.name: Markup(inliner.add(vectors[p.name])) for part in parts for p in part.pictures}  # noqa: S704
    script = _text("limits.js") if any(part.sliders for part in parts) else ""
    return environment.from_string(_text("page.html")).render(
        name=name,
        facts=facts,
        card=card,
        sections=parts,
        figures=figures,  # matplotlib's own text, as outlines
        letters=Markup(inliner.letters),  # noqa: S704
        script=Markup(script),  # noqa: S704  a file of this package
        script_hash=f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
        version=nas_moo.__version__,
        states=style.STATE_COLOURS,
        files=listed,
    )


def without_passwords(result: StudyResult) -> StudyResult:
    """The study without the passwords of URLs, wherever a command, an error or a name of its own has one."""
    trials = result.trials.copy()
    for name in ("reason", "worker"):
        trials[name] = trials[name].map(_hidden)
    return replace(result, description=_hidden(result.description), trials=trials)


def _hidden(value: Any) -> Any:
    if isinstance(value, str):
        return hide_password(value)
    if isinstance(value, Mapping):
        return {key: _hidden(content) for key, content in value.items()}
    return [_hidden(content) for content in value] if isinstance(value, list | tuple) else value


def _text(name: str) -> str:
    return files("reports").joinpath(name).read_text(encoding="utf-8")


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
