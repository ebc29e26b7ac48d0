"""A session's lines into a file, each as soon as it is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nas_moo.measure.front import FrontFile
from nas_moo.measure.session import Say, Session, run, summary


def write(out: Path, front: FrontFile, session: Session, say: Say) -> list[dict[str, Any]]:
    """Time the models of a front into ``out``.

    Returns:
        The lines of models, without the session's.
    """
    lines: list[dict[str, Any]] = []
    partial = out.with_name(f"{out.name}.partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            for line in run(front, session, say):
                file.write(json.dumps(line, allow_nan=False) + "\n")
                if line["kind"] != "session":
                    lines.append(line)
                    say(summary(line))
    except BaseException:
        partial.unlink(missing_ok=True)  # its rounds are not whole
        raise
    partial.replace(out)
    return lines
