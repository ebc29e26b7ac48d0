"""Matplotlib's SVG made small enough that a page holds dozens: letters told once, two decimals of a point.

The files beside the page stay as matplotlib wrote them.
"""

from __future__ import annotations

import re

from reports.style import CSS_NAMES

_MARKS = re.compile(r'<use href="(#[^"]*)" ([^>]*?) style="([^"]*)"/>(?:<use href="\1" [^>]*? style="\3"/>)+')
_GLYPH = re.compile(r'<path id="(DejaVuSans[^"]*)"(?: d="([^"]*)")? transform="scale\(0\.015625\)"/>')
_PRECISE = re.compile(r"-?\d+\.\d{3,}")
_GEOMETRY = re.compile(r'(?<= )(?:d|x|y|width|height)="[^"]*"|translate\([^)]*\)')
_LETTER = re.compile(r'(<use href="#[^"]*") transform="translate\(([-.\d]+)(?: 0)?\)"/>')
_OUTLINE = re.compile(r'(?<= d=")[^"]*(?=")')
_PATHS = re.compile(r'<path d="[^"]*" (clip-path="[^"]*") style="([^"]*)"/>(?:<path d="[^"]*" \1 style="\2"/>)+')
_RUNS = {"M": "L", "L": "L", "C": "C", "Q": "Q"}  # what needs not be told after a command
_TRANSPARENT = re.compile(r"(?<![-\w])opacity")  # of a whole mark, which a group would not hand down to each


class Inliner:
    """Turns figures into parts of one page, and keeps the letters that they share.

    Every figure has ids of its own, follows the page's colours by their CSS names, and is sized by the page. The same
    figures in the same order give the same text.
    """

    def __init__(self) -> None:
        self._figures = 0
        self._glyphs: dict[str, tuple[str, str]] = {}

    def add(self, image: bytes) -> str:
        """One figure as markup."""
        self._figures += 1
        text = image.decode()
        text = text[text.index("<svg") :]
        text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
        text = re.sub(r">\s+<", "><", text)
        text = re.sub(r"\s*\n\s*", " ", text).strip().replace("xlink:href=", "href=")
        text = _GLYPH.sub(self._keep, text)
        text = _GEOMETRY.sub(lambda found: _PRECISE.sub(_rounded, found[0]), text)
        text = _LETTER.sub(_moved, text)
        text = _OUTLINE.sub(lambda found: _without_blanks(found[0]), text)
        text = _MARKS.sub(_grouped, text)
        text = _PATHS.sub(_clipped, text)
        text = self._renamed(text)
        for colour, name in CSS_NAMES.items():
            text = text.replace(f": {colour}", f": var({name})")
        return _without_size(text).replace("<defs></defs>", "")

    @property
    def letters(self) -> str:
        """What the figures draw their text with; the page holds it once, before them."""
        drawn = (f'<path id="{id_}" d="{d}" transform="scale(.015625)"/>' for id_, d in self._glyphs.values())
        return f'<svg class="hidden" aria-hidden="true"><defs>{"".join(drawn)}</defs></svg>'

    def _keep(self, glyph: re.Match[str]) -> str:
        name, outline = glyph.groups()
        outline = _without_blanks(outline or "")  # a blank has none
        self._glyphs.setdefault(name, (f"g{len(self._glyphs)}", outline))
        return ""

    def _renamed(self, text: str) -> str:
        """Short ids where something refers to them, and none elsewhere."""
        wanted = dict.fromkeys(re.findall(r'(?:href="|url\()#([^")]*)', text))
        names = {old: f"f{self._figures}-{i}" for i, old in enumerate(wanted)}
        names |= {name: id_ for name, (id_, _) in self._glyphs.items()}
        text = re.sub(r' id="([^"]*)"', lambda m: f' id="{names[m[1]]}"' if m[1] in wanted else "", text)
        return re.sub(r'((?:href="|url\()#)([^")]*)', lambda m: f"{m[1]}{names[m[2]]}", text)


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")


def _moved(letter: re.Match[str]) -> str:
    """A letter of a text at its place, in hundredths of the font's size."""
    place = f"{float(letter[2]):.1f}".removesuffix(".0")
    return f"{letter[1]}/>" if place in ("0", "-0") else f'{letter[1]} x="{place}"/>'


def _without_blanks(outline: str) -> str:
    """An outline whose commands are told once for each run of them: a line is what follows where one moves to."""
    told: list[str] = []
    last = ""
    for part in outline.split():
        if not part.isalpha():
            told.append(part if told[-1].isalpha() else f" {part}")
            continue
        if part not in _RUNS.get(last, ""):
            told.append(part)
        last = part
    return "".join(told)


def _clipped(run: re.Match[str]) -> str:
    """Lines that look alike and end at the same edges as one group."""
    if _TRANSPARENT.search(run[2]):
        return run[0]
    same = f' {run[1]} style="{run[2]}"/>'
    return f'<g {run[1]} style="{run[2]}">{run[0].replace(same, "/>")}</g>'


def _grouped(run: re.Match[str]) -> str:
    """Marks that look alike as one group that says how they look."""
    if _TRANSPARENT.search(run[3]):
        return run[0]
    return f'<g style="{run[3]}">{run[0].replace(f""" style="{run[3]}"/>""", "/>")}</g>'


def _without_size(text: str) -> str:
    head, rest = text.split(">", 1)
    head = re.sub(r' (?:width|height|xmlns|xmlns:xlink|version)="[^"]*"', "", head)
    return f"{head}>{rest}"
