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
    places = [[float(v) for v in re.findall(r'<use [^>]*? x="([\d.]+)"', t)] for t in (image, text)]
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
