"""The genome that genes form, and the architecture that one choice of values makes.

A genome always has the same length: every gene is always asked for, because NSGA-II breeds only parameters that every
trial has. Whether a gene counts is decided here: an inactive gene never reaches the architecture or a digest, so two
genomes that differ only there are the same architecture.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from nas_moo.errors import InactiveGeneError, UnknownNameError, UserInputError
from nas_moo.genes import AtLeast, Categorical, Condition, Gene, Integer, OneOf, Real, Value

DIGEST_LENGTH = 12


class Architecture(Mapping[str, Value]):
    """The active values of one genome: a network and how it is trained, without weights.

    Reads like a dictionary. Reading a gene that is inactive here raises ``InactiveGeneError``.
    """

    def __init__(self, values: Mapping[str, Value], training: frozenset[str] = frozenset()) -> None:
        """``training`` names the genes that change the training and not the network."""
        self._values = dict(values)
        self.training_genes = training & self._values.keys()
        self.digest = _digest(self._values)
        self.network_digest = _digest({k: v for k, v in self._values.items() if k not in training})

    def __getitem__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise InactiveGeneError(
                "this architecture has no active gene of that name",
                value=name,
                do=f"Active here: {', '.join(self._values)}. Ask with `name in architecture` first.",
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def get(self, name: str, default: Any = None) -> Any:
        """The gene's value, or ``default`` where it is inactive."""
        return self._values.get(name, default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Architecture) and self.digest == other.digest

    def __repr__(self) -> str:
        inside = ", ".join(f"{k}={v!r}" for k, v in self._values.items())
        return f"Architecture({inside})"


class Genome:
    """The genes of a search space, in a fixed order.

    Raises:
        UserInputError: a name twice, or a condition on a gene that does not stand before.
    """

    def __init__(self, *genes: Gene) -> None:
        self.genes = genes
        self._by_name: dict[str, Gene] = {}
        for gene in genes:
            if gene.name in self._by_name:
                raise UserInputError("a genome has a gene twice", value=gene.name, do="Rename one of them.")
            if gene.active is not None:
                _check_condition(gene.name, gene.active, self._by_name)
            self._by_name[gene.name] = gene
        self.names = tuple(self._by_name)
        self._training = frozenset(g.name for g in genes if g.affects == "training")

    def __getitem__(self, name: str) -> Gene:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __len__(self) -> int:
        return len(self.genes)

    def __repr__(self) -> str:
        return f"Genome({', '.join(map(repr, self.genes))})"

    def architecture(self, values: Mapping[str, Any]) -> Architecture:
        """The architecture that these values make.

        Args:
            values: A value for each active gene; those of inactive genes may be there and are dropped.

        Raises:
            UserInputError: an active gene has no value or one outside its range, or a name is no gene.
        """
        for name in values:
            if name not in self._by_name:
                raise UnknownNameError("gene", name, self.names)
        chosen: dict[str, Value] = {}
        for gene in self.genes:
            if not self._is_active(gene, chosen):
                continue
            if gene.name not in values:
                raise UserInputError(
                    "an active gene has no value", value=gene.name, do="Give one for each active gene."
                )
            chosen[gene.name] = gene.check(values[gene.name])
        return Architecture(chosen, self._training)

    def size(self) -> int | Literal["continuous"]:
        """The number of distinct architectures, or "continuous" where a real gene can be active."""
        deciding = {g.active.gene for g in self.genes if g.active is not None}
        total = 0
        for chosen in self._combinations([g for g in self.genes if g.name in deciding]):
            free = [g for g in self.genes if g.name not in deciding and self._is_active(g, chosen)]
            if any(isinstance(g, Real) for g in free):
                return "continuous"
            total += math.prod(int(g.count) for g in free)
        return total

    def grid_size(self, steps: int | None = None) -> int:
        """The number of points that ``grid`` walks."""
        size = self.size()
        if size != "continuous":
            return size
        return Genome(*[_stepped(g, steps) for g in self.genes]).grid_size()

    def grid(self, steps: int | None = None) -> Iterator[Architecture]:
        """Every distinct architecture once, the last gene changing fastest.

        Args:
            steps: How many values a real gene takes.
        """
        for chosen in self._combinations(self.genes, steps):
            yield Architecture(chosen, self._training)

    def describe(self) -> list[dict[str, Any]]:
        """The genes as plain JSON: what a stored study compares itself with."""
        return [_describe(g) for g in self.genes]

    def _is_active(self, gene: Gene, chosen: Mapping[str, Value]) -> bool:
        condition = gene.active
        if condition is None:
            return True
        if condition.gene not in chosen:
            return False
        value = chosen[condition.gene]
        if isinstance(condition, OneOf):
            return value in condition.values
        other = self._by_name[condition.gene]
        if isinstance(other, Categorical):
            return other.choices.index(value) >= other.choices.index(condition.minimum)
        return value >= condition.minimum  # type: ignore[operator]

    def _combinations(self, genes: Sequence[Gene], steps: int | None = None) -> Iterator[dict[str, Value]]:
        """Every assignment of the active ones among ``genes``."""

        def extend(chosen: dict[str, Value], rest: Sequence[Gene]) -> Iterator[dict[str, Value]]:
            skipped = list(itertools.takewhile(lambda g: not self._is_active(g, chosen), rest))
            rest = rest[len(skipped) :]
            if not rest:
                yield chosen
                return
            for value in rest[0].values(steps):
                yield from extend({**chosen, rest[0].name: value}, rest[1:])

        return extend({}, genes)


