"""``nas-moo report``: one folder with a page, figures and tables."""

from __future__ import annotations

import argparse
from pathlib import Path

from nas_moo.cli.options import Commands, add_study, load, print_json


def add(commands: Commands) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "report",
        help="write a study as one folder: index.html, figures, CSV",
        description="Write a study as one folder: index.html (one file, works offline), figures as PNG and SVG, tables "
        "as CSV, and front.json. Opens the sealed test errors of the front and records that it did.",
    )
    add_study(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: STUDY-report")
    parser.add_argument(
        "--measurements", action="append", default=[], metavar="FILE",
        help="finalists as `nas-moo measure` timed them, here or elsewhere; repeatable",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Run the command."""
    result = load(parsed)
    page = result.report(parsed.out, parsed.measurements)
    if parsed.json:
        files = sorted(str(p.relative_to(page.parent)) for p in page.parent.rglob("*") if p.is_file())
        print_json({"study": result.name, "page": str(page), "files": files})
        return 0
    print(f"Report of {result.name}: {page}")
    return 0
