"""The page as Markdown, for places that show no HTML: the same questions, sentences and tables, pictures as PNG.

Whatever a study brings (its name, genes, messages of errors) is escaped where it is put in: none of it can become
markup, start a heading, or end a cell of a table.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

_ENTITIES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"))  # some renderers know no backslash before these
_MARKS = re.compile(r"([\\`*\[\]|~$])")
_UNDERSCORES = re.compile(r"(?<!\w)_|_(?!\w)")  # between letters it is no mark
_BLOCK = re.compile(r"^(#{1,6}(?=\s|$)|[-+](?=\s|$)|-{2,}|={2,}|\d{1,9}(?=[.)](?:\s|$)))")
_BLANKS = re.compile(r"\s+")
_GAPS = re.compile(r"\n{3,}")


def render(**content: Any) -> str:
    """The page; ``content`` is what the template names."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_finalised
    )
    template = environment.from_string(files("reports").joinpath("page.md.jinja").read_text(encoding="utf-8"))
    return _GAPS.sub("\n\n", template.render(**content)).strip() + "\n"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    text = _BLANKS.sub(" ", text).strip()
    for sign, entity in _ENTITIES:
        text = text.replace(sign, entity)
    text = _UNDERSCORES.sub(r"\\_", _MARKS.sub(r"\\\1", text))
    return _BLOCK.sub(_no_block, text)


def _no_block(match: re.Match[str]) -> str:
    return f"{match[1]}\\" if match[1].isdigit() else f"\\{match[1]}"


def _finalised(value: Any) -> Any:
    """What every expression of the template goes through; macros give text that has been through it."""
    return value if isinstance(value, Markup | jinja2.Undefined) else Markup(escaped(str(value)))  # noqa: S704
