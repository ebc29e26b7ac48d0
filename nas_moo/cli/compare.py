"""``nas-moo compare``: several studies on one page."""

from __future__ import annotations

import argparse
from pathlib import Path

from nas_moo.cli.options import Commands, add_storage, print_json


def add(commands: Commands) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "compare",
        help="write several studies as one page: fronts, chance, hypervolume, what differs",
        description="Write several studies of the same data and objectives as one page (index.html, works offline), "
        "with figures and tables. Studies that differ in their seed only are one group, drawn as a line with a band. "
        "Costs measured on different devices, or by different methods, stand in pictures of their own. Opens no sealed "
        "test error. An earlier comparison in the folder is replaced.",
    )
    parser.add_argument(
        "studies", nargs="+", metavar="STUDY", help="two studies or more, as `nas-moo studies` lists them"
    )
    add_storage(parser)
    parser.add_argument("--out", type=Path, default=Path("comparison"), metavar="DIR", help="default: comparison")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Run the command."""
    from nas_moo.study.storage import load_study
    from reports.compare import write_comparison

    page = write_comparison([load_study(name, parsed.storage) for name in parsed.studies], parsed.out)
    if parsed.json:
        files = sorted(str(p.relative_to(page.parent)) for p in page.parent.rglob("*") if p.is_file())
        print_json({"studies": parsed.studies, "page": str(page), "files": files})
        return 0
    print(f"Comparison of {', '.join(parsed.studies)}: {page}")
    return 0
