import html
import re

import pytest
from markdown_it import MarkdownIt  # rich brings it

from nas_moo.errors import UnknownNameError, UserInputError
from reports import page, write
from reports.markdown import escaped

SMALL = ("error", "flops")
NASTY = "<script>alert('x')</script> | *bold* _it_ a_b `code` [link](http://evil) ~~out~~ $x$ &lt; \\ # 1. - ![i](j)"
SHOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def words(text):
    """What a reader sees of HTML."""
    return html.unescape(re.sub(r"<[^>]*>", "", text)).strip()


@pytest.fixture(scope="module")
def study_md(study, tmp_path_factory):
    out = tmp_path_factory.mktemp("md") / "r"
    assert write(study, out, format="md") == out / "report.md"
    return out


@pytest.mark.parametrize(
    "text",
    [NASTY, "# no heading", "- no item", "+ x", "1. one", "12) x", "---", "===", "> quote", "a\n\nb", "\\| end", "_x_",
     "latency_eager", "-3.2", "<b>", "*", "`", "~~~", "&amp;", "   indented", "| a | b |", "=1+1", ""],
)  # fmt: skip
def test_text_is_shown_as_it_is(text):
    expected = " ".join(text.split())
    assert words(SHOWN.render(escaped(text))) == expected
    assert set(re.findall(r"<(\w+)", SHOWN.render(escaped(text)))) <= {"p"}
    row = SHOWN.render(f"| a | b |\n|---|---|\n| {escaped(text)} | end |\n")
    assert [words(cell) for cell in re.findall(r"<td>(.*?)</td>", row)] == [expected, "end"]


def test_names_between_letters_stay_readable():
    assert escaped("gene width_0 of latency_eager at -3.2") == "gene width_0 of latency_eager at -3.2"


def test_the_page_has_the_questions_sentences_tables_and_pictures_of_the_other_one(study, study_md):
    shown = SHOWN.render((study_md / "report.md").read_text())
    parts = page.sections(study, study.unseal(purpose="report"))
    assert [words(q) for q in re.findall(r"<h2>(.*?)</h2>", shown)] == [s.question for s in parts]
    paragraphs = {words(p) for p in re.findall(r"<p>(.*?)</p>", shown, flags=re.DOTALL)}
    for section in parts:
        told = [*section.sentences, *(note for t in section.tables for note in t.notes if note)]
        assert {" ".join(text.split()) for text in told} <= paragraphs
    pictures = re.findall(r'<img src="([^"]*)" alt="([^"]*)"', shown)
    expected = [(f"figures/{p.name}.png", p.alt) for s in parts for p in s.pictures]
    assert [(src, html.unescape(alt)) for src, alt in pictures] == expected
    assert all((study_md / src).is_file() for src, _ in pictures)
    rows = [len(re.findall(r"<tr>", t)) - 1 for t in re.findall(r"<table>(.*?)</table>", shown, flags=re.DOTALL)]
    assert rows == [len(t.rows) for s in parts for t in s.tables]


def test_every_row_has_as_many_cells_as_its_head(study_md):
    lines = (study_md / "report.md").read_text().splitlines()
    for block in re.split(r"\n{2,}", "\n".join(lines)):
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines() if line.startswith("|")}
        assert len(cells) <= 1, block


def test_links_lead_to_files(study_md):
    text = (study_md / "report.md").read_text()
    links = re.findall(r"\]\(([^)]*)\)", text)
    assert {"trials.csv", "front.json"} <= set(links)
    assert all((study_md / link).is_file() for link in links)
    assert not list(study_md.rglob("*.svg"))


def test_names_cannot_become_markup(make, tmp_path, monkeypatch):
    monkeypatch.setattr(page.style, "pixels", lambda ax: b"")  # the text alone is read
    text = write(make(30, SMALL, name=NASTY), tmp_path / "r", format="md").read_text()
    shown = SHOWN.render(text)
    assert words(re.findall(r"<h1>(.*?)</h1>", shown)[0]) == NASTY
    assert "<script" not in text
    assert "<b>NaN" not in text
    assert "evil" not in "".join(re.findall(r'(?:href|src)="([^"]*)"', shown))


@pytest.mark.parametrize(
    "case", [{"trials": 0}, {"trials": 3, "state": "failed"}, {"trials": 9, "objectives": ("flops", "params")}]
)
def test_early_and_odd_studies_have_a_page_too(make, tmp_path, case):
    text = write(make(**case), tmp_path / "r", format="md").read_text()
    assert "\n\n\n" not in text
    assert "How was this made?" in text


def test_figures_or_tables_alone(make, tmp_path):
    result = make(12, SMALL)
    figures = write(result, tmp_path / "png", format="png")
    assert figures == tmp_path / "png" / "figures"
    files = [p for p in (tmp_path / "png").rglob("*") if p.is_file() and not p.name.startswith(".")]
    assert files
    assert {p.suffix for p in files} == {".png"}
    out = write(result, tmp_path / "csv", format="csv")
    assert out == tmp_path / "csv"
    names = {"trials.csv", "epochs.csv", "front.csv", "prunings.csv", "columns.csv"}
    assert {p.name for p in out.iterdir() if not p.name.startswith(".")} == names


def test_what_cannot_be_written_is_refused_before_anything_is_opened(make, tmp_path):
    told = []
    result = make(5, SMALL, record=lambda ids, purpose: told.append(ids))
    with pytest.raises(UnknownNameError, match="Did you mean 'png'"):
        write(result, tmp_path / "r", format="pgn")
    with pytest.raises(UserInputError, match="leave out the measurements"):
        write(result, tmp_path / "r", [tmp_path / "x.jsonl"], format="csv")
    assert told == []
    assert not (tmp_path / "r").exists()


def test_each_format_has_a_folder_of_its_own(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = make(3, SMALL, state="failed")
    assert str(result.report(format="csv")) == "convnet-digits-csv"
    assert str(result.report(format="md")) == "convnet-digits-md/report.md"
    assert str(result.report()) == "convnet-digits-report/index.html"
