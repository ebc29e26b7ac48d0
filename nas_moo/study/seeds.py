"""Architectures that a user gives to be trained first: read from a file, and checked one by one."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from nas_moo.errors import UserInputError
from nas_moo.genes import Categorical, Gene, Real
from nas_moo.genome import Architecture, Genome
from nas_moo.space import user_path

SeedArchitectures: TypeAlias = str | Path | Sequence[Mapping[str, Any]]
_LISTS = ("models", "front")  # in the front.json of a report, and in what `nas-moo search --json` prints
_COLUMN = "gene_"


def read_seeds(given: SeedArchitectures, genome: Genome) -> tuple[Architecture, ...]:
    """The architectures, each once, in the order given.

    Args:
        given: A JSON file (a list of objects gene to value, or what ``nas-moo show``, ``search`` and ``report`` write),
            a CSV file with a column a gene, or the objects themselves. Inactive genes may be left out.
        genome: Of the search space.

    Raises:
        UserInputError: the file cannot be read, holds none, or an entry is no architecture of the space; the message
            names the entry, counted from 1.
    """
    entries = _read(given, genome) if isinstance(given, str | Path) else given
    if not entries:
        raise UserInputError("there are no seed architectures in this", value=given, do="Give at least one.")
    return tuple(dict.fromkeys(_architecture(n, entry, genome) for n, entry in enumerate(entries, 1)))


def _read(file: str | Path, genome: Genome) -> Sequence[Any]:
    path = user_path(str(file))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise UserInputError(
            f"the seed architectures cannot be read ({getattr(error, 'strerror', None) or error})",
            value=str(file),
            do="Give a JSON or CSV file.",
        ) from error
    return _rows(text, str(file), genome) if path.suffix.lower() == ".csv" else _objects(text, str(file))


def _objects(text: str, file: str) -> Sequence[Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserInputError(
            f"the seed architectures are no JSON ({error})",
            value=file,
            do='Write a list such as [{"depth": 2}], or a CSV file that ends in .csv.',
        ) from error
    if isinstance(document, dict):
        lists = [document[key] for key in _LISTS if isinstance(document.get(key), list)]
        return lists[0] if lists else [document]
    return document if isinstance(document, list) else [document]


def _rows(text: str, file: str, genome: Genome) -> Sequence[Any]:
    try:
        rows = list(csv.DictReader(text.splitlines(), restkey="", restval=""))
    except csv.Error as error:
        raise UserInputError(
            f"the seed architectures are no CSV ({error})", value=file, do="Write a column a gene, separated by commas."
        ) from error
    return [_cells(row, genome) for row in rows]


def _cells(row: Mapping[str, str], genome: Genome) -> dict[str, Any]:
    """What the cells of a row say; an empty one belongs to a gene that is inactive."""
    named = _genes(row, genome)
    return {name: _value(genome[name], text) if name in genome else text for name, text in named.items() if text != ""}


def _value(gene: Gene, text: str) -> Any:
    """The value that a text stands for; the text itself where it stands for none."""
    if isinstance(gene, Categorical):
        return next((choice for choice in gene.choices if str(choice) == text), text)
    try:
        return float(text) if isinstance(gene, Real) else int(text)
    except ValueError:
        return text


def _architecture(number: int, entry: Any, genome: Genome) -> Architecture:
    if not isinstance(entry, Mapping):
        raise UserInputError(
            f"seed architecture {number} is no architecture",
            value=entry,
            do=f"Give each as genes and values. Genes: {', '.join(genome.names)}.",
        )
    try:
        return genome.architecture(_genes(entry, genome))
    except UserInputError as error:
        raise UserInputError(f"seed architecture {number}: {error.what}", value=error.value, do=error.do) from error


def _genes(entry: Mapping[str, Any], genome: Genome) -> Mapping[str, Any]:
    """The genes of an entry that may have columns or keys of results beside them."""
    inner = entry.get("architecture") if "architecture" in entry else None
    if isinstance(inner, Mapping):
        return inner
    columns = {k[len(_COLUMN) :]: v for k, v in entry.items() if str(k).startswith(_COLUMN) and k not in genome}
    return columns or entry
