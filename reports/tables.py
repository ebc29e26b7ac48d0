"""The tables of a report as files: CSV for people and other programs, and JSON for the machine that times the front."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from nas_moo.errors import CorruptError
from nas_moo.genome import Architecture
from nas_moo.results import StudyResult
from reports.quantities import trained_objective

_DECIDED = {
    "last_error": "validation data after the epoch of the decision",
    "predicted": "final error that was expected",
    "bound": "lowest final error that was thought possible",
    "threshold": "what pruners that are blind to costs compared the last error with",
    "rival_error": "of the finished trial that was better at costs no higher",
}
_FORMULA = ("=", "+", "-", "@", "\t", "\n", "＝", "＋", "－", "＠")


def csv_files(result: StudyResult, opened: pd.DataFrame) -> dict[str, bytes]:
    """The CSV files by name; ``columns.csv`` says the unit and the method of each number in the others."""
    front = result.front()
    test = front[["id"]].merge(opened.drop_duplicates("id"), on="id", how="left")
    trained = trained_objective(result)
    at = 1 if trained is None else list(front.columns).index(f"{trained.name}_high") + 1
    for name in ("test_high", "test_low", "test"):
        front.insert(at, name, test[name])
    tables = {
        "trials.csv": result.trials, "epochs.csv": result.epochs, "prunings.csv": result.prunings, "front.csv": front
    }  # fmt: skip
    tables["columns.csv"] = _columns(result, tables)
    return {name: as_csv(table, _whole(result)) for name, table in tables.items()}


def _whole(result: StudyResult) -> set[str]:
    """Columns of genes whose values are whole numbers, which gaps had turned into floats."""
    genes = result.description.get("genome", ())
    return {
        f"gene_{g['name']}"
        for g in genes
        if g.get("kind") == "integer" or (g.get("choices") and all(type(c) is int for c in g["choices"]))
    }


def as_csv(table: pd.DataFrame, whole: Collection[str] = ()) -> bytes:
    """A table as a file in which no text runs as a formula; ``whole`` names columns of whole numbers."""
    safe = table.copy()
    for name in safe.columns:
        if name in whole:
            safe[name] = safe[name].astype("Int64")
        if not pd.api.types.is_numeric_dtype(safe[name]) and any(_harmless(v) is not v for v in safe[name].unique()):
            safe[name] = safe[name].map(_harmless, na_action="ignore")
    safe.columns = [_harmless(name) for name in safe.columns]
    return safe.to_csv(index=False, lineterminator="\n").encode()


def _harmless(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula, behind an apostrophe."""
    if not isinstance(value, str):
        return value
    value = value.replace("\r\n", "\n").replace("\r", "\n")  # pandas leaves it bare, and readers see a new row
    if not value.startswith(_FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def _columns(result: StudyResult, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    known: dict[str, tuple[str, str]] = {}
    for objective in result.objectives:
        for suffix in ("", "_low", "_high"):
            known[f"{objective.name}{suffix}"] = (objective.unit, objective.method)
    trained = trained_objective(result)
    if trained is not None:
        for name in ("test", "test_low", "test_high"):
            known[name] = (trained.unit, f"as {trained.name}, on the sealed test data")
    curve = {"error": (trained.unit, "validation data after the epoch")} if trained is not None else {}
    curve |= {"train_loss": ("nats", "mean of the epoch"), "seconds": ("s", "wall clock")}
    decided = {} if trained is None else {n: (trained.unit, m) for n, m in _DECIDED.items()}
    rows = []
    for file, table in tables.items():
        for name in table.columns:
            found = {"epochs.csv": curve, "prunings.csv": decided}.get(file, known)
            seconds = ("s", "wall clock") if str(name).startswith("seconds") else ("", "")
            rows.append((file, str(name), *found.get(str(name), seconds)))
    return pd.DataFrame(rows, columns=["file", "column", "unit", "method"])


def front_json(result: StudyResult) -> bytes:
    """The front as a target machine needs it to build and time its models again.

    Raises:
        CorruptError: the genes of a model do not give its digest.
    """
    about = result.description
    data, space = about.get("data") or {}, about.get("space") or {}
    genome = {str(g["name"]): g for g in about.get("genome", ())}
    models = []
    for _, row in result.trials[result.trials["front"]].sort_values(
        [o.name for o in result.objectives], kind="stable"
    ).iterrows():  # fmt: skip
        values = architecture_values(row, genome)
        models.append(
            {
                "id": row["id"], "digest": row["digest"], "network_digest": row["network_digest"],
                "architecture": values, "objectives": _measured(result, int(row["number"])),
            }
        )  # fmt: skip
    document = {
        "format": 1, "study": result.name, "space": space.get("reference"), "code_digest": space.get("code_digest"),
        "input_shape": data.get("input_shape"), "n_classes": data.get("n_classes"), "models": models,
    }  # fmt: skip
    return (json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _measured(result: StudyResult, number: int) -> dict[str, dict[str, Any]]:
    rows = result.measurements[result.measurements["number"] == number]
    return {
        str(m["objective"]): {
            "value": float(m["value"]), "unit": m["unit"], "low": float(m["low"]), "high": float(m["high"]),
            "interval": m["interval"], "method": m["method"],
        }
        for _, m in rows.iterrows()
    }  # fmt: skip


def architecture_values(row: pd.Series, genome: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The active genes of a row of ``trials`` with the types that the table took from them.

    A column with gaps holds its whole numbers as floats; the digest tells whether they were read back right.

    Raises:
        CorruptError: they do not give the row's digest.
    """
    values: dict[str, Any] = {}
    for name, gene in genome.items():
        if _is_active(gene, values, genome):
            values[name] = _typed(row[f"gene_{name}"], gene)
    if Architecture(values).digest != row["digest"]:
        raise CorruptError(
            "the genes of a model do not give its digest", value=row["id"], do="Export the study again; report this."
        )
    return values


def _is_active(gene: Mapping[str, Any], values: Mapping[str, Any], genome: Mapping[str, Mapping[str, Any]]) -> bool:
    condition = gene.get("active")
    if not condition:
        return True
    if condition["gene"] not in values:
        return False
    value = values[condition["gene"]]
    if "one_of" in condition:
        return value in condition["one_of"]
    choices = genome[condition["gene"]].get("choices")
    if choices is not None:
        return bool(choices.index(value) >= choices.index(condition["at_least"]))
    return bool(value >= condition["at_least"])


def _typed(value: Any, gene: Mapping[str, Any]) -> Any:
    if gene.get("kind") == "integer":
        return int(value)
    if gene.get("kind") == "real":
        return float(value)
    if pd.isna(value):
        return None
    alike = [c for c in gene.get("choices", ()) if c == value]
    return next((c for c in alike if isinstance(c, bool) == (type(value).__name__ in ("bool", "bool_"))), value)
