"""SVG pictures of one page without what they repeat: glyphs, styles, groups, and digits that nobody sees.

Matplotlib writes each mark with its whole style, and each picture with the outlines of all its letters. In a page of
many pictures that is most of the bytes. What is drawn stays the same to a hundredth of a point.
"""

from __future__ import annotations

import re

from reports import style

_DIGITS = 2  # decimals of a point, which is 1/72 inch
_NUMBERS = re.compile(r'( (?:x|y|d|points)="|translate\()([^")]*)')
_LONG = re.compile(r"-?\d+\.\d{3,}")
_STYLED = re.compile(r' style="([^"]*)"')
_ALONE = r'<g clip-path="(url\([^"]*\))">(<use[^>]*/>)</g>'
_SAME_CLIP = re.compile(rf'{_ALONE}(?:<g clip-path="\1"><use[^>]*/></g>)+')
_FONT = "DejaVu"  # what names of glyphs begin with: the one font of all figures
_GLYPH = re.compile(rf'<path id="[^"]*?-({_FONT}[^"]*)"([^>]*)/>')
_ID = re.compile(r' id="([^"]*)"')
_LEAST_USES = 3  # of a style, before it gets a name


class Slimmer:
    """Takes the pictures of one page in the order in which they stand there; later ones use the glyphs of earlier."""

    def __init__(self) -> None:
        self._glyphs: set[str] = set()
        self._pictures = 0

    def inlined(self, image: bytes) -> str:
        """The next picture of the page, as SVG to stand in it."""
        prefix = f"f{self._pictures}"
        self._pictures += 1
        svg = re.sub(r"\s*\n\s*", " ", style.inlined(image, prefix))
        svg = re.sub(r"<metadata>.*?</metadata>", "", svg)
        svg = re.sub(r"> <", "><", svg).replace("xlink:href=", "href=")
        svg = _NUMBERS.sub(lambda m: m[1] + _LONG.sub(_rounded, m[2]), svg)
        svg = _SAME_CLIP.sub(_merged, svg)
        svg = self._share_glyphs(svg, prefix)
        return _name_styles(_drop_names(svg), prefix)

    def _share_glyphs(self, svg: str, prefix: str) -> str:
        """Glyphs under a name of their own, and only those that no earlier picture of the page has."""

        def first_only(match: re.Match[str]) -> str:
            if match[1] in self._glyphs:
                return ""
            self._glyphs.add(match[1])
            return f'<path id="{match[1]}"{match[2]}/>'

        svg = _GLYPH.sub(first_only, svg).replace("<defs></defs>", "")
        return svg.replace(f'href="#{prefix}-{_FONT}', f'href="#{_FONT}')


def _rounded(match: re.Match[str]) -> str:
    return f"{float(match[0]):.{_DIGITS}f}".rstrip("0").rstrip(".")


def _merged(match: re.Match[str]) -> str:
    uses = "".join(re.findall(r"<use[^>]*/>", match[0]))
    return f'<g clip-path="{match[1]}">{uses}</g>'


def _drop_names(svg: str) -> str:
    """Without the ids that nothing in the picture points at, but for those of glyphs."""
    used = set(re.findall(r'(?:href="#|url\(#)([^")]*)', svg))
    return _ID.sub(lambda m: m[0] if m[1] in used or m[1].startswith(_FONT) else "", svg)


def _name_styles(svg: str, prefix: str) -> str:
    """Styles that come often as classes."""
    found: dict[str, int] = {}
    for look in _STYLED.findall(svg):
        found[look] = found.get(look, 0) + 1
    often = [look for look, uses in found.items() if uses >= _LEAST_USES]
    if not often:
        return svg
    names = {look: f"{prefix}-{place}" for place, look in enumerate(often)}
    rules = "".join(f".{name}{{{look}}}" for look, name in names.items())
    svg = _STYLED.sub(lambda m: f' class="{names[m[1]]}"' if m[1] in names else m[0], svg)
    return svg.replace(">", f"><style>{rules}</style>", 1)
