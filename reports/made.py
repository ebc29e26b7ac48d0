"""How was this made? Everything that another person needs to make it again, and what the words mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nas_moo.measurement import counted
from nas_moo.results import StudyResult
from reports.quantities import quantity
from reports.section import Cell, Section, Table

QUESTION = "How was this made?"
DEFINITIONS = (
    ("FLOPs", "one multiply-add counts as one FLOP (fvcore's convention), in a forward pass; others count two."),
    ("front", "the complete models that no other complete one beats or equals everywhere while beating it somewhere."),
    (
        "knee",
        "the point of the front nearest to the best of every objective, each counted by its range there (Zeleny 1973).",
    ),
    ("tie", "a model whose intervals leave open that it is as good as another one in every objective."),
)


def section(result: StudyResult) -> Section:
    """The question's part of the page."""
    about = result.description
    tables = (
        _facts("Study", _study(about)),
        _runs(about.get("runs") or ()),
        _facts("Data", _data(about.get("data") or {})),
        _objectives(result),
        _genome(about.get("genome") or ()),
        _facts("Device", _flat(about.get("device") or {})),
        _facts("Versions", _flat(about.get("versions") or {})),
        _facts("Words", DEFINITIONS),
    )
    return Section("made", QUESTION, tables=tuple(t for t in tables if t is not None and t.rows))


def _facts(title: str, facts: Iterable[tuple[str, str]]) -> Table:
    return Table(("", ""), tuple((Cell(name, strong=True), text) for name, text in facts if text != ""), title=title)


def _study(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    space = about.get("space") or {}
    return [
        ("command", _text(about.get("command"))),
        ("created", _text(about.get("created"))),
        ("search space", _text(space.get("reference"))),
        ("code of the space", _text(space.get("code_digest"))),
        ("sampler", _text(about.get("sampler"))),
        ("pruner", _pruner(about)),
        ("trials asked for", _text(about.get("trials"))),
        ("epochs", _text(about.get("epochs"))),
        ("seed", _text(about.get("seed"))),
        ("limits", ", ".join(f"{k} at most {v}" for k, v in (about.get("limits") or {}).items())),
        ("test values unsealed before", _unsealed(about.get("unsealed") or ())),
    ]


def _runs(runs: Sequence[Mapping[str, Any]]) -> Table | None:
    """Who did which part, where a study was not made in one go."""
    if len(runs) < 2:
        return None
    rows = []
    for run in runs:
        device, versions = run.get("device") or {}, run.get("versions") or {}
        rows.append(
            (
                _text(run.get("when")),
                Cell(_text(run.get("command"))),
                _text(run.get("sampler")),
                _pruner(run),
                _text(run.get("trials")),
                _text(device.get("name")),
                f"torch {_text(versions.get('torch'))}",
            )
        )
    return Table(
        ("begun", "command", "sampler", "pruner", "trials asked for", "device", "versions"), tuple(rows), title="Runs"
    )


def _pruner(about: Mapping[str, Any]) -> str:
    quantile = about.get("pruner_quantile")
    return f"{_text(about.get('pruner'))}{f', quantile {quantile}' if quantile else ''}"


def _unsealed(records: Iterable[Mapping[str, Any]]) -> str:
    told = [f"{_text(r.get('when'))} for {_text(r.get('purpose'))} ({_count(r.get('models'))})" for r in records]
    return f"{len(told)} times; last {told[-1]}" if len(told) > 1 else "".join(told)


def _count(models: Any) -> str:
    return counted(len(models), "model") if isinstance(models, list | tuple) else f"{_text(models)} models"


def _data(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    parts = ", ".join(f"{name} {size:,}" if isinstance(size, int) else f"{name} {size}" for name, size in
                      (data.get("parts") or {}).items())  # fmt: skip
    shape = data.get("input_shape")
    return [
        ("name", _text(data.get("name"))),
        ("reference", _text(data.get("reference"))),
        ("digest", _text(data.get("digest"))),
        ("input", " × ".join(map(str, shape)) if shape else ""),
        ("classes", _text(data.get("n_classes"))),
        ("examples", parts),
    ]


def _objectives(result: StudyResult) -> Table:
    validation = _text(result.description.get("validation"))
    rows = []
    for objective in result.objectives:
        shown = quantity(result, objective.name)
        scale = "logarithm" if objective.log else "as it is"
        stage = f"trained, {validation}" if objective.stage == "trained" and validation else objective.stage
        rows.append((Cell(objective.name, strong=True), shown.title, stage, scale, shown.source))
    return Table(("name", "shown as", "stage", "compared", "method"), tuple(rows), title="Objectives (all minimised)")


def _genome(genome: Iterable[Mapping[str, Any]]) -> Table:
    rows = []
    for gene in genome:
        if "choices" in gene:
            values = ", ".join(map(str, gene["choices"]))
        elif "low" in gene:
            values = f"{gene['low']} to {gene['high']}{' (logarithmic)' if gene.get('log') else ''}"
            values += f", steps of {gene['step']}" if gene.get("step", 1) != 1 else ""
        else:
            values = ""
        active = gene.get("active") or {}
        if "at_least" in active:
            condition = f"{active['gene']} is at least {active['at_least']}"
        elif active:
            condition = f"{active['gene']} is one of {', '.join(map(str, active.get('one_of', ())))}"
        else:
            condition = "always"
        rows.append((Cell(_text(gene.get("name")), strong=True), values, _text(gene.get("affects")), condition))
    return Table(("gene", "values", "affects", "active where"), tuple(rows), title="Genes")


def _flat(record: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    facts: list[tuple[str, str]] = []
    for name, value in record.items():
        if isinstance(value, Mapping):
            facts += _flat(value, f"{before}{name} ")
        else:
            facts.append((f"{before}{name}", _text(value)))
    return facts


def _text(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
