"""The README's commands parse, its code runs, its links lead somewhere."""

import re
import shlex
from pathlib import Path

import pytest

from nas_moo.cli import _parser

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINKED = [*PAGES, ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md"]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language, text=README):
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def commands():
    for page in PAGES:
        for block in blocks("sh", page.read_text(encoding="utf-8")):
            for line in re.sub(r"\\\n", " ", block).splitlines():
                if line.strip().startswith("nas-moo "):
                    yield pytest.param(shlex.split(line, comments=True)[1:], id=line.strip()[:60])


@pytest.mark.parametrize("command", list(commands()))
def test_every_command_in_the_docs_parses(command):
    if "--help" not in command:
        assert callable(_parser().parse_args(command).run)


def test_the_readmes_space_runs(tmp_path, monkeypatch):
    (source,) = (b for b in blocks("python") if "class Tower" in b)
    (tmp_path / "my_file.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    import nas_moo
    from nas_moo.testing import check_space

    result = nas_moo.search(space="my_file.py:Tower", data="digits", trials=2, epochs=1)
    assert result.name == "Tower-digits"
    assert len(result.complete) == 2
    check_space(nas_moo.load_space("my_file.py:Tower").space, (1, 8, 8), 10, samples=3)


def test_the_readmes_ten_lines_run(tmp_path, monkeypatch):
    (source,) = (b for b in blocks("python") if "study = nas_moo.search" in b)
    assert len([line for line in source.splitlines() if line.strip()]) <= 10
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(source.replace("trials=60", "trials=3, epochs=2"), "README.md", "exec"), names)  # noqa: S102
    assert {"error", "flops", "latency_eager"} <= set(names["study"].front().columns)
    assert (tmp_path / "convnet-digits-report" / "index.html").is_file()
    import torch

    assert names["model"](torch.zeros(2, 1, 8, 8)).shape == (2, 10)


def anchors(page):
    """What GitHub makes of a page's headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", LINKED, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    for target in (t for t in targets if not t.startswith("http")):
        path, _, anchor = target.partition("#")
        found = page.parent / path if path else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


@pytest.mark.parametrize("name", ["mlp", "convnet", "convnet_augmented"])
def test_the_docs_say_how_large_the_shipped_spaces_are(name):
    from nas_moo import load_space

    size = load_space(name).space.genome.size()
    (row,) = re.findall(
        rf"^\| `{name}` .*", (ROOT / "docs" / "spaces.md").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert row.endswith(f"| {size:,} |")
