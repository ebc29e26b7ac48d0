"""``nas-moo doctor``: what this installation and this machine can do."""

from __future__ import annotations

import argparse

from nas_moo.cli.options import Commands, add_storage, print_json
from nas_moo.errors import NasMooError, hide_password


def add(commands: Commands) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "doctor",
        help="versions, devices, storage, and whether timing here can be trusted",
        description="Versions, devices, storage, and whether timing on this machine can be trusted.",
    )
    add_storage(parser)
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Run the command."""
    from nas_moo.device import fingerprint, resolve_device, timing_trust
    from nas_moo.study.config import installed_versions
    from nas_moo.study.database import default_storage

    device = resolve_device("auto")
    findings = timing_trust(device)
    place = default_storage(parsed.storage)
    document = {
        "versions": installed_versions(),
        "device": fingerprint(device).to_dict(),
        "storage": {"place": hide_password(place), "state": _storage(place)},
        "timing": [vars(f) for f in findings],
    }
    if parsed.json:
        print_json(document)
        return 0
    for title, facts in (("Versions", document["versions"]), ("Device", document["device"])):
        print(title)
        for key, value in facts.items():  # type: ignore[attr-defined]
            if value is not None:
                print(f"  {key:<14} {value}")
    print(f"Storage\n  {hide_password(place)}: {_storage(place)}\nTiming")
    for finding in findings:
        advice = f" - {finding.advice}" if finding.advice else ""
        print(f"  {finding.name:<14} {finding.trust}: {finding.value}{advice}")
    return 0


def _storage(place: str) -> str:
    from nas_moo.study.storage import Storage

    try:
        names = Storage(place).names()
    except NasMooError as error:
        return str(error)
    return f"{len(names)} studies"
