"""``nas-moo audit``: what each pruner would have saved and lost, without training anything."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from nas_moo.cli.options import Commands, add_storage, load, print_json
from nas_moo.errors import UserInputError
from nas_moo.measurement import counted

_FINISHED = 100


def add(commands: Commands) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "audit",
        help="what each pruner would have saved and lost on finished trainings",
        description="Judge every pruner on finished trainings, without training anything. Of a study, each complete "
        "training is judged by a pruner fitted to all others; of a recorded table, each pruner is fitted to some rows "
        "drawn at random and judges all others, whose ends are known.",
    )
    parser.add_argument("study", metavar="STUDY", help="name of a study, or TABLE.toml, which describes a table")
    parser.add_argument(
        "--finished", type=int, metavar="N", help=f"of a table: rows that a pruner is fitted to (default: {_FINISHED})"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="of a table: of the draw of those rows (default: 0)")
    parser.add_argument(
        "--pruner",
        action="append",
        default=[],
        metavar="NAME",
        help="front, rank, median, halving, never or optuna:CLASS; repeatable (default: all of nas-moo)",
    )
    parser.add_argument("--pruner-quantile", type=float, metavar="Q", help="of front")
    add_storage(parser)
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Run the command."""
    document = _of_table(parsed) if parsed.study.endswith(".toml") else _of_study(parsed)
    if parsed.json:
        print_json(document)
    else:
        _print(document)
    return 0


def _of_study(parsed: argparse.Namespace) -> dict[str, Any]:
    for option, given in (("--finished", parsed.finished), ("--seed", parsed.seed)):
        if given is not None:
            raise UserInputError("of a study all complete trainings are used", value=option, do=f"Leave out {option}.")
    from nas_moo.hindsight import controls, curves, pruned_for_good
    from nas_moo.pruners.audit import audit_study

    result = load(parsed)
    known, arm = curves(result), controls(result)
    found = audit_study(known.finished, audited(parsed.pruner, parsed.pruner_quantile))
    return {
        "study": result.name,
        "unit": next((o.unit for o in result.objectives if o.stage == "trained"), ""),
        "complete": len(known.finished),
        "pruned": len(pruned_for_good(result)),
        "control_arm": None if arm is None else arm.to_dict(),
        "pruners": [a.to_dict() for a in found],
    }


def _of_table(parsed: argparse.Namespace) -> dict[str, Any]:
    import numpy as np

    from nas_moo.pruners import FinishedCurves
    from nas_moo.pruners.audit import audit_table
    from nas_moo.replay.table import load_table

    if parsed.storage is not None:
        raise UserInputError("a table is in no storage", value=parsed.storage, do="Leave out --storage.")
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
    return {"table": table.name, "unit": "fraction", "fitted_to": count, "pruners": [a.to_dict() for a in found]}


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
    from nas_moo.pruners.control import BOX

    if "table" in document:
        judged = document["pruners"][0]["judged"]
        print(f"{document['table']}: fitted to {counted(document['fitted_to'], 'row')}, judged on the other {judged}\n")
    else:
        print(
            f"{document['study']}: {document['complete']} complete trainings, each judged by all others; "
            f"{counted(document['pruned'], 'training')} given up for good beside them\n"
        )
    print_audits(document["pruners"], document["unit"])
    print(f"\n{BOX}")
    if arm := document.get("control_arm"):
        shares = [arm[name] for name in ("nondominated", "below_bound")]
        told = [f"{s['hits']} of {s['n']} (95 %: {s['low']:.1%} to {s['high']:.1%})" for s in shares if s["n"]]
        words = [f"{t} {what}" for t, what in zip(told, ("non-dominated", "below their bound"), strict=False)]
        print(f"\nControl arm: {', '.join(words) or 'no decision was overruled'}")


def print_audits(audits: list[dict[str, Any]], unit: str) -> None:
    """A line a pruner; the regret of errors that are fractions is shown in points."""
    scale, shown = (100, "points") if unit == "fraction" else (1, unit)
    regret, width = f"regret ({shown})", max(12, *(len(row["pruner"]) for row in audits))
    print(
        f"{'pruner':<{width}} {'stopped':>8} {'epochs saved':>13} {'front lost':>11} {'volume lost':>12} {regret:>16}"
    )
    for row in audits:
        regret = "-" if row["regret_lost"] is None else f"{scale * row['regret_lost']:.2f}"
        lost = f"{row['front_lost']} of {row['front']}"
        print(
            f"{row['pruner']:<{width}} {row['stopped']:>8} {row['saved']:>13.1%} {lost:>11} "
            f"{row['hypervolume_lost']:>12.2%} {regret:>16}"
        )
