"""docs/reports.md and ARCHITECTURE.md say what the reports are: every question, function, picture and file."""

import inspect
import re
from pathlib import Path

import nas_moo
import reports
from reports import finalists, page

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def test_every_question_is_explained_in_the_order_of_the_page(study):
    questions = [part.question for part in page.sections(study, study.unseal(purpose="test"))]
    questions.insert(questions.index("Can the timing be trusted?"), finalists.QUESTION)
    headings = re.findall(r"^## (.+)$", DOCS, flags=re.MULTILINE)
    assert headings[: len(questions)] == questions


def test_every_function_is_named_with_its_parameters():
    told = dict(re.findall(r"`reports\.(\w+)\(([^)]*)\)`", DOCS))
    assert set(told) == set(reports.__all__)
    for name, arguments in told.items():
        first, *named = [argument.split("=")[0].strip() for argument in arguments.split(",")]
        assert first in ("study", "studies")
        assert named == list(inspect.signature(getattr(reports, name)).parameters)[1:], name


def test_its_code_runs(study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(nas_moo, "load_study", lambda name: study if name == study.name else None)
    source = "".join(re.findall(r"```python\n(.*?)```", DOCS, flags=re.DOTALL))
    exec(compile(source, "reports.md", "exec"), {})  # noqa: S102
    assert (tmp_path / "figure.pdf").read_bytes().startswith(b"%PDF")
    assert "<svg" in (tmp_path / "front.svg").read_text()


def test_its_pictures_are_those_that_are_drawn():
    drawn = {path.name for path in (ROOT / "docs" / "pictures").glob("report-*.png")}
    assert set(re.findall(r"\(pictures/(report-[\w-]+\.png)\)", DOCS)) == drawn
    assert max((ROOT / "docs" / "pictures" / name).stat().st_size for name in drawn) < 100_000


def test_the_architecture_has_every_file_and_function():
    part = ARCHITECTURE[ARCHITECTURE.index("## The reports") : ARCHITECTURE.index("## One trial")]
    for path in (ROOT / "reports").glob("[a-z]*.py"):
        assert re.search(rf"\b{path.stem}\b", part), path.name
    for name in set(reports.__all__) - {"write"}:
        assert f"`{name}`" in part, name