def _check_condition(gene: str, condition: Condition, before: Mapping[str, Gene]) -> None:
    other = before.get(condition.gene)
    if other is None:
        raise UserInputError(
            f"gene {gene!r} is active under a gene that does not stand before it",
            value=condition.gene,
            do=f"Put it before. Before it stand: {', '.join(before) or 'none'}.",
        )
    if isinstance(other, Real):
        raise UserInputError(
            f"gene {gene!r} is active under a real gene", value=other.name, do="Use an integer or categorical gene."
        )
    if isinstance(condition, OneOf):
        for value in condition.values:
            other.check(value)
    elif isinstance(other, Categorical):
        if not other.ordered:
            raise UserInputError(
                f"gene {gene!r} asks for `at_least` of choices without order",
                value=other.name,
                do="Mark them ordered=True, or use one_of.",
            )
        other.check(condition.minimum)
    elif isinstance(condition.minimum, bool) or not isinstance(condition.minimum, int | float):
        raise UserInputError(
            f"gene {gene!r} asks for `at_least` of what is no number",
            value=condition.minimum,
            do=f"Gene {other.name!r} is an integer: give a number.",
        )


def _stepped(gene: Gene, steps: int | None) -> Gene:
    if not isinstance(gene, Real):
        return gene
    return Categorical(gene.name, gene.values(steps), ordered=True, affects=gene.affects, active=gene.active)


def _describe(gene: Gene) -> dict[str, Any]:
    told: dict[str, Any] = {"name": gene.name, "kind": type(gene).__name__.lower(), "affects": gene.affects}
    if isinstance(gene, Categorical):
        told |= {"choices": list(gene.choices), "ordered": gene.ordered}
    else:
        told |= {"low": gene.low, "high": gene.high, "log": gene.log}
        if isinstance(gene, Integer):
            told["step"] = gene.step
    if isinstance(gene.active, AtLeast):
        told["active"] = {"gene": gene.active.gene, "at_least": gene.active.minimum}
    elif isinstance(gene.active, OneOf):
        told["active"] = {"gene": gene.active.gene, "one_of": list(gene.active.values)}
    return told


def _digest(values: Mapping[str, Value]) -> str:
    text = json.dumps(dict(values), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]
