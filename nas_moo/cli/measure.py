"""``nas-moo measure``: time the finalists of a study again, carefully, on this machine."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from nas_moo.cli.options import Commands, add_study, load, print_json
from nas_moo.errors import UserInputError
from nas_moo.measure.options import add_options, read_session


def add(commands: Commands) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "measure",
        help="time the finalists again, carefully, on this machine",
        description="Time models of a study's front again, in interleaved rounds against a reference network, and "
        "write what `nas-moo report STUDY --measurements FILE` joins. On a machine that has PyTorch and the space "
        "alone: python -m nas_moo.measure front.json --out FILE.",
    )
    add_study(parser)
    parser.add_argument(
        "--front",
        type=int,
        default=8,
        metavar="N",
        help="the chosen model and others along the front (default: 8)",
    )
    add_options(parser)
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Run the command."""
    import json

    from nas_moo.measure.front import parse_front
    from nas_moo.measure.write import write
    from reports.tables import front_json

    if parsed.front < 1:
        raise UserInputError("there is nothing to time", value=f"--front {parsed.front}", do="Give 1 or more.")
    result = load(parsed)
    chosen = result.choose().id
    document = json.loads(front_json(result))
    document["models"] = along(document["models"], chosen, parsed.front)
    session = read_session(parsed)
    lines = write(
        parsed.out, parse_front(document, result.name), session, lambda text: print(text, file=sys.stderr, flush=True)
    )
    if parsed.json:
        print_json({"study": result.name, "file": str(parsed.out), "models": lines})
        return 0
    place = f" --storage {parsed.storage}" if parsed.storage else ""
    print(f"Next:  nas-moo report {result.name}{place} --measurements {parsed.out}")
    return 0


def along(models: list[dict[str, Any]], chosen: str, most: int) -> list[dict[str, Any]]:
    """The chosen model and, evenly along the front, as many others as make ``most``."""
    if len(models) <= most:
        return models
    others = [m for m in models if m["id"] != chosen]
    last = len(others) - 1
    places = {round(i * last / max(1, most - 2)) for i in range(most - 1)}
    keep = {chosen, *(str(others[place]["id"]) for place in places)}
    return [m for m in models if m["id"] in keep]
