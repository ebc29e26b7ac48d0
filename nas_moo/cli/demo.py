"""``nas-moo demo``: a whole search on real data, in about half a minute."""

from __future__ import annotations

import argparse
from pathlib import Path

from nas_moo.cli.options import Commands, add_json, print_json

SPACE, DATA, TRIALS, EPOCHS = "convnet", "digits", 30, 8


def add(commands: Commands) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "demo",
        help="a first Pareto front in under a minute, on a CPU, nothing to download",
        description=f"Search `{SPACE}` on scikit-learn's digits with {TRIALS} trainings of {EPOCHS} epochs, write the "
        "report and name the model to deploy.",
    )
    parser.add_argument("--out", type=Path, default=Path("nas-moo-demo"), metavar="DIR", help="default: %(default)s")
    add_json(parser)
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Run the command."""
    from nas_moo.cli.display import Display, print_front
    from nas_moo.samplers import DEFAULT_SAMPLER
    from nas_moo.study.config import configure
    from nas_moo.study.run import run as run_search

    setup = configure(SPACE, DATA, trials=TRIALS, epochs=EPOCHS, sampler=DEFAULT_SAMPLER)
    with Display(setup) as display:
        result = run_search(setup, str(parsed.out / "nas-moo.db"), display)
    choice = result.choose()
    page = result.report(parsed.out / "report")
    if parsed.json:
        print_json({"study": result.name, "page": str(page), "choice": choice.to_dict()})
        return 0
    print_front(result)
    place = f"--storage {parsed.out / 'nas-moo.db'}"
    print(f"\nDeploy {choice.id}: {choice.reason}.")
    print(f"Report: {page}")
    print(f"\nNext:  nas-moo choose {result.name} {place} --max flops=100k")
    print(f"       nas-moo show {result.name} {place} --model {choice.id}")
    return 0
