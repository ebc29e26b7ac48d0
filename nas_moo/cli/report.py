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
        "as CSV, and front.json. Opens the sealed test errors of the front and records that it did. An earlier report "
        "in the folder is replaced.",
    )
    add_study(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: STUDY-report, or STUDY-FORMAT")
    parser.add_argument(
        "--format", default="html", metavar="FORMAT",
        help="html: everything (default); md: the same page as Markdown, with its PNG and CSV files; png: the figures "
        "alone; csv: the tables alone",
    )  # fmt: skip
    parser.add_argument(
        "--measurements", action="append", default=[], metavar="FILE",
        help="finalists as `nas-moo measure` timed them, here or elsewhere; repeatable",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Run the command."""
    result = load(parsed)
    page = result.report(parsed.out, parsed.measurements, parsed.format)
    if parsed.json:
        folder = page if parsed.format == "csv" else page.parent
        files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
        print_json({"study": result.name, "format": parsed.format, "page": str(page), "files": files})
        return 0
    print(f"Report of {result.name}: {page}")
    return 0
