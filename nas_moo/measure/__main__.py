"""``python -m nas_moo.measure front.json --out FILE``: for a machine that has PyTorch and the search space alone."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from nas_moo.errors import NasMooError
from nas_moo.measure.options import add_options, read_session


def main(argv: list[str] | None = None) -> int:
    """Time the models of a front.json; the exit code is that of ``nas-moo``."""
    parser = argparse.ArgumentParser(
        prog="python -m nas_moo.measure", description="Time the models of a study's front on this machine.",
        allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("front", type=Path, metavar="front.json", help="as `nas-moo report` leaves it")
    parser.add_argument("--space", help="where the search space is here; default where it was on the study's machine")
    add_options(parser)
    parsed = parser.parse_args(argv)
    try:
        from nas_moo.measure.front import read_front
        from nas_moo.measure.write import write

        write(parsed.out, read_front(parsed.front, parsed.space), read_session(parsed), _say)
    except NasMooError as error:
        _say(f"nas-moo: {error.what}: {error.value}\n  {error.do}")
        return error.exit_code
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
