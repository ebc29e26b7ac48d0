"""Options of a session, from the command line; heavy imports only where they are used."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from nas_moo.errors import UserInputError
from nas_moo.measurement import parse_quantity

if TYPE_CHECKING:
    from nas_moo.measure.session import Session


def add_options(parser: argparse.ArgumentParser) -> None:
    """How finalists are timed."""
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON lines, one a model and mode")
    parser.add_argument(
        "--mode",
        action="append",
        metavar="NAME",
        help="latency, latency_eager, latency_compiled, latency_onnx or latency_trt; repeatable (default: latency)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1 (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="examples in a call (default: %(default)s)")
    parser.add_argument(
        "--precision", default="1%", metavar="SHARE", help="that a round's interval shall reach (default: 1%%)"
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="of all models (default: %(default)s)")
    parser.add_argument("--cold-cache", action="store_true", help="empty the device's caches before each call")
    parser.add_argument("--seed", type=int, default=0, help="of the order in each round (default: %(default)s)")


def read_session(parsed: argparse.Namespace) -> Session:
    """The session that the options describe.

    Raises:
        UserInputError: one of them cannot be had, or the file to write is there already.
    """
    from nas_moo.device import resolve_device
    from nas_moo.measure.session import Session

    if parsed.out.exists():
        raise UserInputError(
            "the file to write is there already", value=str(parsed.out), do="Name a new one; a report joins several."
        )
    if not parsed.out.absolute().parent.is_dir():
        raise UserInputError(
            "there is no folder for the file to write", value=str(parsed.out), do="Make the folder, or name another."
        )
    return Session(
        device=resolve_device(parsed.device),
        modes=tuple(parsed.mode or ("latency",)),
        batch=parsed.batch,
        precision=parse_quantity(parsed.precision, "fraction"),
        rounds=parsed.rounds,
        cold_cache=parsed.cold_cache,
        seed=parsed.seed,
    )
