"""``nas-moo studies``: list them, delete one."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from nas_moo.cli.options import Commands, add_storage, print_json
from nas_moo.errors import UserInputError

if TYPE_CHECKING:
    from nas_moo.study.storage import Storage


def add(commands: Commands) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "studies", help="list the studies, or delete one", description="List the studies of a storage, or delete one."
    )
    parser.add_argument("--delete", metavar="STUDY", help="delete this study with its weights and its log")
    parser.add_argument("--yes", action="store_true", help="delete without asking")
    add_storage(parser)
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Run the command."""
    from nas_moo.study.database import default_storage
    from nas_moo.study.storage import Storage

    storage = Storage(default_storage(parsed.storage))
    if parsed.delete is not None:
        return _delete(storage, parsed)
    if parsed.yes:
        raise UserInputError("there is nothing to confirm", value="--yes", do="Give --delete STUDY with it.")
    results = [storage.open(name).result() for name in storage.names()]
    rows = [
        {
            "study": r.name,
            "trained": r.done,
            "asked": r.description["trials"],
            "front": int(r.trials["front"].sum()),
            "objectives": [o.name for o in r.objectives],
            "created": r.description["created"],
        }
        for r in results
    ]
    if parsed.json:
        print_json({"storage": storage.place, "studies": rows})
        return 0
    if not rows:
        print(f"No studies in {storage.place}.")
    for row in rows:
        print(
            f"{row['study']:<28} {row['trained']:>4} of {row['asked']:<4} trained   front {row['front']:<3} "
            f"{', '.join(row['objectives'])}   {row['created']}"
        )
    return 0


def _delete(storage: Storage, parsed: argparse.Namespace) -> int:
    from nas_moo.measurement import counted
    from nas_moo.study.liveness import live_workers

    name = parsed.delete
    study = storage.open(name)
    if workers := live_workers(study):
        raise UserInputError("this study is being searched", value=", ".join(workers), do="Stop the search first.")
    if not parsed.yes:
        if not sys.stdin.isatty():
            raise UserInputError("nobody is there to confirm", value=f"--delete {name}", do="Add --yes.")
        answer = input(
            f"Delete {name} with {counted(len(study.trials()), 'trial')}, its weights and its log? Type its name: "
        )
        if answer.strip() != name:
            raise UserInputError("the name does not match; nothing was deleted", value=answer, do=f"Type {name}.")
    storage.delete(name)
    if parsed.json:
        print_json({"deleted": name})
    else:
        print(f"Deleted {name}.")
    return 0
