"""``nas-moo show``: everything that is known of one model."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from nas_moo.cli.options import Commands, add_study, load, print_json

if TYPE_CHECKING:
    import pandas as pd


def add(commands: Commands) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "show",
        help="everything that is known of one model",
        description="Everything that is known of one model: its architecture, how each number was measured, its curve.",
    )
    add_study(parser)
    parser.add_argument("--model", required=True, metavar="ID", help="the beginning of its id or digest")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Run the command."""
    result = load(parsed)
    row = result.find(parsed.model)
    genes = {c.removeprefix("gene_"): row[c] for c in row.index if c.startswith("gene_") and row[c] is not None}
    measured = result.measurements[result.measurements["number"] == row["number"]]
    curve = result.epochs[result.epochs["number"] == row["number"]]
    decided = result.prunings[result.prunings["number"] == row["number"]].astype(object)  # whole numbers stay whole
    decision = None if decided.empty else decided.where(decided.notna(), None).iloc[0]
    if parsed.json:
        print_json(
            {
                "study": result.name,
                **{k: row[k] for k in ("number", "id", "digest", "network_digest", "state", "kind", "reason", "front")},
                "architecture": genes,
                "measurements": measured.drop(columns=["number", "id"]).to_dict(orient="records"),
                "curve": curve.drop(columns=["number", "id"]).to_dict(orient="records"),
                "seconds": row["seconds"],
                "pruning": None if decision is None else decision.drop(["number", "id"]).to_dict(),
                "continues": None if row.isna()["continues"] else row["continues"],
            }
        )
        return 0
    from nas_moo.cli.display import interval_text
    from nas_moo.measurement import counted

    where = ", on the front" if row["front"] else ""
    where += "" if row.isna()["continues"] else f", goes on with trial {row['continues']}"
    why = f" ({row['reason']})" if row["reason"] else ""
    print(f"Model {row['digest']} of {result.name}: trial {row['number']}, {row['state']}{why}{where}")
    print("\nArchitecture")
    for name, value in genes.items():
        print(f"  {name:<24} {value}")
    print("\nMeasurements")
    for _, m in measured.iterrows():
        value = interval_text(row, m["objective"], m["unit"])
        caveats = "".join(f", {caveat}" for caveat in m["details"].get("caveats", ()))
        print(f"  {m['objective']:<16} {value}   {m['interval']}, n = {m['n']}{caveats}")
        print(f"  {'':<16} {m['method']}")
    if not curve.empty:
        errors = ", ".join(f"{e:.4g}" for e in curve["error"])
        print(f"\nCurve over {counted(len(curve), 'epoch')}\n  {errors}")
    if decision is not None:
        _print_decision(decision, next(o.unit for o in result.objectives if o.stage == "trained"))
    return 0


def _print_decision(decision: pd.Series, unit: str) -> None:
    """What the pruner, or the sampler, knew when it wanted to stop the training."""
    from nas_moo.measurement import counted, format_quantity

    what = "overruled" if decision["control"] else "outbid" if decision["outbid"] else "stopped"
    after = counted(int(decision["epoch"]), "epoch")
    print(f"\nPruning: {what} after {after} by {decision['pruner']}, from {counted(decision['finished'], 'trial')}")
    print(f"  {decision['reason']}")
    told = {"error then": "last_error", "predicted end": "predicted", "possible end": "bound", "threshold": "threshold"}
    for label, column in told.items():
        if decision.notna()[column]:
            print(f"  {label:<16} {format_quantity(decision[column], unit, 4)}")
    if decision.notna()["rival"]:
        error = format_quantity(decision["rival_error"], unit, 4)
        print(f"  {'rival':<16} trial {decision['rival']} with {error}, at costs no higher")
