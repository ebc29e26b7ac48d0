import re

import numpy as np

from reports import style
from reports.vector import Inliner


def scatter(count, **more):
    with style.applied():
        ax = style.axes(None, (3, 2))
        ax.scatter(np.arange(count) / 7, np.arange(count) ** 2, **more)
        ax.set_title("Ab <!-- --> c")
    return style.files(ax)[0]


def test_marks_that_look_alike_become_one_group_with_every_mark():
    image = scatter(40, color=style.FRONT)
    text = Inliner().add(image)
    (group,) = re.findall(r'<g style="[^"]*--front[^"]*">((?:<use [^>]*>)+)</g>', text)
    assert group.count("<use") == 40
    assert "style" not in group
    assert len(text) < len(image) / 2


def test_coordinates_keep_two_decimals_and_scales_all():
    text = Inliner().add(scatter(5))
    assert not re.search(r' (?:x|y|d)="[^"]*\d\.\d{3}', text)
    image = scatter(5).decode()
    places = [[float(v) for v in re.findall(r'<use [^>]*? x="([\d.]+)" y=', t)] for t in (image, text)]
    assert np.abs(np.array(places[0]) - places[1]).max() <= 0.005
    assert re.findall(r"scale\([^)]*\)", text) == [
        s for s in re.findall(r"scale\([^)]*\)", image) if "0.015625" not in s
    ]


def test_figures_share_their_letters_and_no_id():
    inliner = Inliner()
    one, two = inliner.add(scatter(5)), inliner.add(scatter(6))
    ids = re.findall(r' id="([^"]*)"', one + two + inliner.letters)
    assert len(ids) == len(set(ids))
    used = set(re.findall(r'(?:href="|url\()#([^")]*)', one + two))
    assert used == set(ids), "nothing is left undefined, and nothing kept that is not used"
    assert "DejaVu" not in one + two
    assert "<!--" not in one + two


def test_colours_follow_the_page_and_size_is_left_to_it():
    text = Inliner().add(scatter(5, color=style.FRONT))
    assert "fill: var(--front)" in text
    assert style.FRONT not in text
    assert re.match(r'<svg viewBox="[\d. ]+">', text)


def test_transparent_marks_stay_apart():
    image = (
        b'<svg viewBox="0 0 1 1"><defs><path id="a" d="M 0 0"/></defs>'
        + b"".join(b'<use xlink:href="#a" x="%d" y="0" style="opacity: 0.5"/>' % i for i in range(2))
        + b"</svg>"
    )
    assert Inliner().add(image).count('style="opacity: 0.5"') == 2


def curves():
    """Every kind of outline: lines, curves, areas with holes, and many lines that look alike."""
    with style.applied():
        ax = style.axes(None, (3, 2))
        for i in range(4):
            ax.plot(np.arange(9), np.sin(np.arange(9) + i), color=style.FRONT, alpha=0.5, linewidth=0.7)
        ax.scatter([1, 2, 3], [0, 0, 0], s=[10, 20, 30], color=["#123456", "#654321", "#123456"])
        ax.fill_between(np.arange(9), -1, np.cos(np.arange(9)), where=np.arange(9) % 4 < 3)
        ax.vlines(np.arange(5), 0, 1, color=style.CHOSEN, alpha=0.5)
        ax.set_title("Äß 8 %  &")
    return style.files(ax)[0]


def commands(outline):
    """Each command with its numbers; those that a run leaves out, too."""
    found, last = [], ""
    length = {"M": 2, "L": 2, "Q": 4, "C": 6, "z": 0}
    tokens = re.findall(r"[MLQCz]|-?[\d.]+(?:e-?\d+)?", outline)
    while tokens:
        last = tokens.pop(0) if tokens[0] in length else {"M": "L"}.get(last, last)
        found.append((last, [float(tokens.pop(0)) for _ in range(length[last])]))
    return found


def outlines(text):
    return [commands(d) for d in re.findall(r' d="([^"]+)"', text)]


def test_outlines_are_what_they_were_in_fewer_letters():
    image = curves().decode()
    letter = r'<path id="DejaVu[^>]*>'
    inliner = Inliner()
    text = inliner.add(image.encode())
    assert len(text) < 0.6 * len(image)
    letters = "".join(re.findall(letter, image))
    for was, now in ((re.sub(letter, "", image), text), (letters, inliner.letters)):
        was, now = outlines(was), outlines(now)
        assert [[c for c, _ in o] for o in now] == [[c for c, _ in o] for o in was]
        numbers = [np.array([v for o in found for _, values in o for v in values]) for found in (was, now)]
        assert len(numbers[0]) > 100
        assert np.abs(numbers[0] - numbers[1]).max() <= 0.0051


def test_letters_stand_where_they_stood():
    image = curves().decode()
    inliner = Inliner()
    text = inliner.add(image.encode())
    was = [float(v) for v in re.findall(r'<use xlink:href="#DejaVu[^"]*" transform="translate\(([\d.]+)', image)]
    now = [float(v or 0) for v in re.findall(r'<use href="#g\d+"(?: x="([^"]*)")?/>', text)]
    first = len(re.findall(r'<use xlink:href="#DejaVu[^"]*"/>', image))
    assert len(now) == len(was) + first > 20
    assert np.abs(np.sort(now)[first:] - np.sort(was)).max() <= 0.051, "in hundredths of the font's size"


def test_lines_that_look_alike_say_so_once_and_are_cut_at_the_same_edges():
    text = Inliner().add(curves())
    look = r'<g clip-path="url\(#[^"]*" style="([^"]*var\(--chosen\)[^"]*)">((?:<path d="[^"]*"/>)+)</g>'
    ((style_, lines),) = re.findall(look, text)
    assert lines.count("<path") == 5
    assert "stroke-opacity: 0.5" in style_
