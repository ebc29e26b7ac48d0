"""``nas-moo status``: how far a study is."""

from __future__ import annotations

import argparse

from nas_moo.cli.options import Commands, add_study, print_json


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
    from nas_moo.hindsight import controls
    from nas_moo.study.database import default_storage
    from nas_moo.study.liveness import live_workers
    from nas_moo.study.storage import Storage

    study = Storage(default_storage(parsed.storage)).open(parsed.study)
    result, workers = study.result(), live_workers(study)
    counts = result.trials.groupby(["state", "kind"]).size().reset_index(name="trials")
    outcomes = counts.to_dict(orient="records")
    pruning = controls(result)
    document = {
        "study": result.name,
        "trained": result.done,
        "asked": result.description["trials"],
        "outcomes": outcomes,
        "front": int(result.trials["front"].sum()),
        "seconds": float(result.trials["seconds"].sum()),
        "pruning": None if pruning is None else pruning.to_dict(),
        "workers": workers,
        "log": str(study.folder / "log.jsonl"),
    }
    if parsed.json:
        print_json(document)
        return 0
    state = f"{len(workers)} at work" if workers else "nobody is at work"
    print(f"{result.name}: {document['trained']} of {document['asked']} trainings done, {state}")
    for outcome in outcomes:
        kind = f" ({outcome['kind']})" if outcome["kind"] else ""
        print(f"  {outcome['trials']:>5} {outcome['state']}{kind}")
    print(f"  {document['front']:>5} on the front")
    if pruning is not None:
        hits, n, (low, high) = pruning.nondominated.hits, pruning.nondominated.n, pruning.nondominated.interval
        told = (
            f"{hits} of them not dominated ({100 * low:.2g} to {100 * high:.2g} %)"
            if n
            else "so nobody knows what was lost"
        )
        print(f"  {n:>5} decisions to prune overruled, {told}")
    print(f"Spent {document['seconds']:.0f} s in trials; log: {document['log']}")
    return 0
