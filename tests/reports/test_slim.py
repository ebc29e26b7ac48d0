import re

import pytest

from reports import choice, style
from reports.slim import Slimmer

MARK = re.compile(r'<use [^>]*href="#([^"]*)" x="([-\d.]+)" y="([-\d.]+)"')


@pytest.fixture(scope="module")
def vectors(study):
    section = choice.section(study, study.unseal(purpose="report"))
    return [style.files(picture.draw())[0] for picture in section.pictures]


@pytest.fixture(scope="module")
def pictures(vectors):
    slimmer = Slimmer()
    return [slimmer.inlined(vector) for vector in vectors]


def test_most_of_the_text_goes(vectors, pictures):
    whole = [style.inlined(vector, "x") for vector in vectors]
    assert all(len(slim) < 0.75 * len(fat) for slim, fat in zip(pictures, whole, strict=True))
    assert sum(map(len, pictures)) < 0.6 * sum(map(len, whole)), "letters are shared"


def test_marks_stay_where_they_are(vectors, pictures):
    for vector, slim in zip(vectors, pictures, strict=True):
        before, after = MARK.findall(vector.decode()), MARK.findall(slim)
        assert len(before) == len(after) > 40
        for (name, x, y), (renamed, slim_x, slim_y) in zip(before, after, strict=True):
            assert renamed.endswith(name)
            assert (float(slim_x), float(slim_y)) == pytest.approx((float(x), float(y)), abs=0.0051)
        assert vector.decode().count("<use") == slim.count("<use")
        assert vector.decode().count("<image") == slim.count("<image")


def test_every_name_is_there_once_and_found(pictures):
    page = "".join(pictures)
    names = re.findall(r'\bid="([^"]*)"', page)
    assert len(names) == len(set(names))
    assert set(re.findall(r'(?:href="#|url\(#)([^")]*)', page)) <= set(names)
    assert any(name.startswith("DejaVu") for name in names)


def test_styles_keep_their_words(vectors, pictures):
    for vector, slim in zip(vectors, pictures, strict=True):
        rules = dict(re.findall(r"\.(f\d+-\d+)\{([^}]*)\}", slim))
        named = re.findall(r' class="([^"]*)"', slim)
        plain = re.findall(r' style="([^"]*)"', slim)
        expected = re.findall(r' style="([^"]*)"', style.inlined(vector, "x"))
        assert sorted([*plain, *(rules[name] for name in named)]) == sorted(expected)
