"""``nas-moo audit``: what each pruner would have saved and lost, without training anything."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from nas_moo.cli.options import Commands, add_json, print_json
from nas_moo.errors import UserInputError

_FINISHED = 100


def add(commands: Commands) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "audit",
        help="what each pruner would have saved and lost on finished trainings",
        description="Judge every pruner on finished trainings, without training anything. Of a recorded table, each is "
        "fitted to some rows drawn at random and judges all others, whose ends are known.",
    )
    parser.add_argument("study", metavar="TABLE.toml", help="description of a recorded table")
    parser.add_argument("--finished", type=int, metavar="N", help=f"rows that a pruner is fitted to ({_FINISHED})")
    parser.add_argument("--seed", type=int, metavar="N", help="of the draw of those rows (default: 0)")
    parser.add_argument(
        "--pruner",
        action="append",
        default=[],
        metavar="NAME",
        help="front, rank, median, halving, never or optuna:CLASS; repeatable (default: all of nas-moo)",
    )
    parser.add_argument("--pruner-quantile", type=float, metavar="Q", help="of front")
    add_json(parser)
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Run the command."""
    if not parsed.study.endswith(".toml"):
        raise UserInputError(
            "this is no description of a table", value=parsed.study, do="Give a path that ends in .toml."
        )
    document = _audit(parsed)
    if parsed.json:
        print_json(document)
    else:
        _print(document)
    return 0


def _audit(parsed: argparse.Namespace) -> dict[str, Any]:
    import numpy as np

    from nas_moo.pruners import FinishedCurves
    from nas_moo.pruners.audit import audit_table
    from nas_moo.replay.table import load_table

    table = load_table(Path(parsed.study))
    rows = FinishedCurves(table.epochs, table.errors, table.costs, table.costs)
    count = _FINISHED if parsed.finished is None else parsed.finished
    if not 0 < count < len(table):
        raise UserInputError(
            f"the table has {len(table)} rows: so many cannot be fitted to",
            value=count,
            do="Give a smaller --finished.",
        )
    fitted = np.random.default_rng(parsed.seed or 0).permutation(len(table))[:count]
    found = audit_table(rows, fitted, audited(parsed.pruner, parsed.pruner_quantile))
    return {"table": table.name, "fitted_to": count, "pruners": [a.to_dict() for a in found]}


def audited(names: list[str], quantile: float | None) -> list[Any]:
    """The pruners that are asked for; all of nas-moo where none is."""
    from nas_moo.pruners import PRUNERS, WITH_QUANTILE, load_pruner

    wanted = names or list(PRUNERS)
    if quantile is not None and not set(wanted) & set(WITH_QUANTILE):
        raise UserInputError("these pruners have no quantile", value=wanted, do="Leave out --pruner-quantile.")
    pruners = [load_pruner(name, quantile if name in WITH_QUANTILE else None) for name in wanted]
    for pruner in pruners:
        if pruner.caution and pruner.name in names:
            print(f"{pruner.name}: {pruner.caution}", file=sys.stderr)
    return pruners


def _print(document: dict[str, Any]) -> None:
    judged = document["pruners"][0]["judged"]
    print(f"{document['table']}: fitted to {document['fitted_to']} rows, judged on the other {judged}\n")
    print_audits(document["pruners"])


def print_audits(audits: list[dict[str, Any]]) -> None:
    """A line a pruner."""
    print(f"{'pruner':<12} {'stopped':>8} {'epochs saved':>13} {'front lost':>11} {'volume lost':>12} {'regret':>8}")
    for row in audits:
        regret = "-" if row["regret_lost"] is None else f"{row['regret_lost']:.4f}"
        lost = f"{row['front_lost']} of {row['front']}"
        print(
            f"{row['pruner']:<12} {row['stopped']:>8} {row['saved']:>13.1%} {lost:>11} "
            f"{row['hypervolume_lost']:>12.2%} {regret:>8}"
        )
