"""``nas-moo status``: how far a study is."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nas_moo.cli.options import Commands, add_study, print_json

if TYPE_CHECKING:
    import pandas as pd

    from nas_moo.pruners.control import ControlReport

_SHORTEST_WAIT_S = 0.5  # that is told: who shares a device with nobody waits some milliseconds for its turn, too


def add(commands: Commands) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "status",
        help="how far a study is, and who works on it",
        description="How far a study is, what became of its trials, and which workers are alive.",
    )
    add_study(parser)
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Run the command."""
    from nas_moo.hindsight import controls, pruned_for_good
    from nas_moo.study.database import default_storage
    from nas_moo.study.liveness import live_workers
    from nas_moo.study.storage import Storage

    study = Storage(default_storage(parsed.storage)).open(parsed.study)
    result, workers = study.result(), live_workers(study)
    outcomes = _outcomes(result.trials, set(pruned_for_good(result)["number"]))
    waited = result.trials["seconds_waiting"].sum() if "seconds_waiting" in result.trials else 0.0
    pruning = controls(result)
    document = {
        "study": result.name,
        "trained": result.done,
        "asked": result.description["trials"],
        "outcomes": outcomes,
        "front": int(result.trials["front"].sum()),
        "seconds": float(result.trials["seconds"].sum()),
        "seconds_waiting": float(waited),
        "pruning": None if pruning is None else pruning.to_dict(),
        "workers": workers,
        "log": str(study.folder / "log.jsonl"),
    }
    if parsed.json:
        print_json(document)
        return 0
    _print(document, pruning)
    return 0


def _outcomes(trials: pd.DataFrame, for_good: set[int]) -> list[dict[str, Any]]:
    """What became of the trials; of pruned ones also how many another trial has gone on with to an end."""
    rows = []
    for (state, kind), group in trials.groupby(["state", "kind"]):
        went_on = len(set(group["number"]) - for_good) if state == "pruned" else 0
        rows.append({"state": state, "kind": kind, "trials": len(group), "went_on": went_on})
    return rows


def _print(document: Mapping[str, Any], pruning: ControlReport | None) -> None:
    from nas_moo.measurement import counted
    from nas_moo.samplers.grid import duration

    state = f"{len(document['workers'])} at work" if document["workers"] else "nobody is at work"
    print(f"{document['study']}: {document['trained']} of {counted(document['asked'], 'training')} done, {state}")
    for outcome in document["outcomes"]:
        kind = f" ({outcome['kind']})" if outcome["kind"] else ""
        later = f", of which {outcome['went_on']} went on" if outcome["went_on"] else ""
        print(f"  {outcome['trials']:>5} {outcome['state']}{kind}{later}")
    print(f"  {document['front']:>5} on the front")
    if pruning is not None:
        hits, n, (low, high) = pruning.nondominated.hits, pruning.nondominated.n, pruning.nondominated.interval
        told = (
            f"{hits} of them not dominated ({100 * low:.2g} to {100 * high:.2g} %)"
            if n
            else "so nobody knows what was lost"
        )
        print(f"  {n:>5} {'decision' if n == 1 else 'decisions'} to prune overruled, {told}")
        if pruning.others:
            print(f"        (by {pruning.asked}, which decided last; {pruning.others} more by other pruners)")
    waited = document["seconds_waiting"]
    waiting = f", of which {duration(waited)} waiting for the device" if waited >= _SHORTEST_WAIT_S else ""
    print(f"Spent {duration(document['seconds'])} in trials{waiting}; log: {document['log']}")
